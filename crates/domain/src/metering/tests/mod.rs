mod histories;

use super::*;

const H: i64 = 3_600_000;
/// Well inside an hour, past the time for which the hour before is kept open.
const INSIDE: i64 = 600_000;

fn at(hour: i64) -> Now {
    Now {
        wall_ms: hour * H + INSIDE,
        elapsed_ms: 0,
    }
}

fn meter() -> Meter {
    Meter {
        resource: "/subscriptions/s/app".into(),
        dimension: "tokens".into(),
        plan: "gold".into(),
    }
}

fn key(hour: i64) -> Key {
    Key {
        meter: meter(),
        hour: Hour::new(hour),
    }
}

fn q(units: u64) -> Quantity {
    Quantity::from(units)
}

/// A ledger that counted `units` in hour 100 and made an event of them in hour 101.
fn with_event(units: u64) -> Ledger {
    let mut ledger = Ledger::default();
    assert!(ledger.take_in(1, &[(meter(), q(units))], at(100)));
    ledger.advance(at(100));
    assert_eq!(ledger.due(at(100)), []);
    ledger.advance(at(101));
    ledger
}

fn hours(ledger: &Ledger, now: Now) -> Vec<i64> {
    let first = Hour::new(0);
    ledger
        .due(now)
        .iter()
        .map(|due| due.key.hour.since(first))
        .collect()
}

fn send(ledger: &mut Ledger, hour: i64, answer: Answer, now: Now) -> Vec<Alert> {
    ledger.sending([&key(hour)]);
    ledger.settle(&key(hour), answer, now)
}

fn check(ledger: &Ledger) {
    let sums = ledger.balance();
    let all = sums.open + sums.under_way + sums.accepted + sums.lost;
    assert_eq!(sums.recorded, all, "{sums:?}");
}

#[test]
fn an_hour_is_sent_when_it_is_over_and_a_record_counts_once() {
    let mut ledger = with_event(5);
    assert!(!ledger.take_in(1, &[(meter(), q(5))], at(101)));
    assert_eq!(hours(&ledger, at(101)), [100]);
    assert_eq!(send(&mut ledger, 100, Answer::Accepted(Some(q(5))), at(101)), []);
    assert_eq!(ledger.balance().accepted, q(5));
    assert_eq!(ledger.due(at(101)), []);
    // The first two minutes of an hour belong to the one before.
    let early = Now {
        wall_ms: 102 * H + 60_000,
        elapsed_ms: 0,
    };
    ledger.take_in(2, &[(meter(), q(1))], early);
    ledger.advance(early);
    assert_eq!(hours(&ledger, early), Vec::<i64>::new());
    ledger.advance(at(102));
    assert_eq!(hours(&ledger, at(102)), [101]);
}

#[test]
fn late_usage_goes_into_the_next_open_hour() {
    let mut ledger = with_event(5);
    send(&mut ledger, 100, Answer::Accepted(None), at(101));
    // The clock steps back into the hour that was accepted.
    ledger.take_in(2, &[(meter(), q(3))], at(100));
    ledger.advance(at(100));
    ledger.advance(at(101));
    assert_eq!(hours(&ledger, at(101)), Vec::<i64>::new());
    ledger.advance(at(102));
    assert_eq!(hours(&ledger, at(102)), [101]);
    check(&ledger);
}

#[test]
fn a_duplicate_is_compared_and_the_difference_is_carried_in_both_directions() {
    for (accepted, open) in [(5, 0_i64), (3, 2), (9, -4)] {
        let mut ledger = with_event(5);
        let alerts = send(&mut ledger, 100, Answer::Duplicate(Some(q(accepted))), at(101));
        assert_eq!(alerts.is_empty(), open == 0);
        assert_eq!(ledger.balance().open.to_string(), open.to_string());
        check(&ledger);
        // What was billed too much is set off against the next usage.
        ledger.take_in(2, &[(meter(), q(10))], at(101));
        ledger.advance(at(102));
        let due = ledger.due(at(102));
        assert_eq!(due[0].quantity.to_string(), (10 + open).to_string());
    }
    let mut ledger = with_event(5);
    let alerts = send(&mut ledger, 100, Answer::Duplicate(None), at(101));
    assert!(matches!(alerts[..], [Alert::Conflict { accepted: None, .. }]));
}

#[test]
fn what_may_have_arrived_is_sent_again_unchanged() {
    let mut ledger = with_event(5);
    ledger.sending([&key(100)]);
    assert_eq!(ledger.due(at(101)), []);
    let mut ledger = ledger.recovered();
    ledger.take_in(2, &[(meter(), q(7))], at(100));
    ledger.advance(at(101));
    let due = ledger.due(at(101));
    assert_eq!((due.len(), due[0].quantity), (1, q(5)));
}

