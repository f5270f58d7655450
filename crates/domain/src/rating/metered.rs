//! Hours and bytes of instances, from sealed days alone; and the minimum hours.

use super::terms::{Charge, TermLine};
use super::{Account, Doubt, Instance, MIN_HOURS, RatedLine, Schedule, out_of_range};
use crate::calendar::{Period, date_of_ms, day_period, midnight_ms};
use crate::intervals::{DayRecord, Dimension, Measure};
use crate::money::{HOUR_MS, Rate};
use crate::rational::Ratio;

/// Bytes of a GB in the commercial documents.
const GB: i128 = 1_000_000_000;

/// The metered lines of `period`: for each instance its hours by price line, its minimum hours when it ended in the
/// period, its bytes.
pub(super) fn lines(
    account: &Account<'_>,
    schedule: Schedule,
    period: Period,
) -> Result<Vec<RatedLine>, Doubt> {
    let mut all = Vec::new();
    for instance in account.instances {
        require_seals(instance, period)?;
        let hours = hour_lines(account, instance, period)?;
        all.extend(hours);
        if ended_in(instance, period) {
            all.extend(minimum_hours(account, instance, schedule, period)?);
        }
        all.extend(egress_lines(account, instance, period)?);
    }
    Ok(all)
}

fn ended_in(instance: &Instance<'_>, period: Period) -> bool {
    instance
        .ended_ms
        .is_some_and(|end| period.from_ms < end && end <= period.to_ms)
}

pub(super) fn check_life(instance: &Instance<'_>) -> Result<(), Doubt> {
    let contradicts = match (instance.first_ready_ms, instance.ended_ms) {
        (Some(first), Some(end)) => end < first,
        (None, _) => instance.records.iter().any(|r| !r.hours.is_empty()),
        (Some(_), None) => false,
    };
    if contradicts {
        return Err(Doubt::Life {
            instance: instance.name.to_owned(),
        });
    }
    Ok(())
}

/// Every day of the instance's life inside the period must be sealed.
fn require_seals(instance: &Instance<'_>, period: Period) -> Result<(), Doubt> {
    let Some(first) = instance.first_ready_ms else {
        return Ok(());
    };
    let life = Period::new(first, instance.ended_ms.unwrap_or(i64::MAX));
    let Some(needed) = life.and_then(|life| life.intersection(period)) else {
        return Ok(());
    };
    let missing = needed
        .days()
        .find(|day| !instance.records.iter().any(|record| record.day == *day));
    missing.map_or(Ok(()), |day| {
        Err(Doubt::MissingSeal {
            instance: instance.name.to_owned(),
            day,
        })
    })
}

fn records_in<'a>(instance: &Instance<'a>, period: Period) -> impl Iterator<Item = &'a DayRecord> {
    let records = instance.records;
    records
        .iter()
        .filter(move |r| midnight_ms(r.day).is_some_and(|at| period.contains(at)))
}

/// Milliseconds of service by price line that the records of `period` book.
fn booked(instance: &Instance<'_>, period: Period) -> Result<Measure, Doubt> {
    let mut all = Measure::new();
    for record in records_in(instance, period) {
        let booked = record.booked().ok_or_else(|| out_of_range(instance.name))?;
        for (key, usage) in booked {
            let sum = all.entry(key.clone()).or_default();
            *sum = sum.plus(usage).ok_or_else(|| out_of_range(&key))?;
        }
    }
    Ok(all)
}

fn hour_lines(
    account: &Account<'_>,
    instance: &Instance<'_>,
    period: Period,
) -> Result<Vec<RatedLine>, Doubt> {
    check_terms(account, instance, period)?;
    let mut all = Vec::new();
    for (key, usage) in booked(instance, period)? {
        let line = line_of(account, instance, &key)?;
        let Charge::Hourly { rate_micros, .. } = line.charge else {
            // A monthly line's hours are told, not billed: its price is the month.
            continue;
        };
        let ms = i128::from(usage.instance_ms);
        let amount = rate_micros.cost_of_ms(ms).and_then(Ratio::rounded);
        let amount_minor = amount.ok_or_else(|| out_of_range(&key))?;
        if amount_minor < 0 {
            return Err(Doubt::Negative {
                instance: instance.name.to_owned(),
                key,
                minor: amount_minor,
            });
        }
        if ms != 0 {
            all.push(hour_line(
                line,
                line.sku.clone(),
                instance,
                ms,
                rate_micros,
                period,
                amount_minor,
            )?);
        }
    }
    Ok(all)
}

fn hour_line(
    line: &TermLine,
    sku: String,
    instance: &Instance<'_>,
    ms: i128,
    rate_micros: Rate,
    period: Period,
    amount_minor: i64,
) -> Result<RatedLine, Doubt> {
    let hours = Ratio::new(ms, HOUR_MS).and_then(|hours| hours.to_decimal(4));
    Ok(RatedLine {
        sku,
        line: line.key.clone(),
        instance: Some(instance.name.to_owned()),
        quantity: hours.ok_or_else(|| out_of_range(&line.key))?,
        unit: "hour".to_owned(),
        rate_micros,
        period,
        amount_minor,
    })
}

