//! Intervals of closed days go to UsageRecords, so that the ledger of a TunePod that lives for years stays short.
//!
//! ```text
//! status.intervals --(written there)--> UsageRecord of the day --(read back)--> gone from the status, counted in `folded`
//! ```
//!
//! One day at a time, in order, and each arrow is one write that can be repeated: an interval is known by its number.
//! What is not read back stays where it is. Folded are days that are over for the time after which usage is final; only
//! where the list would be full before that, what is closed of today as well. The last closed interval stays: the next
//! one counts on from it. What ends is left as it is.
//!
//! A record that is full, or not of this ledger, holds up what comes after it: a record is of one day, and no interval may
//! be passed over. That is logged at each look, and once the ledger has no room `LedgerFull` names the record.

use super::observe::Observed;
use super::status::FULL;
use super::usage::book;
use crate::context::{Context, Error};
use crate::controllers::execute::{Plan, Write, status_write};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_api::tunepod::{FoldedIntervals, MeteredInterval};
use trustbridge_api::usage_record::MAX_INTERVALS;
use trustbridge_api::{TunePodStatus, UsageRecord};
use trustbridge_domain::intervals::GRACE_MS;
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_kit::apply::FieldManager;

/// Intervals from which on closed days are folded: a write for each day is worth it then.
const MANY: usize = 32;
/// Intervals from which on today is folded as well.
const TOO_MANY: usize = 96;
/// Pause before the next step.
const NEXT: Duration = Duration::from_secs(1);

/// The day that is next, and its UsageRecord where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Folding {
    pub(crate) day: Date,
    pub(crate) record: Option<UsageRecord>,
}

/// Looks up the record of the day that is to be folded next.
pub(super) async fn see(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let status = seen.tunepod.status.as_ref();
    let Some((day, _)) = status.and_then(|status| due(status, ctx.now())) else {
        return Ok(());
    };
    let namespace = seen.tunepod.namespace().unwrap_or_default();
    let name = book::name(&seen.tunepod, &seen.org, day);
    let record = ctx.writer.get(Some(&namespace), &name).await?;
    seen.folding = Some(Folding { day, record });
    Ok(())
}

/// The day that is to be folded next, and how many of the first intervals are of it.
pub(super) fn due(status: &TunePodStatus, now: Timestamp) -> Option<(Date, usize)> {
    let all = &status.intervals;
    if all.len() < MANY || status.phase >= TunePodPhase::Draining {
        return None;
    }
    let is_final = |interval: &MeteredInterval| {
        let end = interval.to.as_ref();
        end.is_some_and(|end| is_day_over(end.0, now) || all.len() >= TOO_MANY)
    };
    let kept = all.iter().rposition(|interval| interval.to.is_some())?;
    let day = day_of(all.first()?);
    let of_it = all
        .iter()
        .take(kept)
        .take_while(|interval| day_of(interval) == day && is_final(interval))
        .count();
    (of_it > 0).then_some((day, of_it))
}

fn day_of(interval: &MeteredInterval) -> Date {
    interval.from.0.to_zoned(TimeZone::UTC).date()
}

/// Whether the UTC day of `end` is final at `now`.
fn is_day_over(end: Timestamp, now: Timestamp) -> bool {
    let settled = Timestamp::from_millisecond(now.as_millisecond().saturating_sub(GRACE_MS)).unwrap_or(now);
    end.to_zoned(TimeZone::UTC).date() < settled.to_zoned(TimeZone::UTC).date()
}