#[test]
fn expired_is_lost_or_disputed_or_a_matter_of_the_clock() {
    // Never sent before, and old: lost.
    let mut ledger = with_event(5);
    let alerts = send(&mut ledger, 100, Answer::Expired, at(126));
    assert!(matches!(&alerts[..], [Alert::Lost { quantity, .. }] if *quantity == q(5)));
    assert_eq!(ledger.balance().lost, q(5));
    // Young by our clock: the clock is wrong, and nothing was recorded.
    let mut ledger = with_event(5);
    let alerts = send(&mut ledger, 100, Answer::Expired, at(101));
    assert!(matches!(alerts[..], [Alert::Clock(_)]));
    ledger.advance(at(300));
    assert_eq!(hours(&ledger, at(300)), Vec::<i64>::new());
    ledger.advance(at(301));
    assert_eq!(hours(&ledger, at(301)), [300]);
    check(&ledger);
}

#[test]
fn a_dispute_is_settled_by_the_services_books() {
    for (submitted, lost, alerts) in [(5, 0, 0), (0, 5, 1), (7, 0, 1)] {
        let mut ledger = with_event(5);
        let lost_reply = Answer::NotReached {
            perhaps_recorded: true,
        };
        send(&mut ledger, 100, lost_reply, at(101));
        assert_eq!(ledger.disputed(), []);
        assert_eq!(send(&mut ledger, 100, Answer::Expired, at(126)), []);
        assert_eq!(ledger.due(at(126)), []);
        let day = Hour::new(100).day();
        assert_eq!(ledger.disputed(), [(meter(), day)]);
        assert_eq!(ledger.reconcile(&meter(), day, q(submitted)).len(), alerts);
        assert_eq!(ledger.balance().lost, q(lost));
        assert_eq!(ledger.disputed(), []);
        check(&ledger);
    }
}

#[test]
fn refusals_suspend_at_once_or_after_two_hours_or_never() {
    for cause in [Blocked::NotActive, Blocked::NotFound, Blocked::NotSubscribed] {
        let mut ledger = with_event(5);
        send(&mut ledger, 100, Answer::Refused(cause), at(101));
        assert_eq!(ledger.suspension(), Some(Suspension::Refused(cause)));
        assert_eq!(
            ledger.clone().recovered().suspension(),
            Some(Suspension::Refused(cause))
        );
        assert_eq!(hours(&ledger.clone().recovered(), at(101)), [100]);
        send(&mut ledger, 100, Answer::Accepted(None), at(102));
        assert_eq!(ledger.suspension(), None);
    }
    let mut ledger = with_event(5);
    let unauthorized = Answer::Refused(Blocked::NotAuthorized);
    for (hour, suspended) in [(101, false), (101, false), (102, true)] {
        send(&mut ledger, 100, unauthorized, at(hour));
        assert_eq!(ledger.suspension().is_some(), suspended, "{hour}");
        assert_eq!(ledger.due(at(hour)), [], "not again in the same hour");
    }
    send(&mut ledger, 100, Answer::Accepted(None), at(103));
    assert_eq!(ledger.suspension(), None);
    let mut ledger = with_event(5);
    for hour in 101..130 {
        send(&mut ledger, 100, Answer::Refused(Blocked::Config), at(hour));
        assert_eq!(ledger.suspension(), None);
    }
}

#[test]
fn an_outage_is_measured_by_the_steady_clock_and_ends_with_any_answer() {
    let mut ledger = with_event(5);
    let away = Answer::NotReached {
        perhaps_recorded: false,
    };
    send(&mut ledger, 100, away, at(101));
    // The clock steps ahead a month: nothing happened.
    ledger.advance(at(101 + 720));
    assert_eq!((ledger.outage_ms(), ledger.suspension()), (0, None));
    let hour = Now {
        elapsed_ms: GRACE_MS / 24,
        ..at(101)
    };
    for count in 1..=24_u64 {
        assert_eq!(ledger.suspension(), None);
        ledger.advance(hour);
        ledger = ledger.recovered();
        assert_eq!(ledger.outage_ms(), count * GRACE_MS / 24);
    }
    assert_eq!(ledger.suspension(), Some(Suspension::Outage));
    send(&mut ledger, 100, Answer::Refused(Blocked::Config), at(101));
    assert_eq!((ledger.outage_ms(), ledger.suspension()), (0, None));
}

#[test]
fn a_clock_that_was_ahead_leaves_no_event_in_the_future() {
    let mut ledger = Ledger::default();
    ledger.take_in(1, &[(meter(), q(5))], at(500));
    ledger.advance(at(500));
    ledger.advance(at(501));
    assert_eq!(hours(&ledger, at(501)), [500]);
    assert_eq!(
        send(&mut ledger, 500, Answer::Refused(Blocked::Config), at(501)),
        [Alert::Config(key(500))]
    );
    // Set right.
    ledger.advance(at(100));
    assert_eq!(hours(&ledger, at(100)), Vec::<i64>::new());
    ledger.advance(at(101));
    assert_eq!(hours(&ledger, at(101)), [100]);
    check(&ledger);
}