fn line_of<'a>(account: &Account<'a>, instance: &Instance<'_>, key: &str) -> Result<&'a TermLine, Doubt> {
    let priced = |l: &&TermLine| l.key == key && !matches!(l.charge, Charge::EgressGb { .. });
    account
        .lines
        .iter()
        .find(priced)
        .ok_or_else(|| Doubt::UnknownKey {
            instance: instance.name.to_owned(),
            key: key.to_owned(),
        })
}

/// Hours must lie where their line is in force, to the clock hour.
fn check_terms(account: &Account<'_>, instance: &Instance<'_>, period: Period) -> Result<(), Doubt> {
    for record in records_in(instance, period) {
        let Some(day) = day_period(record.day) else {
            continue;
        };
        for use_of_it in record.hours.iter().filter(|h| h.usage.instance_ms > 0) {
            let line = line_of(account, instance, &use_of_it.rate_key)?;
            let from_ms = day.from_ms.saturating_add(i64::from(use_of_it.hour) * 3_600_000);
            let hour = Period {
                from_ms,
                to_ms: from_ms.saturating_add(3_600_000),
            };
            let enough = line
                .in_force(hour, account.ended_ms)
                .is_some_and(|p| p.len_ms() >= use_of_it.usage.instance_ms);
            if !enough {
                return Err(Doubt::OutsideTerms {
                    instance: instance.name.to_owned(),
                    key: line.key.clone(),
                    day: record.day,
                });
            }
        }
    }
    Ok(())
}

/// What is missing to the minimum hours of an instance that ended: the price of the minimum less what all its periods
/// were billed, so that the two lines sum to the minimum exactly. Hours that are missing cost what the last hour cost.
fn minimum_hours(
    account: &Account<'_>,
    instance: &Instance<'_>,
    schedule: Schedule,
    period: Period,
) -> Result<Vec<RatedLine>, Doubt> {
    let Some(first) = instance.first_ready_ms else {
        return Ok(Vec::new());
    };
    let (mut used_ms, mut billed, mut exact) = (0_i128, 0_i64, Ratio::ZERO);
    let mut last: Option<&TermLine> = None;
    for each in periods(schedule, first, period) {
        for (key, usage) in booked(instance, each)? {
            let line = line_of(account, instance, &key)?;
            let Charge::Hourly { rate_micros, .. } = line.charge else {
                continue;
            };
            let ms = i128::from(usage.instance_ms);
            // Held and never of use: no hour, and no minimum of hours.
            if ms == 0 {
                continue;
            }
            let cost = rate_micros.cost_of_ms(ms).ok_or_else(|| out_of_range(&key))?;
            used_ms += ms;
            exact = exact.plus(cost).ok_or_else(|| out_of_range(&key))?;
            billed = cost
                .rounded()
                .and_then(|minor| billed.checked_add(minor))
                .ok_or_else(|| out_of_range(&key))?;
            if last.is_none_or(|before| before.place() <= line.place()) {
                last = Some(line);
            }
        }
    }
    let Some((
        line,
        Charge::Hourly {
            rate_micros,
            min_hours,
        },
    )) = last.map(|line| (line, line.charge))
    else {
        return Ok(Vec::new());
    };
    let missing_ms = i128::from(min_hours) * HOUR_MS - used_ms;
    if missing_ms <= 0 {
        return Ok(Vec::new());
    }
    let whole = rate_micros
        .cost_of_ms(missing_ms)
        .and_then(|cost| exact.plus(cost));
    let whole = whole
        .and_then(Ratio::rounded)
        .ok_or_else(|| out_of_range(&line.key))?;
    let amount = whole.saturating_sub(billed).max(0);
    let sku = MIN_HOURS.to_owned();
    hour_line(line, sku, instance, missing_ms, rate_micros, period, amount).map(|line| vec![line])
}

/// The schedule's periods from the one of `first_ms` to `last`.
fn periods(schedule: Schedule, first_ms: i64, last: Period) -> impl Iterator<Item = Period> {
    let mut at = first_ms;
    std::iter::from_fn(move || {
        let period = (at < last.to_ms)
            .then(|| date_of_ms(at).and_then(|day| schedule.period_of(day)))
            .flatten()?;
        at = period.to_ms;
        Some(period)
    })
}

fn egress_lines(
    account: &Account<'_>,
    instance: &Instance<'_>,
    period: Period,
) -> Result<Vec<RatedLine>, Doubt> {
    let mut all = Vec::new();
    for line in account.lines {
        let Charge::EgressGb { rate_micros } = line.charge else {
            continue;
        };
        let counted = records_in(instance, period).filter_map(|r| r.counted_of(Dimension::EgressBytes));
        let bytes = counted.reduce(i128::saturating_add).filter(|bytes| *bytes != 0);
        let Some(bytes) = bytes else { continue };
        let gb = Ratio::new(bytes, GB).ok_or_else(|| out_of_range(&line.key))?;
        let amount = rate_micros.cost(gb).and_then(Ratio::rounded);
        all.push(RatedLine {
            sku: line.sku.clone(),
            line: line.key.clone(),
            instance: Some(instance.name.to_owned()),
            quantity: gb.to_decimal(6).ok_or_else(|| out_of_range(&line.key))?,
            unit: "GB".to_owned(),
            rate_micros,
            period,
            amount_minor: amount.ok_or_else(|| out_of_range(&line.key))?,
        });
    }
    Ok(all)
}