/// `plan` with the next step of folding, if there is one.
pub(super) fn fold(seen: &Observed, mut plan: Plan<TunePodStatus>, now: Timestamp) -> Plan<TunePodStatus> {
    let (Some(folding), Some(old)) = (&seen.folding, &seen.tunepod.status) else {
        return plan;
    };
    let Some((day, count)) = due(old, now).filter(|(day, _)| *day == folding.day) else {
        return plan;
    };
    // The end that began in this very look leaves the ledger as it is.
    if plan.status.phase >= TunePodPhase::Draining {
        return plan;
    }
    let of_day: Vec<MeteredInterval> = old.intervals.iter().take(count).cloned().collect();
    let name = book::name(&seen.tunepod, &seen.org, day);
    let Some(record) = &folding.record else {
        if !plan.books.iter().any(|write| is_of(write, &name)) {
            let made = book::new(&seen.tunepod, &seen.org, day);
            plan.books.push(Write::Create(FieldManager::USAGE, made));
        }
        return plan.within(NEXT);
    };
    let told = record.status.clone().unwrap_or_default();
    let has = |one: &MeteredInterval| told.intervals.iter().find(|known| known.seq == one.seq);
    let is_foreign = record.spec != book::spec(&seen.tunepod, day)
        || of_day
            .iter()
            .any(|one| has(one).is_some_and(|known| known != one));
    if is_foreign {
        // Somebody else's record, or another history.
        return held_up(seen, plan, &name, "is not of this ledger");
    }
    if of_day.iter().all(|one| has(one).is_some()) {
        let_go(&mut plan.status, &of_day);
        return plan.within(NEXT);
    }
    let mut folded = told.clone();
    let missing = of_day.iter().filter(|one| has(one).is_none()).cloned();
    folded.intervals.extend(missing);
    folded.intervals.sort_by_key(|interval| interval.seq);
    if folded.intervals.len() > MAX_INTERVALS {
        return held_up(seen, plan, &name, "has no room for more intervals of that day");
    }
    // One write to an object in one look; the usage of that day goes first.
    if !plan.books.iter().any(|write| is_of(write, &name)) {
        let write = status_write(record, record.status.as_ref(), &folded);
        let write = write.map(|write| Write::Status(FieldManager::USAGE_STATUS, write));
        plan.books.extend(write);
    }
    plan.within(NEXT)
}

/// `plan` without a step: nothing is let go, and a look soon would find the same.
fn held_up(seen: &Observed, mut plan: Plan<TunePodStatus>, record: &str, why: &str) -> Plan<TunePodStatus> {
    tracing::warn!(record, tunepod = %seen.tunepod.name_any(), why, "the UsageRecord takes no intervals; they are not folded");
    let full = Reason::LedgerFull.as_str();
    for condition in plan.status.conditions.iter_mut().filter(|c| c.reason == full) {
        condition.message = format!("{FULL}: UsageRecord {record} {why}");
    }
    plan
}

/// They were read back: the status counts them and holds them no more.
fn let_go(status: &mut TunePodStatus, of_day: &[MeteredInterval]) {
    let Some(first) = of_day.first() else {
        return;
    };
    let ms = |one: &MeteredInterval| {
        let to = one.to.as_ref().map_or(one.from.0, |to| to.0);
        to.as_millisecond()
            .saturating_sub(one.from.0.as_millisecond())
            .max(0)
    };
    let before = status.folded.take().unwrap_or(FoldedIntervals {
        count: first.seq,
        metered_ms: 0,
        from: first.from.clone(),
    });
    let gone: Vec<i64> = of_day.iter().map(|one| one.seq).collect();
    status.folded = Some(FoldedIntervals {
        count: gone
            .iter()
            .max()
            .map_or(before.count, |last| last.saturating_add(1)),
        metered_ms: of_day.iter().map(ms).fold(before.metered_ms, i64::saturating_add),
        from: before.from,
    });
    status.intervals.retain(|one| !gone.contains(&one.seq));
}

fn is_of(write: &Write, record: &str) -> bool {
    match write {
        Write::Create(_, built) | Write::Apply(_, built) => built.target.name == record,
        Write::Status(_, write) => write.target.name == record,
        Write::Finalizers(..) | Write::Delete(..) => false,
    }
}
