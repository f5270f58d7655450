//! What a change does next. Pure.

use super::ask::{awaiting, needs_human, requested};
use super::price::revision;
use super::{Observed, entry};
use crate::controllers::execute::{Plan, Write};
use crate::controllers::order::changes;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::change_order::{AcceptedBy, ChangeDocument};
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::order::{Answer, OrderChange};
use trustbridge_api::{ChangeOrderStatus, Order, TunePod};
use trustbridge_domain::change::{passes_unasked, swap};
use trustbridge_domain::phase::{ChangeOrderPhase, OrderPhase};
use trustbridge_kit::conditions::{Statement, set};

/// Pause before a change that is moving is looked at again, should an event be missed.
const MOVING: Duration = Duration::from_secs(5);
/// Pause before a change that waits is looked at again.
const WAITING: Duration = Duration::from_mins(1);
/// Hours after the promised ones in which a change must be done, or it is given up.
const LATE_H: i64 = 24;

/// What a step comes to: what is written besides, and what is said.
struct Step {
    write: Option<Write>,
    said: Statement,
}

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<ChangeOrderStatus> {
    let mut status = seen.change.status.clone().unwrap_or_default();
    status.observed_generation = seen.change.metadata.generation;
    let step = match status.phase {
        ChangeOrderPhase::Requested => only(requested(seen, &mut status, now)),
        ChangeOrderPhase::NeedsHuman => only(needs_human(seen, &mut status, now)),
        ChangeOrderPhase::Quoted => quoted(seen, &mut status, now),
        ChangeOrderPhase::Accepted => accepted(seen, &mut status, now),
        ChangeOrderPhase::Applying => applying(seen, &mut status, now),
        _ => return Plan::rest(status),
    };
    set(
        &mut status.conditions,
        &step.said,
        seen.change.metadata.generation,
        now,
    );
    let pause = pause(&status, step.write.is_some(), now);
    let plan = Plan::rest(status).within(pause);
    match step.write {
        Some(write) => plan.with(write),
        None => plan,
    }
}

const fn only(said: Statement) -> Step {
    Step { write: None, said }
}

fn pause(status: &ChangeOrderStatus, writes: bool, now: Timestamp) -> Duration {
    match status.phase {
        ChangeOrderPhase::Accepted | ChangeOrderPhase::Applying => MOVING,
        _ if writes => MOVING,
        ChangeOrderPhase::Quoted => {
            let left = valid_until(status).map(|until| until.duration_since(now));
            let left = left
                .and_then(|left| Duration::try_from(left).ok())
                .unwrap_or_default();
            WAITING.min(left + Duration::from_secs(1))
        }
        _ => WAITING,
    }
}

pub(super) fn progress(reason: Reason, text: impl Into<String>) -> Statement {
    Statement::unknown(ConditionType::Succeeded, reason, text)
}

/// An end that is not the good one.
pub(super) fn end(
    status: &mut ChangeOrderStatus,
    phase: ChangeOrderPhase,
    reason: Reason,
    text: impl Into<String>,
) -> Statement {
    status.phase = phase;
    Statement::no(ConditionType::Succeeded, reason, text)
}

/// Whether the order goes on: its end was not asked for, and it was not refused.
pub(super) fn goes_on(order: &Order) -> bool {
    let phase = phase_of(order);
    let is_over = phase.is_terminal() || phase == OrderPhase::Terminating;
    !is_over && order.spec.termination.is_none() && order.metadata.deletion_timestamp.is_none()
}

