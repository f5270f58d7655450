use super::*;
use proptest::prelude::*;

/// 15 January 2026, 10:00 UTC.
const OPENED: i64 = 1_768_471_200_000;

fn minute(number: i64) -> i64 {
    OPENED + number * MINUTE_MS
}

fn said(at: i64, by: Side, phase: TicketPhase) -> Move {
    Move {
        at_ms: minute(at),
        by,
        phase,
    }
}

fn seller(at: i64, phase: TicketPhase) -> Move {
    said(at, Side::Seller, phase)
}

#[test]
fn the_first_word_of_the_seller_is_the_response() {
    let answered = |at| vec![seller(at, TicketPhase::Acknowledged)];
    let rows = [
        (None, vec![], 9_999, Promise::Unpromised),
        (Some(60), vec![], 0, Promise::Due(minute(60))),
        (Some(60), vec![], 60, Promise::Due(minute(60))),
        (Some(60), vec![], 61, Promise::Broken(minute(60))),
        (Some(60), answered(60), 61, Promise::Kept),
        (Some(60), answered(61), 61, Promise::Broken(minute(60))),
        // More words of the buyer are no answer; that nothing is wanted any more ends what is owed.
        (
            Some(60),
            vec![said(5, Side::Buyer, TicketPhase::Open)],
            61,
            Promise::Broken(minute(60)),
        ),
        (
            Some(60),
            vec![said(5, Side::Buyer, TicketPhase::Closed)],
            61,
            Promise::Kept,
        ),
    ];
    for (minutes, moves, now, right) in rows {
        assert_eq!(response(OPENED, minutes, &moves, minute(now)), right, "{moves:?}");
    }
}

#[test]
fn the_resolution_clock_stands_while_the_buyer_is_asked_and_goes_on_after_a_reopening() {
    use TicketPhase as P;
    let mut moves = vec![seller(10, P::Acknowledged), seller(20, P::WaitingForCustomer)];
    let at = |moves: &[Move], now| resolution(OPENED, Some(60), moves, minute(now));
    assert_eq!(at(&moves, 500), Promise::Paused(40 * MINUTE_MS));
    moves.push(said(500, Side::Buyer, P::InProgress));
    assert_eq!(at(&moves, 510), Promise::Due(minute(540)));
    moves.push(seller(530, P::Resolved));
    assert_eq!(at(&moves, 9_000), Promise::Kept);
    moves.push(said(1_000, Side::Buyer, P::InProgress));
    assert_eq!(at(&moves, 1_000), Promise::Due(minute(1_010)));
    assert_eq!(at(&moves, 1_011), Promise::Broken(minute(1_010)));
    moves.push(seller(1_020, P::Resolved));
    moves.push(seller(1_021, P::Closed));
    assert_eq!(
        at(&moves, 1_022),
        Promise::Broken(minute(1_010)),
        "what was broken stays broken"
    );
    assert_eq!(resolution(OPENED, None, &moves, minute(1)), Promise::Unpromised);
}

#[test]
fn the_clock_closes_what_stays_solved_and_words_do_not_put_it_off() {
    use TicketPhase as P;
    let day = |number: i64| minute(number * 24 * 60);
    let mut moves = vec![seller(10, P::Acknowledged), seller(24 * 60, P::Resolved)];
    assert_eq!(closes_at(Some(7), &moves), Some(day(8)));
    moves.push(said(2 * 24 * 60, Side::Buyer, P::Resolved));
    assert_eq!(closes_at(Some(7), &moves), Some(day(8)));
    assert_eq!(closes_at(None, &moves), None);
    moves.push(said(3 * 24 * 60, Side::Buyer, P::InProgress));
    assert_eq!(closes_at(Some(7), &moves), None);
    moves.push(seller(4 * 24 * 60, P::Resolved));
    assert_eq!(closes_at(Some(7), &moves), Some(day(11)));
    assert_eq!(closes_at(Some(7), &[]), None);
}

/// Lives of tickets: legal moves only, minutes apart.
fn lives() -> impl Strategy<Value = Vec<Move>> {
    let step = (0_i64..90, any::<bool>(), 0_usize..8);
    proptest::collection::vec(step, 0..12).prop_map(|steps| {
        let (mut at, mut phase) = (0, TicketPhase::Open);
        let mut moves = Vec::new();
        for (pause, is_buyer, choice) in steps {
            at += pause;
            let next = phase.next();
            // Now and then words alone.
            phase = next.get(choice).copied().unwrap_or(phase);
            let by = if is_buyer { Side::Buyer } else { Side::Seller };
            moves.push(said(at, by, phase));
        }
        moves
    })
}

/// Counts minute by minute: the minutes in which the seller had to act, and the first that is one too many.
fn counted(minutes: u32, moves: &[Move], now: i64) -> (i64, Option<i64>) {
    let mut spent = 0;
    for at in 0..now {
        let mut before = moves.iter().filter(|m| m.at_ms <= minute(at));
        let phase = before.next_back().map_or(TicketPhase::Open, |m| m.phase);
        if matches!(
            phase,
            TicketPhase::Open | TicketPhase::Acknowledged | TicketPhase::InProgress
        ) {
            spent += 1;
            if spent > i64::from(minutes) {
                return (spent, Some(at));
            }
        }
    }
    (spent, None)
}

proptest! {
    #[test]
    fn what_is_left_is_what_a_count_by_minutes_says(moves in lives(), minutes in 1_u32..400, more in 0_i64..200) {
        let last = moves.last().map_or(0, |m| (m.at_ms - OPENED) / MINUTE_MS);
        let now = last + more;
        let (spent, broken) = counted(minutes, &moves, now);
        let left = i64::from(minutes) - spent;
        match resolution(OPENED, Some(minutes), &moves, minute(now)) {
            Promise::Broken(at) => prop_assert_eq!(broken.map(minute), Some(at)),
            Promise::Due(at) => {
                prop_assert_eq!(broken, None);
                prop_assert_eq!(at, minute(now + left));
            }
            Promise::Paused(rest) => {
                prop_assert_eq!(broken, None);
                prop_assert_eq!(rest, left * MINUTE_MS);
            }
            Promise::Kept => prop_assert_eq!(broken, None),
            Promise::Unpromised => prop_assert!(false, "it was promised"),
        }
    }

    #[test]
    fn what_is_broken_stays_broken(moves in lives(), minutes in 1_u32..200, now in 0_i64..2_000) {
        let until = |end: i64| -> Vec<Move> {
            moves.iter().copied().filter(|m| m.at_ms <= minute(end)).collect()
        };
        for of in [response, resolution] {
            let early = of(OPENED, Some(minutes), &until(now), minute(now));
            let late = of(OPENED, Some(minutes), &moves, minute(5_000));
            if let Promise::Broken(at) = early {
                prop_assert_eq!(late, Promise::Broken(at));
            }
        }
    }
}
