//! What becomes of a ticket. Pure.

use crate::controllers::execute::Plan;
use crate::controllers::order::changes;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::support_ticket::{SupportPromise, TicketMove, TicketUpdate};
use trustbridge_api::{Order, SellerProfileSpec, SupportTicket, SupportTicketStatus, TunePod};
use trustbridge_domain::phase::TicketPhase;
use trustbridge_domain::support::{Move, Promise, closes_at, resolution, response};
use trustbridge_kit::conditions::{Statement, set};

/// Pause before the next update of several is followed, should the event of the write be missed.
const NEXT: Duration = Duration::from_secs(1);

/// What a decision sees.
#[derive(Clone)]
pub(super) struct Observed {
    pub(super) ticket: SupportTicket,
    pub(super) profile: Option<SellerProfileSpec>,
    /// Looked for until the ticket is taken, and not after.
    pub(super) tunepod: Option<TunePod>,
    pub(super) order: Option<Order>,
}

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<SupportTicketStatus> {
    let ticket = &seen.ticket;
    let mut status = ticket.status.clone().unwrap_or_default();
    status.observed_generation = ticket.metadata.generation;
    let accepted = take(seen, &mut status);
    follow(ticket, &mut status, now);
    let moves = moves(ticket, &status);
    let close_at = closing(seen, &mut status, &moves, now);
    let promise = status.promise.clone().unwrap_or_default();
    let (opened, at) = (opened_ms(ticket, now), now.as_millisecond());
    let first = response(opened, promise.response_minutes, &moves, at);
    let whole = resolution(opened, promise.resolution_minutes, &moves, at);
    status.response_due_at = due(first);
    status.resolution_due_at = due(whole);
    for said in accepted
        .into_iter()
        .chain([owed(first, &moves), breached(first, whole)])
    {
        set(&mut status.conditions, &said, ticket.metadata.generation, now);
    }
    let dues = [due_ms(first), due_ms(whole), close_at];
    let pauses = dues.into_iter().flatten().map(|ms| until(ms, now));
    let next = (pending(ticket, &status).is_some()).then_some(NEXT);
    let plan = Plan::rest(status);
    pauses.chain(next).fold(plan, Plan::within)
}

/// Freezes what was promised, once it is known; says whether it is.
fn take(seen: &Observed, status: &mut SupportTicketStatus) -> Option<Statement> {
    if status.promise.is_some() {
        return None;
    }
    match promised(seen) {
        Ok(promise) => {
            let text = match (&promise.sku, &promise.order) {
                (Some(sku), _) => format!("taken; '{sku}' promises the times"),
                (None, Some(order)) => format!("taken; order '{order}' promises no time for this severity"),
                (None, None) => "taken; it is about no TunePod, so no time is promised".to_owned(),
            };
            status.promise = Some(promise);
            Some(Statement::yes(ConditionType::Accepted, Reason::AsSpecified, text))
        }
        Err((reason, text)) => Some(Statement::no(ConditionType::Accepted, reason, text)),
    }
}

/// What the order of the ticket's TunePod was promised for this severity: the first of its lines with a target.
fn promised(seen: &Observed) -> Result<SupportPromise, (Reason, String)> {
    let Some(named) = &seen.ticket.spec.tune_pod_ref else {
        return Ok(SupportPromise::default());
    };
    let Some(tunepod) = &seen.tunepod else {
        let text = format!(
            "`spec.tunePodRef` names '{}', and there is no such TunePod in this namespace; it is answered all the same, with no time promised",
            named.name
        );
        return Err((Reason::TunePodNotFound, text));
    };
    let Some(profile) = &seen.profile else {
        let text = "there is no SellerProfile, so nobody knows what was promised; the seller creates it";
        return Err((Reason::SellerNotReady, text.to_owned()));
    };
    let status = seen.order.as_ref().and_then(|order| order.status.as_ref());
    let frozen = status.and_then(|status| status.pricing_snapshot.as_ref()?.terms.as_ref());
    let use_case = frozen.map(|terms| &terms.use_case);
    // Those in force: a tier that a change brought counts from then on.
    let lines = status.map(changes::lines).transpose();
    let lines = lines.map_err(|doubt| {
        let text = format!("the lines of the order are in doubt: {doubt}; look at its `status.changes`");
        (Reason::LinesInDoubt, text)
    })?;
    let mut targets = lines.iter().flatten().filter_map(|keyed| {
        let is_it = |t: &&trustbridge_api::seller_profile::SupportTarget| {
            t.sku == keyed.line.sku
                && Some(&t.use_case) == use_case
                && t.severity == seen.ticket.spec.severity
        };
        profile.support.targets.iter().find(is_it)
    });
    let target = targets.next();
    Ok(SupportPromise {
        order: Some(tunepod.spec.order_ref.name.clone()),
        sku: target.map(|t| t.sku.clone()),
        response_minutes: target.and_then(|t| t.response_minutes),
        resolution_minutes: target.and_then(|t| t.resolution_minutes),
    })
}

