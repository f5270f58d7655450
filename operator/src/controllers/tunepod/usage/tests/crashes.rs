//! A small world of a sentinel, an API server and an operator that dies between any two writes.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Minutes from one interval to the next, so that days pass.
const STRIDE: i64 = 200;

/// The sentinel's outbox, and what the API server has.
struct World {
    records: Vec<Record<Quantities>>,
    acknowledged: u64,
    start: u32,
    seen: Observed,
    books: BTreeMap<String, UsageRecord>,
}

impl World {
    fn new() -> Self {
        Self {
            records: Vec::new(),
            acknowledged: 0,
            start: 0,
            seen: serving(Phase::Ready),
            books: BTreeMap::new(),
        }
    }

    /// The sentinel closes an interval.
    fn used(&mut self) {
        let seq = self.records.len() as u64 + 1;
        let minute = i64::try_from(seq).unwrap() * STRIDE;
        self.records.push(Record {
            boot: format!("start-{}", self.start),
            ..record(seq, minute)
        });
    }

    /// What the sentinel answers; acknowledged records are gone.
    fn answer(&mut self, after: u64, hash: Option<&str>, limit: usize) -> Answer {
        if hash.is_some() {
            self.acknowledged = self.acknowledged.max(after);
        }
        let newer = self
            .records
            .iter()
            .filter(|r| r.seq > after.max(self.acknowledged));
        let records: Vec<_> = newer.take(limit).cloned().collect();
        let last = self.records.len() as u64;
        Answer::Page(
            Page {
                first: self.acknowledged + 1,
                last,
                more: records.last().is_some_and(|r| r.seq < last),
                ..page(records)
            },
            true,
        )
    }

    /// One reconcile. The operator dies before the books are written (0), before the status is (1), or not at all.
    fn look(&mut self, limit: usize, dies: u8) {
        let Some(asked) = ask(&self.seen, now()) else {
            return;
        };
        let answer = self.answer(asked.after, asked.hash.as_deref(), limit);
        self.seen.heard = heard(answer);
        if let Some(entry) = step(&self.seen, now()).and_then(|next| next.entry) {
            let found = self.books.get(&name(&self.seen.tunepod, "acme", entry.day));
            self.seen.heard.record = Some((entry.day, found.cloned()));
        }
        let plan = decide(&self.seen, now());
        if dies == 0 {
            return;
        }
        for write in &plan.books {
            self.write(write);
        }
        if dies > 1 {
            self.seen.tunepod.status = Some(plan.status);
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Create(_, built) => {
                let record: UsageRecord = serde_json::from_value(built.body.clone()).unwrap();
                self.books.entry(built.target.name.clone()).or_insert(record);
            }
            Write::Status(_, status) => {
                let record = self.books.get_mut(&status.target.name).unwrap();
                record.status = Some(serde_json::from_value(status.status.clone()).unwrap());
            }
            other => panic!("no write of usage: {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn what_was_used_is_recorded_once_wherever_the_operator_dies(
        steps in prop::collection::vec((0u8..4, 1usize..5, 0u8..4), 1..80)
    ) {
        let mut world = World::new();
        for (what, limit, dies) in steps {
            match what {
                0 => world.start += 1,
                1 => world.used(),
                _ => world.look(limit, dies),
            }
        }
        // Whatever is left is read by an operator that lives.
        for _ in 0..400 {
            world.look(3, 9);
        }
        let used = i64::try_from(world.records.len()).unwrap() * 2;
        let books = world.books.values().filter_map(|record| record.status.as_ref());
        let total: i64 = books.clone().filter_map(|status| status.total.completion_tokens).sum();
        let hours: i64 = books.clone().flat_map(|s| &s.hours).filter_map(|h| h.quantities.completion_tokens).sum();
        let intervals: i64 = books.clone().flat_map(|s| &s.starts).map(|s| s.intervals).sum();
        prop_assert_eq!((total, hours, intervals * 2), (used, used, used));
        prop_assert!(books.clone().all(|status| status.complete && status.losses.is_empty()));
        prop_assert_eq!(world.acknowledged, world.records.len() as u64);
    }
}
