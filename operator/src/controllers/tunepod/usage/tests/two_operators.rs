//! Two operators at once: one was paused in the middle of a reconcile, another took over, the first one goes on.
//!
//! What it asks and reads is let through, and of its writes the one that had passed the question for the lease before
//! the pause. What holds then are the versions that each write names.

use super::*;
use crate::controllers::execute::status_write;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use trustbridge_kit::apply::{FieldManager, StatusWrite};

/// Minutes from one interval to the next, so that days pass.
const STRIDE: i64 = 200;

/// The sentinel's outbox, the API server, and who holds the lease.
struct World {
    records: Vec<Record<Quantities>>,
    acknowledged: u64,
    tunepod: Observed,
    books: BTreeMap<String, UsageRecord>,
    version: u64,
    leader: usize,
    operators: [Operator; 2],
}

/// Where an operator is in its reconcile.
#[derive(Default)]
struct Operator {
    seen: Option<Observed>,
    /// Writes that are left of its plan, the status last.
    plan: VecDeque<Write>,
    /// The write that was let through, and not sent yet.
    sending: Option<Write>,
}

/// What an operator does next, or happens to it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Reads the TunePod, asks the sentinel, reads the UsageRecord, decides.
    Look(usize),
    /// Asks for the lease before its next write.
    Check(usize),
    /// That write reaches the API server.
    Send(usize),
    /// The lease goes to the other one.
    Elect,
    /// The sentinel closes an interval.
    Use,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0usize..2).prop_map(Deed::Look),
        4 => (0usize..2).prop_map(Deed::Check),
        4 => (0usize..2).prop_map(Deed::Send),
        1 => Just(Deed::Elect),
        3 => Just(Deed::Use),
    ]
}

impl World {
    fn new() -> Self {
        let mut tunepod = serving(Phase::Ready);
        tunepod.tunepod.metadata.resource_version = Some("0".to_owned());
        Self {
            records: Vec::new(),
            acknowledged: 0,
            tunepod,
            books: BTreeMap::new(),
            version: 0,
            leader: 0,
            operators: Default::default(),
        }
    }

    fn happens(&mut self, deed: Deed) {
        match deed {
            Deed::Look(who) => self.look(who),
            Deed::Check(who) => self.check(who),
            Deed::Send(who) => self.send(who),
            Deed::Use => {
                let seq = self.records.len() as u64 + 1;
                self.records
                    .push(record(seq, i64::try_from(seq).unwrap() * STRIDE));
            }
            Deed::Elect => {
                self.leader = 1 - self.leader;
                // Whoever has the lease anew begins anew; the former one does not know yet that it lost it.
                let newly = &mut self.operators[self.leader];
                newly.seen = None;
                newly.plan.clear();
            }
        }
    }