/// The update that comes next, if it was written.
fn pending<'a>(ticket: &'a SupportTicket, status: &SupportTicketStatus) -> Option<&'a TicketUpdate> {
    let next = i64::try_from(status.moves.len()).ok()?.checked_add(1)?;
    let update = ticket.spec.updates.iter().find(|u| u.seq == next)?;
    // The API server refuses any other; one that was written past it moves nothing.
    status.phase.may_become(update.phase).then_some(update)
}

/// Walks to the next update's phase: one edge in one write. When it was said is when it was seen, never before the last.
fn follow(ticket: &SupportTicket, status: &mut SupportTicketStatus, now: Timestamp) {
    let Some(update) = pending(ticket, status) else {
        return;
    };
    let at = status.moves.last().map_or(now, |last| last.at.0.max(now));
    status.phase = update.phase;
    status.moves.push(TicketMove {
        seq: update.seq,
        at: Time(at),
        phase: update.phase,
    });
}

/// The moves as the rules of time take them.
fn moves(ticket: &SupportTicket, status: &SupportTicketStatus) -> Vec<Move> {
    let by = |seq: i64| {
        let update = ticket.spec.updates.iter().find(|u| u.seq == seq);
        update.map(|u| u.from).unwrap_or_default()
    };
    let one = |m: &TicketMove| Move {
        at_ms: m.at.0.as_millisecond(),
        by: by(m.seq),
        phase: m.phase,
    };
    status.moves.iter().map(one).collect()
}

/// Closes what stayed solved long enough; when that will be, if it is not yet. What somebody wrote since comes first.
fn closing(seen: &Observed, status: &mut SupportTicketStatus, moves: &[Move], now: Timestamp) -> Option<i64> {
    if status.phase != TicketPhase::Resolved || pending(&seen.ticket, status).is_some() {
        return None;
    }
    let days = seen
        .profile
        .as_ref()
        .and_then(|p| p.support.close_resolved_after_days);
    let at = closes_at(days, moves)?;
    if now.as_millisecond() < at {
        return Some(at);
    }
    status.phase = TicketPhase::Closed;
    status.closed_at = Some(Time(now));
    None
}

fn opened_ms(ticket: &SupportTicket, now: Timestamp) -> i64 {
    let created = ticket.metadata.creation_timestamp.as_ref();
    created.map_or(now, |time| time.0).as_millisecond()
}

const fn due_ms(promise: Promise) -> Option<i64> {
    match promise {
        Promise::Due(at) => Some(at),
        _ => None,
    }
}

fn due(promise: Promise) -> Option<Time> {
    due_ms(promise).and_then(time)
}

fn time(ms: i64) -> Option<Time> {
    Timestamp::from_millisecond(ms).ok().map(Time)
}

/// A moment later than `ms`: what is due then is late after it.
fn until(ms: i64, now: Timestamp) -> Duration {
    let left = SignedDuration::from_millis(ms.saturating_sub(now.as_millisecond()));
    Duration::try_from(left).unwrap_or_default().saturating_add(NEXT)
}

fn words(ms: i64) -> String {
    time(ms).map(|time| time.0.to_string()).unwrap_or_default()
}

/// `ResponseDue`.
fn owed(first: Promise, moves: &[Move]) -> Statement {
    let no = |reason, text: &str| Statement::no(ConditionType::ResponseDue, reason, text);
    match first {
        Promise::Due(at) => {
            let text = format!("the seller's first word is owed until {}", words(at));
            Statement::yes(ConditionType::ResponseDue, Reason::WordOwed, text)
        }
        Promise::Unpromised => no(Reason::NothingPromised, "no time of a first word is promised"),
        Promise::Kept | Promise::Paused(_) => no(Reason::AsSpecified, "no first word is owed any more"),
        // It is owed all the same until it comes.
        Promise::Broken(at) if moves.is_empty() => {
            let text = format!("the seller's first word was owed until {}", words(at));
            Statement::yes(ConditionType::ResponseDue, Reason::PromiseBroken, text)
        }
        Promise::Broken(_) => no(Reason::AsSpecified, "the first word came, and too late"),
    }
}

/// `Breached`.
fn breached(first: Promise, whole: Promise) -> Statement {
    let missed = |what: &str, promise: Promise| match promise {
        Promise::Broken(at) => Some(format!("{what} was promised until {}", words(at))),
        _ => None,
    };
    let both = [
        missed("the seller's first word", first),
        missed("a solution", whole),
    ];
    let both: Vec<String> = both.into_iter().flatten().collect();
    if !both.is_empty() {
        return Statement::yes(ConditionType::Breached, Reason::PromiseBroken, both.join("; "));
    }
    if (first, whole) == (Promise::Unpromised, Promise::Unpromised) {
        return Statement::no(
            ConditionType::Breached,
            Reason::NothingPromised,
            "no time is promised",
        );
    }
    Statement::no(
        ConditionType::Breached,
        Reason::AsSpecified,
        "every promised time was kept so far",
    )
}
