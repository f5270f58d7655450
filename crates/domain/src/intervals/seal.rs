//! Sealing: a day that is over becomes an immutable record, chained to the one before it.

use super::counter::{CounterDoubt, Reading, counted};
use super::edit::LedgerError;
use super::measure::{Measure, Usage, measure};
use super::record::{Adjustment, CountedUse, DayRecord, HourUse, Wide};
use super::{Dimension, Interval};
use crate::calendar::{Period, day_period};
use crate::canonical::{CanonicalError, digest};
use jiff::civil::Date;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Wait after the end of a day before it is sealed, in milliseconds: late heartbeats and back-filled journals.
pub const GRACE_MS: i64 = 2 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

/// Everything that is known about an instance.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The instance.
    pub instance: &'a str,
    /// Its intervals.
    pub intervals: &'a [Interval],
    /// The readings of its counters.
    pub readings: &'a [Reading],
    /// First day whose intervals are still all there; earlier ones folded and are final.
    pub unfolded_since: Date,
}

/// A day cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It is not over long enough.
    #[error("day {0} is sealed two hours after its end; wait for that")]
    TooEarly(Date),
    /// It does not follow the record before it.
    #[error("day {day} does not follow the record of {before}; seal the days in order")]
    NotNext {
        /// The day.
        day: Date,
        /// The last record's day.
        before: Date,
    },
    /// The ledger is no ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A counter went back.
    #[error(transparent)]
    Counter(#[from] CounterDoubt),
    /// Earlier records booked more than was ever counted.
    #[error(
        "{dimension:?} of day {day}: the records book {missing} more than the readings hold; keep the last reading of each boot"
    )]
    Lost {
        /// The day.
        day: Date,
        /// What is counted.
        dimension: Dimension,
        /// By how much.
        missing: i128,
    },
    /// A sum does not fit its integer, or the calendar ends.
    #[error("a sum of day {0} does not fit its integer; look for an interval of absurd length")]
    OutOfRange(Date),
    /// The record has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// A chain of records is broken.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A record's content is not what its hash says.
    #[error("record of {day} of instance '{instance}': its content does not have its hash; it was changed")]
    Content {
        /// The instance.
        instance: String,
        /// The day.
        day: Date,
    },
    /// A record does not name the one before it.
    #[error("record of {day} of instance '{instance}': `prevHash` is not the hash of the record before it")]
    Link {
        /// The instance.
        instance: String,
        /// The day.
        day: Date,
    },
    /// Days are missing, doubled or of another instance.
    #[error("record of {day} of instance '{instance}' does not follow the one before it by one day")]
    Day {
        /// The instance.
        instance: String,
        /// The day.
        day: Date,
    },
}

/// Whether `day` may be sealed at `now_ms`.
#[must_use]
pub fn is_sealable(day: Date, now_ms: i64) -> bool {
    day_period(day).is_some_and(|period| period.to_ms.saturating_add(GRACE_MS) <= now_ms)
}

/// The record of `day`. `chain` holds the records so far, the last being the day before; empty for the first day.
///
/// What the ledger says now about days that were sealed before, and differs from what was booked for them, becomes an
/// adjustment of this record.
pub fn seal(
    sources: Sources<'_>,
    chain: &[DayRecord],
    day: Date,
    now_ms: i64,
) -> Result<DayRecord, SealError> {
    if !is_sealable(day, now_ms) {
        return Err(SealError::TooEarly(day));
    }
    let before = chain.last();
    if let Some(before) = before.filter(|b| b.day.tomorrow().ok() != Some(day)) {
        return Err(SealError::NotNext {
            day,
            before: before.day,
        });
    }
    let period = day_period(day).ok_or(SealError::OutOfRange(day))?;
    let mut record = DayRecord {
        instance: sources.instance.to_owned(),
        day,
        hours: hours(sources.intervals, period)?,
        counted: counts(sources.readings, chain, period, day)?,
        adjustments: adjustments(sources, chain, now_ms)?,
        prev_hash: before.map(|b| b.content_hash.clone()).unwrap_or_default(),
        content_hash: String::new(),
    };
    record.content_hash = content_hash(&record)?;
    Ok(record)
}

/// Checks hashes, links and days of one instance's records, in order.
pub fn verify_chain(chain: &[DayRecord]) -> Result<(), ChainError> {
    let mut before: Option<&DayRecord> = None;
    for record in chain {
        let (instance, day) = (record.instance.clone(), record.day);
        if content_hash(record).ok().as_ref() != Some(&record.content_hash) {
            return Err(ChainError::Content { instance, day });
        }
        if record.prev_hash != before.map_or("", |b| &b.content_hash) {
            return Err(ChainError::Link { instance, day });
        }
        if before.is_some_and(|b| b.day.tomorrow().ok() != Some(day) || b.instance != instance) {
            return Err(ChainError::Day { instance, day });
        }
        before = Some(record);
    }
    Ok(())
}

