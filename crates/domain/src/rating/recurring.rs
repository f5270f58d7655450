//! Monthly prices, prorated by the millisecond, and the minimum term.

use super::terms::{Charge, TermLine};
use super::{Account, Doubt, MIN_TERM, RatedLine, out_of_range};
use crate::calendar::{DAY_MS, Period, months};
use crate::money::Rate;
use crate::rational::Ratio;
use std::collections::BTreeMap;

/// Days of the month that a minimum term is priced by: a term of 30 days costs one monthly price.
const TERM_MONTH_DAYS: i128 = 30;

/// A stretch of a month at one price.
struct Part<'a> {
    line: &'a TermLine,
    price_minor: i64,
    when: Period,
}

/// The recurring lines of `period`, and the minimum term when the order ended in it.
pub(super) fn lines(account: &Account<'_>, period: Period) -> Result<Vec<RatedLine>, Doubt> {
    let mut all = Vec::new();
    for month in months(period) {
        let rated = of_month(account, month)?;
        all.extend(rated.into_iter().filter_map(|line| cut(line, period)));
    }
    if account.ended_ms.is_some_and(|end| ends_in(end, period)) {
        all.extend(minimum_terms(account)?);
    }
    Ok(all)
}

/// An end at the first millisecond of a period belongs to the period before it, which it closes.
fn ends_in(end_ms: i64, period: Period) -> bool {
    period.from_ms < end_ms && end_ms <= period.to_ms
}

/// Recurring invoices are by the calendar month; a line of a month outside of the period is not its own.
fn cut(line: RatedLine, period: Period) -> Option<RatedLine> {
    period.intersection(line.period).is_some().then_some(line)
}

/// The lines of one calendar month. Parts at one price are rounded along their sum: each gets the rounded whole so
/// far less what the parts before it got. So they always sum to the whole, the last of two gets the residue, and none
/// is ever negative.
fn of_month(account: &Account<'_>, month: Period) -> Result<Vec<RatedLine>, Doubt> {
    let mut so_far: BTreeMap<(&str, i64), (Ratio, i64)> = BTreeMap::new();
    let mut all = Vec::new();
    for part in parts(account, month) {
        let key = &part.line.key;
        let of_month = Ratio::new(i128::from(part.when.len_ms()), i128::from(month.len_ms()));
        let units = of_month.and_then(|share| share.times(Ratio::whole(i128::from(part.line.quantity))));
        let units = units.ok_or_else(|| out_of_range(key))?;
        let (sum, billed) = so_far
            .entry((part.line.sku.as_str(), part.price_minor))
            .or_insert((Ratio::ZERO, 0));
        let exact = units.times(Ratio::whole(i128::from(part.price_minor)));
        *sum = exact
            .and_then(|exact| sum.plus(exact))
            .ok_or_else(|| out_of_range(key))?;
        let whole = sum.rounded().ok_or_else(|| out_of_range(key))?;
        let amount = whole.checked_sub(*billed).ok_or_else(|| out_of_range(key))?;
        *billed = whole;
        all.push(line(&part, units, amount)?);
    }
    Ok(all)
}

fn line(part: &Part<'_>, units: Ratio, amount_minor: i64) -> Result<RatedLine, Doubt> {
    let key = &part.line.key;
    Ok(RatedLine {
        sku: part.line.sku.clone(),
        line: key.clone(),
        instance: None,
        quantity: units.to_decimal(6).ok_or_else(|| out_of_range(key))?,
        unit: "month".to_owned(),
        rate_micros: Rate::from_minor(part.price_minor).ok_or_else(|| out_of_range(key))?,
        period: part.when,
        amount_minor,
    })
}