pub(super) fn phase_of(order: &Order) -> OrderPhase {
    order.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

pub(super) fn ended(order: &Order) -> String {
    format!(
        "order {} ends or has ended; nothing of it changes any more",
        order.name_any()
    )
}

pub(super) fn not_active(order: &Order) -> Statement {
    let text = format!(
        "order {} is {}; it goes on by itself when the order is Active",
        order.name_any(),
        phase_of(order)
    );
    progress(Reason::OrderNotActive, text)
}

/// First moment at which it can no longer be accepted.
fn valid_until(status: &ChangeOrderStatus) -> Option<Timestamp> {
    status.document.as_ref()?.valid_until.parse().ok()
}

fn quoted(seen: &Observed, status: &mut ChangeOrderStatus, now: Timestamp) -> Step {
    let known = seen
        .order
        .as_ref()
        .and_then(|order| entry::of(order, &seen.change));
    if let Some(entry) = known {
        return only(was_accepted(status, entry));
    }
    let document = status.document.clone().unwrap_or_default();
    let expire = |status: &mut ChangeOrderStatus, text: String| {
        only(end(
            status,
            ChangeOrderPhase::Expired,
            Reason::ChangeExpired,
            text,
        ))
    };
    let order = match &seen.order {
        Some(order) if order.uid().as_deref() == Some(&document.order_uid) && goes_on(order) => order,
        _ => {
            return expire(
                status,
                "the order that it was priced for ends or is gone".to_owned(),
            );
        }
    };
    if valid_until(status).is_none_or(|until| now >= until) {
        return expire(
            status,
            "`validUntil` passed and nobody had accepted it; ask for it again".to_owned(),
        );
    }
    if revision(order) != document.revision {
        let text = "another change was applied since it was priced; ask for it again";
        return expire(status, text.to_owned());
    }
    let by = match decision(seen, order, status, &document) {
        Verdict::Accept(by) => by,
        Verdict::Decline => {
            let text = "the buyer declined it";
            return only(end(
                status,
                ChangeOrderPhase::Declined,
                Reason::ChangeDeclined,
                text,
            ));
        }
        Verdict::Wait(said) => return only(said),
    };
    accept(seen, order, &document, by, now)
}

/// What was decided about a priced change.
enum Verdict {
    Accept(AcceptedBy),
    Decline,
    Wait(Statement),
}

fn decision(
    seen: &Observed,
    order: &Order,
    status: &ChangeOrderStatus,
    document: &ChangeDocument,
) -> Verdict {
    let Some(said) = order.spec.change_decisions.get(&seen.change.name_any()) else {
        let limit = seen
            .buyer
            .as_ref()
            .and_then(|buyer| buyer.spec.auto_accept.as_ref());
        let limit = limit.map(|limit| limit.max_monthly_delta_minor);
        return if passes_unasked(&document.priced, &seen.change.spec.request, limit) {
            Verdict::Accept(AcceptedBy::Limit)
        } else {
            Verdict::Wait(awaiting(status))
        };
    };
    let has = status.digest.as_deref().unwrap_or_default();
    if said.digest != has {
        let text = format!(
            "`spec.changeDecisions` of the order names digest {}, and this change has {has}; read the change, then correct the digest",
            said.digest
        );
        return Verdict::Wait(progress(Reason::DigestMismatch, text));
    }
    match said.answer {
        Answer::Accept => Verdict::Accept(AcceptedBy::Buyer),
        Answer::Decline => Verdict::Decline,
    }
}

/// Writes the acceptance into the Order; the phase follows once it was read back from there.
fn accept(seen: &Observed, order: &Order, document: &ChangeDocument, by: AcceptedBy, now: Timestamp) -> Step {
    if phase_of(order) != OrderPhase::Active {
        return only(not_active(order));
    }
    let status = order.status.clone().unwrap_or_default();
    if let Some(other) = changes::open(&status) {
        if seen.has_rival {
            let text = format!(
                "change {} is on its way; this one follows it, or has to be asked for again",
                other.name
            );
            return only(progress(Reason::ChangeWaiting, text));
        }
        // Its ChangeOrder was deleted: nobody else would give it up.
        let text = format!(
            "change {} was deleted on its way and is given up first",
            other.name
        );
        return Step {
            write: Some(entry::write(order, entry::rolled_back(other, now))),
            said: progress(Reason::ChangeWaiting, text),
        };
    }
    let taken: Vec<String> = status
        .changes
        .iter()
        .flat_map(|change| {
            change
                .adds
                .iter()
                .map(|line| line.key.clone())
                .chain(change.ends.clone())
        })
        .collect();
    let open = match changes::lines(&status) {
        Ok(open) => open,
        Err(doubt) => {
            let text =
                format!("the order's lines are in doubt, and nothing is accepted on top of them: {doubt}");
            return only(progress(Reason::LinesInDoubt, text));
        }
    };
    let room = status.changes.len() < entry::MOST;
    let Some(swap) = swap(&open, &taken, &document.priced).filter(|_| room) else {
        let text = "the order's lines are not those that it was priced for; ask for it again";
        return only(progress(Reason::ChangeRefused, text));
    };
    Step {
        write: Some(entry::write(order, entry::accepted(&seen.change, swap, by, now))),
        said: progress(
            Reason::InProgress,
            "the acceptance is being written into the order",
        ),
    }
}

fn was_accepted(status: &mut ChangeOrderStatus, entry: &OrderChange) -> Statement {
    status.phase = ChangeOrderPhase::Accepted;
    status.accepted_at = Some(entry.accepted_at.clone());
    status.accepted_by = Some(if entry.by_limit {
        AcceptedBy::Limit
    } else {
        AcceptedBy::Buyer
    });
    progress(Reason::InProgress, "accepted; it is applied next")
}

fn accepted(seen: &Observed, status: &mut ChangeOrderStatus, now: Timestamp) -> Step {
    let reject = |status: &mut ChangeOrderStatus| {
        let text = "the order ended before the change was begun; nothing is billed for it";
        only(end(status, ChangeOrderPhase::Rejected, Reason::Terminated, text))
    };
    let known = seen
        .order
        .as_ref()
        .and_then(|order| Some((order, entry::of(order, &seen.change)?)));
    let Some((order, entry)) = known.filter(|(_, entry)| entry.rolled_back_at.is_none()) else {
        return reject(status);
    };
    if !goes_on(order) && entry.is_open() {
        return give_up(order, entry, now);
    }
    status.phase = ChangeOrderPhase::Applying;
    only(progress(
        Reason::InProgress,
        "it is being applied; prices change when it is done",
    ))
}

fn give_up(order: &Order, entry: &OrderChange, now: Timestamp) -> Step {
    Step {
        write: Some(entry::write(order, entry::rolled_back(entry, now))),
        said: progress(
            Reason::InProgress,
            "it is being given up; the order stays as it was",
        ),
    }
}

fn applying(seen: &Observed, status: &mut ChangeOrderStatus, now: Timestamp) -> Step {
    let known = seen
        .order
        .as_ref()
        .and_then(|order| Some((order, entry::of(order, &seen.change)?)));
    let Some((order, entry)) = known.filter(|(_, entry)| entry.rolled_back_at.is_none()) else {
        let text = "it was given up; the order is as before, and nothing is billed for it";
        return only(end(
            status,
            ChangeOrderPhase::RolledBack,
            Reason::ChangeRolledBack,
            text,
        ));
    };
    if let Some(at) = &entry.applied_at {
        status.phase = ChangeOrderPhase::Applied;
        status.applied_at = Some(at.clone());
        let text = format!("applied; prices changed at {}", at.0);
        return only(Statement::yes(
            ConditionType::Succeeded,
            Reason::AsSpecified,
            text,
        ));
    }
    if !goes_on(order) || is_late(status, entry, now) {
        return give_up(order, entry, now);
    }
    if phase_of(order) != OrderPhase::Active {
        return only(not_active(order));
    }
    if let Some(late) = seen.tunepods.iter().find(|tunepod| !has_disk(order, tunepod)) {
        let text = format!(
            "TunePod {} does not say the new size of its disk yet",
            late.name_any()
        );
        return only(progress(Reason::InProgress, text));
    }
    Step {
        write: Some(entry::write(order, entry::applied(order, entry, now))),
        said: progress(
            Reason::InProgress,
            "it is done; that is being written into the order",
        ),
    }
}

fn is_late(status: &ChangeOrderStatus, entry: &OrderChange, now: Timestamp) -> bool {
    let promised = status
        .document
        .as_ref()
        .map_or(0, |d| i64::from(d.priced.eta_hours));
    let within = SignedDuration::from_hours(promised.saturating_add(LATE_H));
    now.duration_since(entry.accepted_at.0) > within
}

/// Whether the TunePod has as much disk as the order wants it to have.
fn has_disk(order: &Order, tunepod: &TunePod) -> bool {
    let wanted = order.status.as_ref().and_then(changes::disk_wanted);
    wanted.is_none_or(|wanted| tunepod.spec.nvme_gb >= wanted)
}
