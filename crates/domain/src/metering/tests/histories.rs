//! Histories against a service with the real one's rules: every short one, and long ones by chance.

use super::{at, check, meter, q};
use crate::metering::{Answer, Blocked, Day, Hour, Ledger, Now, Quantity};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A service with the rules of the real one, and a clock of its own.
#[derive(Default)]
struct Service {
    books: BTreeMap<i64, Quantity>,
}

impl Service {
    fn submit(&mut self, hour: i64, quantity: Quantity, now: i64) -> Answer {
        if hour > now {
            Answer::Refused(Blocked::Config)
        } else if now - hour >= 24 {
            Answer::Expired
        } else if let Some(known) = self.books.get(&hour) {
            Answer::Duplicate(Some(*known))
        } else {
            self.books.insert(hour, quantity);
            Answer::Accepted(Some(quantity))
        }
    }

    fn day(&self, day: Day) -> Quantity {
        let of_day = self
            .books
            .iter()
            .filter(|(hour, _)| Hour::new(**hour).day() == day);
        of_day.map(|(_, quantity)| *quantity).sum()
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    /// True time passes, in hours, and so many units are used.
    Use(i64, u64),
    /// The clock is off by so many hours from now on.
    Skew(i64),
    /// Send everything; the service is reached, or the request or the reply is lost.
    Send,
    LoseRequest,
    LoseReply,
    /// The process dies; what was written down is what it had.
    Crash,
    /// It dies with the request under way.
    CrashSending,
}

struct World {
    ledger: Ledger,
    service: Service,
    time: i64,
    skew: i64,
    records: u64,
    used: Quantity,
    sent: BTreeMap<i64, BTreeSet<Quantity>>,
}

impl World {
    fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            service: Service::default(),
            time: 1000,
            skew: 0,
            records: 0,
            used: Quantity::ZERO,
            sent: BTreeMap::new(),
        }
    }

    fn now(&self) -> Now {
        at(self.time + self.skew)
    }

    fn apply(&mut self, what: Move) {
        match what {
            Move::Use(hours, units) => {
                self.time += hours;
                self.records += 1;
                self.used += q(units);
                self.ledger
                    .take_in(self.records, &[(meter(), q(units))], self.now());
                self.ledger.advance(self.now());
            }
            Move::Skew(skew) => {
                self.skew = skew;
                self.ledger.advance(self.now());
            }
            Move::Send | Move::LoseRequest | Move::LoseReply | Move::CrashSending => self.send(what),
            Move::Crash => self.ledger = self.ledger.clone().recovered(),
        }
        check(&self.ledger);
        assert_eq!(self.ledger.balance().recorded, self.used);
    }

    fn send(&mut self, how: Move) {
        for due in self.ledger.due(self.now()) {
            self.ledger.sending([&due.key]);
            let hour = due.key.hour.since(Hour::new(0));
            let mut answer = Answer::NotReached {
                perhaps_recorded: !matches!(how, Move::LoseRequest),
            };
            if !matches!(how, Move::LoseRequest) {
                let told = self.service.submit(hour, due.quantity, self.time);
                if matches!(told, Answer::Accepted(_)) {
                    self.sent.entry(hour).or_default().insert(due.quantity);
                }
                if matches!(how, Move::Send) {
                    answer = told;
                }
            }
            if matches!(how, Move::CrashSending) {
                self.ledger = self.ledger.clone().recovered();
                return;
            }
            self.ledger.settle(&due.key, answer, self.now());
        }
        for (meter, day) in self.ledger.disputed() {
            self.ledger.reconcile(&meter, day, self.service.day(day));
        }
    }

    /// All is right again for three days.
    fn calm(&mut self) {
        self.skew = 0;
        for _ in 0..72 {
            self.time += 1;
            self.ledger.advance(self.now());
            self.send(Move::Send);
            check(&self.ledger);
        }
    }

    fn verdict(&self) {
        let billed: Quantity = self.service.books.values().copied().sum();
        let sums = self.ledger.balance();
        assert_eq!(
            (sums.accepted, sums.open, sums.under_way),
            (billed, Quantity::ZERO, Quantity::ZERO)
        );
        assert_eq!(billed + sums.lost, self.used);
        // No hour was accepted twice.
        assert!(self.sent.values().all(|quantities| quantities.len() == 1));
    }
}

/// Every sequence of five moves out of ten, each followed by calm.
#[test]
fn every_short_history_is_billed_exactly() {
    let moves = [
        Move::Use(0, 3),
        Move::Use(1, 5),
        Move::Use(30, 7),
        Move::Skew(-2),
        Move::Skew(3),
        Move::Skew(0),
        Move::Send,
        Move::LoseRequest,
        Move::LoseReply,
        Move::CrashSending,
    ];
    let mut histories = 0;
    for number in 0..10_usize.pow(5) {
        let mut world = World::new();
        let mut rest = number;
        for _ in 0..5 {
            world.apply(moves[rest % 10]);
            rest /= 10;
        }
        world.calm();
        world.verdict();
        histories += 1;
    }
    assert_eq!(histories, 100_000);
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0..3_i64, 1..1000_u64).prop_map(|(hours, units)| Move::Use(hours, units)),
        1 => (20..60_i64, 0..50_u64).prop_map(|(hours, units)| Move::Use(hours, units)),
        1 => (-100..100_i64).prop_map(Move::Skew),
        1 => Just(Move::Skew(0)),
        4 => Just(Move::Send),
        2 => Just(Move::LoseRequest),
        2 => Just(Move::LoseReply),
        1 => Just(Move::Crash),
        2 => Just(Move::CrashSending),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn long_histories_are_billed_exactly(moves in proptest::collection::vec(any_move(), 0..120)) {
        let mut world = World::new();
        for what in moves {
            world.apply(what);
        }
        world.calm();
        world.verdict();
    }
}