/// The parts of a month in the order of time; those that begin together in the order of their lines.
fn parts<'a>(account: &Account<'a>, month: Period) -> Vec<Part<'a>> {
    let part = |line: &'a TermLine| match line.charge {
        Charge::Monthly { price_minor } => Some(Part {
            line,
            price_minor,
            when: line.in_force(month, account.ended_ms)?,
        }),
        Charge::Hourly { .. } | Charge::EgressGb { .. } => None,
    };
    let mut all: Vec<Part<'a>> = account.lines.iter().filter_map(part).collect();
    all.sort_by(|a, b| (a.when.from_ms, a.line.place()).cmp(&(b.when.from_ms, b.line.place())));
    all
}

/// What the minimum terms of an order that ended come to, less what was billed for their lines.
fn minimum_terms(account: &Account<'_>) -> Result<Vec<RatedLine>, Doubt> {
    let Some(end) = account.ended_ms else {
        return Ok(Vec::new());
    };
    let mut promises: BTreeMap<&str, Vec<&TermLine>> = BTreeMap::new();
    for line in account.lines {
        if let Some(commitment) = line.commitment.as_ref().filter(|_| line.from_ms < end) {
            promises.entry(&commitment.id).or_default().push(line);
        }
    }
    let mut all = Vec::new();
    for (id, mut lines) in promises {
        lines.sort_by(|a, b| a.place().cmp(&b.place()));
        let Some(first) = lines.first() else { continue };
        let owed = promised(&lines)?.rounded().ok_or_else(|| out_of_range(id))?;
        let missing = owed
            .checked_sub(billed(account, &lines, end)?)
            .ok_or_else(|| out_of_range(id))?;
        if missing > 0 {
            all.push(missing_term(first, &lines, end, missing));
        }
    }
    Ok(all)
}

/// The promise in minor units: each line's price for the days that it added.
fn promised(lines: &[&TermLine]) -> Result<Ratio, Doubt> {
    let mut sum = Ratio::ZERO;
    let mut before = 0;
    for line in lines {
        let (Charge::Monthly { price_minor }, Some(commitment)) = (line.charge, &line.commitment) else {
            return Err(Doubt::Terms {
                key: line.key.clone(),
                why: "only a monthly line has a minimum term".to_owned(),
            });
        };
        let added = commitment.days.saturating_sub(before);
        before = before.max(commitment.days);
        let months = Ratio::new(i128::from(added), TERM_MONTH_DAYS);
        let price = i128::from(price_minor).checked_mul(i128::from(line.quantity));
        let cost = months.zip(price).and_then(|(m, p)| m.times(Ratio::whole(p)));
        sum = cost
            .and_then(|cost| sum.plus(cost))
            .ok_or_else(|| out_of_range(&line.key))?;
    }
    Ok(sum)
}

/// What the lines of a promise came to in all months of the order.
fn billed(account: &Account<'_>, lines: &[&TermLine], end: i64) -> Result<i64, Doubt> {
    let begin = lines.iter().map(|line| line.from_ms).min().unwrap_or(end);
    let mut sum = 0_i64;
    for month in months(Period {
        from_ms: begin,
        to_ms: end,
    }) {
        for rated in of_month(account, month)? {
            if lines.iter().any(|line| line.key == rated.line) {
                sum = sum
                    .checked_add(rated.amount_minor)
                    .ok_or_else(|| out_of_range(&rated.line))?;
            }
        }
    }
    Ok(sum)
}

fn missing_term(first: &TermLine, lines: &[&TermLine], end: i64, missing: i64) -> RatedLine {
    let days = lines
        .iter()
        .filter_map(|l| l.commitment.as_ref())
        .map(|c| c.days)
        .max();
    let term_ends = first
        .from_ms
        .saturating_add(i64::from(days.unwrap_or(0)).saturating_mul(DAY_MS));
    RatedLine {
        sku: MIN_TERM.to_owned(),
        line: first.key.clone(),
        instance: None,
        quantity: "1".to_owned(),
        unit: "term".to_owned(),
        rate_micros: Rate::from_minor(missing).unwrap_or_default(),
        period: Period {
            from_ms: end,
            to_ms: term_ends.max(end),
        },
        amount_minor: missing,
    }
}
