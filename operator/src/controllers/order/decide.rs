//! What an order does next. Pure.

use super::pending::{self, Next};
use super::{Observed, build, changes, cost, ledger, status, teardown};
use crate::controllers::execute::{Plan, Write};
use jiff::Timestamp;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::{Order, OrderStatus, TunePod, labels};
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::conditions::{Statement, set};

/// Pause before an order that is moving is looked at again, should an event be missed.
const MOVING: Duration = Duration::from_secs(30);

/// Whether nothing follows any more, so that nothing needs to be read.
pub(super) fn is_over(order: &Order) -> bool {
    order
        .status
        .as_ref()
        .is_some_and(|s| s.phase.is_terminal() && s.observed_generation == order.metadata.generation)
}

/// Whether its end runs.
pub(super) fn is_terminating(order: &Order) -> bool {
    let phase = order.status.as_ref().map(|s| s.phase);
    phase == Some(OrderPhase::Terminating)
}

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<OrderStatus> {
    let mut status = seen.order.status.clone().unwrap_or_default();
    status.observed_generation = seen.order.metadata.generation;
    if status.phase.is_terminal() {
        return Plan::rest(status);
    }
    let (writes, accepted) = match status.phase {
        OrderPhase::Pending => pending(seen, &mut status, now),
        OrderPhase::Terminating => (end(seen, &mut status, now), None),
        _ if is_ending(seen) => (begin_end(seen, &mut status, now), None),
        _ => (provide(seen, &mut status), None),
    };
    if !seen.tunepods.is_empty() {
        status.instances = ledger::instances(&status, &seen.tunepods);
    }
    status.cost = cost::cost(&status, &seen.tunepods);
    let mut said: Vec<Statement> = status::statements(seen, &status, accepted.as_ref());
    said.extend(accepted);
    for statement in &said {
        set(
            &mut status.conditions,
            statement,
            seen.order.metadata.generation,
            now,
        );
    }
    Plan {
        writes,
        ..Plan::rest(status).within(MOVING)
    }
}

fn is_ending(seen: &Observed) -> bool {
    seen.order.spec.termination.is_some() || seen.order.metadata.deletion_timestamp.is_some()
}

fn pending(seen: &Observed, status: &mut OrderStatus, now: Timestamp) -> (Vec<Write>, Option<Statement>) {
    let next = pending::next(seen, now);
    let said = pending::statement(&next);
    let mut writes = Vec::new();
    match next {
        Next::Wait(..) => {}
        Next::Refuse(..) => status.phase = OrderPhase::Rejected,
        Next::Write(write, _) => writes.push(*write),
        Next::Confirm(snapshot, _) => {
            status.phase = OrderPhase::Confirmed;
            status.quote_ref = seen
                .quote
                .as_ref()
                .map(|q| trustbridge_api::NameRef::new(q.name_any()));
            status.pricing_snapshot = Some(*snapshot);
        }
    }
    (writes, Some(said))
}

/// Confirmed, Provisioning, Active, Failed: the TunePods exist, and the phase says how they are.
fn provide(seen: &Observed, status: &mut OrderStatus) -> Vec<Write> {
    if status.phase == OrderPhase::Confirmed {
        // The intent alone, and read back: an order that says Confirmed has nothing to end.
        status.phase = OrderPhase::Provisioning;
        return Vec::new();
    }
    let has = |name: &String| seen.tunepods.iter().any(|t| t.name_any() == *name);
    let missing = build::instance_names(&seen.order)
        .into_iter()
        .filter(|name| !has(name));
    // Made again under the same name should one vanish; the name is the lock against a second one. What was
    // quoted is frozen: an offer that changed or went since changes nothing.
    let frozen = status.pricing_snapshot.as_ref().and_then(|s| s.terms.clone());
    let mut writes: Vec<Write> = frozen
        .iter()
        .flat_map(|terms| {
            missing.clone().map(|name| {
                Write::Create(
                    FieldManager::ORDER,
                    build::tunepod(&seen.order, &seen.org, terms, &name),
                )
            })
        })
        .collect();
    writes.extend(rotations(seen));
    writes.extend(disks(seen, status));
    // Counted against the order and not against what was asked for: of nothing, everything is ready.
    let are_all_there = u32::try_from(seen.tunepods.len()) == Ok(seen.order.spec.instances);
    let all = |phase| are_all_there && seen.tunepods.iter().all(|t| phase_of(t) == phase);
    let any_failed = seen.tunepods.iter().any(|t| phase_of(t) == TunePodPhase::Failed);
    status.phase = match status.phase {
        OrderPhase::Provisioning if any_failed => OrderPhase::Failed,
        OrderPhase::Provisioning if all(TunePodPhase::Ready) => OrderPhase::Active,
        OrderPhase::Failed if !any_failed => OrderPhase::Provisioning,
        stay => stay,
    };
    status.access = if status.phase == OrderPhase::Active {
        status::access(seen)
    } else {
        None
    };
    writes
}

/// The word that asks for a new token, for each TunePod that has not got it.
fn rotations(seen: &Observed) -> Vec<Write> {
    let Some(word) = seen.order.annotations().get(labels::ROTATE_TOKEN) else {
        return Vec::new();
    };
    let without = |t: &&TunePod| t.annotations().get(labels::ROTATE_TOKEN) != Some(word);
    let behind = seen.tunepods.iter().filter(without);
    behind
        .map(|t| Write::Apply(FieldManager::ORDER_ROTATION, build::rotation(t, word)))
        .collect()
}

/// The size of the disk, for each TunePod that says another one than the changes of the order come to.
fn disks(seen: &Observed, status: &OrderStatus) -> Vec<Write> {
    let Some(wanted) = changes::disk_wanted(status).filter(|_| !status.changes.is_empty()) else {
        return Vec::new();
    };
    let other = seen.tunepods.iter().filter(|t| t.spec.nvme_gb != wanted);
    other
        .map(|t| Write::Apply(FieldManager::ORDER_DISK, build::disk(t, wanted)))
        .collect()
}

/// The end was asked for: the phase says so in the write that begins it.
fn begin_end(seen: &Observed, status: &mut OrderStatus, now: Timestamp) -> Vec<Write> {
    if status.phase == OrderPhase::Confirmed {
        // Whatever exists is ended first, and only an order that is past Confirmed ends what it has.
        status.phase = if seen.tunepods.is_empty() {
            OrderPhase::Cancelled
        } else {
            OrderPhase::Provisioning
        };
        return Vec::new();
    }
    status.phase = OrderPhase::Terminating;
    status.access = None;
    teardown::advance(seen, status, now);
    Vec::new()
}

fn end(seen: &Observed, status: &mut OrderStatus, now: Timestamp) -> Vec<Write> {
    if teardown::advance(seen, status, now) {
        status.phase = OrderPhase::Terminated;
    }
    teardown::requests(seen, status)
}

fn phase_of(tunepod: &TunePod) -> TunePodPhase {
    tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default()
}