    /// Only who believes to have the lease reconciles: the leader, or a former one that has begun.
    fn look(&mut self, who: usize) {
        let is_busy = !self.operators[who].plan.is_empty() || self.operators[who].sending.is_some();
        if who != self.leader || is_busy {
            return;
        }
        let mut seen = self.tunepod.clone();
        let Some(asked) = ask(&seen, now()) else { return };
        seen.heard = heard(self.answer(asked.after, asked.hash.as_deref()));
        if let Some(entry) = step(&seen, now()).and_then(|next| next.entry) {
            let found = self.books.get(&name(&seen.tunepod, "acme", entry.day));
            seen.heard.record = Some((entry.day, found.cloned()));
        }
        let plan = decide(&seen, now());
        let mut writes: VecDeque<Write> = plan.books.iter().cloned().collect();
        let status = status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &plan.status);
        writes.extend(status.map(|write| Write::Status(FieldManager::TUNEPOD_STATUS, write)));
        let operator = &mut self.operators[who];
        (operator.seen, operator.plan) = (Some(seen), writes);
    }

    /// Acknowledged records are gone.
    fn answer(&mut self, after: u64, hash: Option<&str>) -> Answer {
        if hash.is_some() {
            self.acknowledged = self.acknowledged.max(after);
        }
        let from = after.max(self.acknowledged);
        let records: Vec<_> = self
            .records
            .iter()
            .filter(|r| r.seq > from)
            .take(3)
            .cloned()
            .collect();
        let last = self.records.len() as u64;
        let more = records.last().is_some_and(|record| record.seq < last);
        let first = self.acknowledged + 1;
        Answer::Page(
            Page {
                first,
                last,
                more,
                ..page(records)
            },
            true,
        )
    }

    fn check(&mut self, who: usize) {
        let is_leader = who == self.leader;
        let operator = &mut self.operators[who];
        if operator.sending.is_some() {
            return;
        }
        if is_leader {
            operator.sending = operator.plan.pop_front();
        } else {
            operator.plan.clear();
        }
    }

    /// Everything is acknowledged, and nobody has anything left to write.
    fn is_done(&self) -> bool {
        let is_idle = |operator: &Operator| operator.plan.is_empty() && operator.sending.is_none();
        self.acknowledged == self.records.len() as u64 && self.operators.iter().all(is_idle)
    }

    fn send(&mut self, who: usize) {
        let Some(write) = self.operators[who].sending.take() else {
            return;
        };
        if !self.take(&write) {
            // Somebody else wrote it in between: the reconcile ends, and begins anew later.
            self.operators[who].plan.clear();
        }
    }

    /// The API server: whether it takes a write.
    fn take(&mut self, write: &Write) -> bool {
        let next = (self.version + 1).to_string();
        match write {
            Write::Create(_, built) => {
                let mut record: UsageRecord = serde_json::from_value(built.body.clone()).unwrap();
                record.metadata.resource_version = Some(next);
                record.metadata.uid = Some(built.target.name.clone());
                self.books.entry(built.target.name.clone()).or_insert(record);
            }
            Write::Status(_, write)
                if write.target.name == self.tunepod.tunepod.metadata.name.clone().unwrap() =>
            {
                let metadata = &mut self.tunepod.tunepod.metadata;
                if !is_at(write, metadata.resource_version.as_deref()) {
                    return false;
                }
                metadata.resource_version = Some(next);
                self.tunepod.tunepod.status = Some(serde_json::from_value(write.status.clone()).unwrap());
            }
            Write::Status(_, write) => {
                let record = self.books.get_mut(&write.target.name).unwrap();
                if !is_at(write, record.metadata.resource_version.as_deref()) {
                    return false;
                }
                record.metadata.resource_version = Some(next);
                record.status = Some(serde_json::from_value(write.status.clone()).unwrap());
            }
            other => panic!("no write of usage: {other:?}"),
        }
        self.version += 1;
        true
    }
}

fn is_at(write: &StatusWrite, version: Option<&str>) -> bool {
    Some(write.resource_version.as_str()) == version
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_was_used_is_recorded_once_whoever_of_two_operators_writes_it(
        deeds in prop::collection::vec(deed(), 1..150)
    ) {
        let mut world = World::new();
        for deed in deeds {
            world.happens(deed);
        }
        // What the former leader had let through arrives last; then the leader does what is left.
        let former = 1 - world.leader;
        world.happens(Deed::Send(former));
        world.happens(Deed::Check(former));
        for _ in 0..2000 {
            if world.is_done() {
                break;
            }
            for deed in [Deed::Look(world.leader), Deed::Check(world.leader), Deed::Send(world.leader)] {
                world.happens(deed);
            }
        }
        let used = i64::try_from(world.records.len()).unwrap() * 2;
        let books = world.books.values().filter_map(|record| record.status.as_ref());
        let total: i64 = books.clone().filter_map(|status| status.total.completion_tokens).sum();
        let intervals: i64 = books.clone().flat_map(|s| &s.starts).map(|s| s.intervals).sum();
        prop_assert_eq!((total, intervals * 2), (used, used));
        prop_assert!(books.clone().all(|status| status.complete && status.losses.is_empty()));
        prop_assert_eq!(world.acknowledged, world.records.len() as u64);
    }
}