fn content_hash(record: &DayRecord) -> Result<String, CanonicalError> {
    let content = json!({
        "instance": record.instance, "day": record.day, "hours": record.hours, "counted": record.counted,
        "adjustments": record.adjustments, "prevHash": record.prev_hash,
    });
    digest(&content)
}

fn hours(intervals: &[Interval], day: Period) -> Result<Vec<HourUse>, SealError> {
    let mut all = Vec::new();
    for hour in 0..24_u8 {
        let from_ms = day.from_ms + i64::from(hour) * HOUR_MS;
        let clock_hour = Period {
            from_ms,
            to_ms: from_ms + HOUR_MS,
        };
        // The hour is over: an open interval counts to its end.
        for (rate_key, usage) in measure(intervals, clock_hour, clock_hour.to_ms)? {
            all.push(HourUse {
                hour,
                rate_key,
                usage,
            });
        }
    }
    Ok(all)
}

/// What was counted on this day, and what was read later for hours of days that are sealed: it is booked in hour 0.
fn counts(
    readings: &[Reading],
    chain: &[DayRecord],
    period: Period,
    day: Date,
) -> Result<Vec<CountedUse>, SealError> {
    let counts = counted(readings)?;
    let mut today: BTreeMap<(u8, Dimension), i128> = BTreeMap::new();
    for ((hour, dimension), amount) in &counts {
        let from_ms = hour.saturating_mul(HOUR_MS);
        if from_ms >= period.to_ms {
            continue;
        }
        let of_day = from_ms
            .saturating_sub(period.from_ms)
            .div_euclid(HOUR_MS)
            .clamp(0, 23);
        let slot = (u8::try_from(of_day).unwrap_or(0), *dimension);
        let sum = today.entry(slot).or_default();
        *sum = sum.checked_add(*amount).ok_or(SealError::OutOfRange(day))?;
    }
    // Everything up to today, less what earlier records booked, is today's: late readings are not lost.
    for use_of_it in chain.iter().flat_map(|r| &r.counted) {
        let sum = today.entry((0, use_of_it.dimension)).or_default();
        *sum = sum
            .checked_sub(use_of_it.amount.0)
            .ok_or(SealError::OutOfRange(day))?;
    }
    if let Some(((_, dimension), amount)) = today.iter().find(|(_, amount)| **amount < 0) {
        return Err(SealError::Lost {
            day,
            dimension: *dimension,
            missing: -amount,
        });
    }
    let uses = today.into_iter().map(|((hour, dimension), amount)| CountedUse {
        hour,
        dimension,
        amount: Wide(amount),
    });
    Ok(uses.filter(|u| u.amount.0 != 0 || u.hour != 0).collect())
}

/// What is known now about sealed days, less what was booked for them.
fn adjustments(sources: Sources<'_>, chain: &[DayRecord], now_ms: i64) -> Result<Vec<Adjustment>, SealError> {
    let mut all = Vec::new();
    for record in chain.iter().filter(|r| r.day >= sources.unfolded_since) {
        let day = record.day;
        let period = day_period(day).ok_or(SealError::OutOfRange(day))?;
        let truth = measure(sources.intervals, period, now_ms)?;
        let booked = booked_for(chain, day).ok_or(SealError::OutOfRange(day))?;
        let keys: BTreeSet<&String> = truth.keys().chain(booked.keys()).collect();
        for key in keys {
            let usage = of(&truth, key)
                .minus(of(&booked, key))
                .ok_or(SealError::OutOfRange(day))?;
            if !usage.is_zero() {
                all.push(Adjustment {
                    of_day: day,
                    rate_key: key.clone(),
                    usage,
                });
            }
        }
    }
    Ok(all)
}

fn of(measure: &Measure, key: &str) -> Usage {
    measure.get(key).copied().unwrap_or_default()
}

/// What all records together booked for `day`.
fn booked_for(chain: &[DayRecord], day: Date) -> Option<Measure> {
    let own = chain.iter().filter(|r| r.day == day).flat_map(|r| &r.hours);
    let later = chain
        .iter()
        .flat_map(|r| &r.adjustments)
        .filter(|a| a.of_day == day);
    let own = own.map(|h| (&h.rate_key, h.usage));
    let mut all = Measure::new();
    for (key, usage) in own.chain(later.map(|a| (&a.rate_key, a.usage))) {
        let sum = all.entry(key.clone()).or_default();
        *sum = sum.plus(usage)?;
    }
    Some(all)
}
