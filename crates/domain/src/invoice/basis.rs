//! Everything that an invoice follows from, frozen in one document, and the way from there to its lines.
//!
//! Whoever holds the document can rate it again: it names no object that must still exist. A period that is not over
//! for an instance is cut at its end, so that the document of a period is the same whenever it is written.

use super::issue::{Policy, assemble};
use crate::calendar::{Period, date_of_ms, day_period, midnight_ms};
use crate::canonical::{CanonicalError, digest};
use crate::intervals::{DayRecord, GRACE_MS, Interval, Sources, seal};
use crate::names::readable_name;
use crate::pricing::{BillingModel, QuoteLine};
use crate::rating::terms::{Charge, Commitment, TermLine};
use crate::rating::{Account, Doubt, Instance, RatedLine, Schedule};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Key of the line that the hours of instances are metered under.
pub const BASE: &str = "base";
/// The kind that a signature of an invoice names, see [`crate::canonical::signed_text`].
pub const SIGNED_KIND: &str = "invoice";

/// Everything that an invoice follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Basis {
    /// The buyer organisation. Example: `acme`.
    pub org: String,
    /// The order. Example: `order-1`.
    pub order: String,
    /// UID of the order: a later one of that name is another one.
    pub order_uid: String,
    /// Digest of the quote that was accepted, 64 hex digits.
    pub quote_digest: String,
    /// ISO 4217 code of all amounts. Example: `USD`.
    pub currency: String,
    /// Which lines are billed together: `metered-daily`, `metered-weekly`, `metered-monthly` or `recurring`.
    pub schedule: String,
    /// What is billed, POSIX milliseconds UTC.
    pub period: Period,
    /// When the order ended for good; absent: it ran on after the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// When it is issued and due.
    pub policy: Policy,
    /// The frozen lines of the order, with the time in which each is in force.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub lines: Vec<TermLine>,
    /// Its instances, with their metered time up to the end of the period.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub instances: Vec<BilledInstance>,
    /// The usage records of the period, by instance and day, as they were when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 2048)))]
    pub records: Vec<CountedDay>,
    /// Why a person must look before this is billed; empty for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub doubts: Vec<String>,
}

/// The metered time of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BilledInstance {
    /// Its name. Example: `order-1-0`.
    pub name: String,
    /// UID of its TunePod.
    pub uid: String,
    /// When it ended for good; absent: it lived on after the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// Its intervals since it was first of use, up to the end of the period; one without an end went on.
    #[cfg_attr(feature = "schema", schemars(length(max = 4096)))]
    pub intervals: Vec<Interval>,
}

/// What a usage record says of one instance and day. Quantities are told, and billed where a line prices them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CountedDay {
    /// Name of the record.
    pub record: String,
    /// The instance. Example: `order-1-0`.
    pub instance: String,
    /// The UTC day. Example: `2026-01-07`.
    pub day: String,
    /// SHA-256 of the canonical JSON of the record's `spec` and `status`, 64 hex digits.
    pub digest: String,
    /// Whether it holds all that was used.
    pub complete: bool,
    /// The day's quantities by name; what was not counted is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub total: BTreeMap<String, i64>,
}

/// What an invoice says. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bill {
    /// Its lines; each is rounded once, half away from zero.
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub lines: Vec<RatedLine>,
    /// The sum of the lines in minor units. Example: `3150` is 31.50 USD.
    pub total_minor: i64,
    /// Day of issue, UTC. Example: `2026-03-05`.
    pub issued_on: String,
    /// Day until which it is to be paid, UTC. Example: `2026-03-05`.
    pub due_on: String,
    /// Whether it goes to the buyer; an invoice over nothing is recorded only.
    pub is_sent: bool,
    /// Taxes are not part of it: always `not_included`.
    pub tax: String,
}

/// What is signed: name and basis, what a person settled, and what follows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Document<'a> {
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// What it follows from.
    pub basis: &'a Basis,
    /// Why it is billed in spite of its doubts; empty where there were none.
    pub settled: &'a str,
    /// What it says.
    pub bill: &'a Bill,
}

impl Document<'_> {
    /// SHA-256 of its canonical JSON (RFC 8785), lower-case hex.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        digest(self)
    }
}

impl Basis {
    /// The schedule; `None`: there is none of that word.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule> {
        Schedule::ALL.iter().copied().find(|s| s.word() == self.schedule)
    }

    /// Name of the invoice, see [`name`].
    #[must_use]
    pub fn name(&self) -> String {
        name(
            &self.org,
            &self.order,
            &self.order_uid,
            &self.schedule,
            self.period,
        )
    }

    /// The bill of this basis, issued on that day.
    pub fn bill(&self, issued_on: Date) -> Result<Bill, Doubt> {
        let schedule = self.schedule().ok_or_else(|| Doubt::Terms {
            key: self.schedule.clone(),
            why: "there is no such schedule".to_owned(),
        })?;
        let sealed = self.sealed()?;
        let instances: Vec<Instance<'_>> = self
            .instances
            .iter()
            .zip(&sealed)
            .map(|(instance, records)| instance.rated(records))
            .collect();
        let account = Account {
            order: &self.order,
            currency: &self.currency,
            lines: &self.lines,
            instances: &instances,
            ended_ms: self.ended_ms,
        };
        let issued_ms = midnight_ms(issued_on).ok_or_else(|| self.out_of_range())?;
        let invoice = assemble(&account, schedule, self.period, self.policy, issued_ms)?;
        Ok(Bill {
            lines: invoice.lines,
            total_minor: invoice.total_minor,
            issued_on: invoice.issued_on.to_string(),
            due_on: invoice.due_on.to_string(),
            is_sent: invoice.is_sent,
            tax: invoice.tax,
        })
    }

    /// The sealed days of each instance, from its first use to the end of the period or its own.
    fn sealed(&self) -> Result<Vec<Vec<DayRecord>>, Doubt> {
        self.instances
            .iter()
            .map(|i| i.sealed(self.period.to_ms))
            .collect()
    }

    fn out_of_range(&self) -> Doubt {
        Doubt::OutOfRange {
            key: self.order.clone(),
        }
    }
}

impl BilledInstance {
    /// When it was first of use.
    #[must_use]
    pub fn first_ready_ms(&self) -> Option<i64> {
        self.intervals.first().map(|interval| interval.from_ms)
    }

    fn rated<'a>(&'a self, records: &'a [DayRecord]) -> Instance<'a> {
        Instance {
            name: &self.name,
            records,
            first_ready_ms: self.first_ready_ms(),
            ended_ms: self.ended_ms,
        }
    }

    fn sealed(&self, until_ms: i64) -> Result<Vec<DayRecord>, Doubt> {
        let Some(life) = self.first_ready_ms().and_then(|first| {
            let end = self.ended_ms.map_or(until_ms, |end| end.min(until_ms));
            Period::new(first, end.max(first))
        }) else {
            return Ok(Vec::new());
        };
        let sources = Sources {
            instance: &self.name,
            intervals: &self.intervals,
            readings: &[],
            // The document is final: nothing is learnt later, so no sealed day is looked at again.
            unfolded_since: Date::MAX,
        };
        let mut chain = Vec::new();
        for day in life.days() {
            let over = day_period(day).map_or(i64::MAX, |period| period.to_ms.saturating_add(GRACE_MS));
            let record = seal(sources, &chain, day, over).map_err(|error| Doubt::Chain(error.to_string()))?;
            chain.push(record);
        }
        Ok(chain)
    }
}

/// Name of an invoice: from organisation, order, schedule and period, so that a second one cannot exist.
#[must_use]
pub fn name(org: &str, order: &str, order_uid: &str, schedule: &str, period: Period) -> String {
    let from = date_of_ms(period.from_ms)
        .as_ref()
        .map(Date::to_string)
        .unwrap_or_default();
    let readable = format!("{order}-{schedule}-{from}");
    readable_name(&readable, &[org, "Invoice", order_uid, schedule, &from])
}

/// Intervals as far as they lie before `until_ms`; one that goes on has no end here.
#[must_use]
pub fn cut(intervals: &[Interval], until_ms: i64) -> Vec<Interval> {
    let before = intervals.iter().filter(|i| i.from_ms < until_ms);
    let open = |i: &Interval| match i.to_ms {
        Some(to) if to <= until_ms => i.clone(),
        _ => Interval {
            to_ms: None,
            closed_by: None,
            evidence: None,
            ..i.clone()
        },
    };
    before.map(open).collect()
}

/// The lines of an order in force since `from_ms`, its first readiness. The line of `base_sku` is the one that hours
/// are metered under, and the one that a minimum term promises.
pub fn terms(
    lines: &[QuoteLine],
    base_sku: &str,
    min_term_days: u32,
    from_ms: i64,
) -> Result<Vec<TermLine>, Doubt> {
    let base = lines.iter().position(|line| line.sku == base_sku);
    let mut all: Vec<TermLine> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_base = base == Some(index);
        let key = if is_base {
            BASE.to_owned()
        } else {
            free_key(&all, &line.sku)
        };
        let charge = charge(line, &key)?;
        if !is_base && matches!(charge, Charge::Hourly { .. }) {
            return Err(Doubt::Terms {
                key,
                why: format!(
                    "hours are metered for '{base_sku}' alone, so nobody knows the hours of this line; bill it by hand"
                ),
            });
        }
        let is_promised = is_base && min_term_days > 0 && line.model == BillingModel::Monthly;
        all.push(TermLine {
            key,
            sku: line.sku.clone(),
            quantity: line.quantity,
            charge,
            from_ms,
            until_ms: None,
            commitment: is_promised.then(|| Commitment {
                id: BASE.to_owned(),
                days: min_term_days,
            }),
        });
    }
    Ok(all)
}

/// What a quoted line charges for.
pub(crate) fn charge(line: &QuoteLine, key: &str) -> Result<Charge, Doubt> {
    match line.model {
        BillingModel::Monthly => Ok(Charge::Monthly {
            price_minor: line.unit_price_minor,
        }),
        BillingModel::Hourly => Ok(Charge::Hourly {
            rate_micros: crate::money::Rate::from_minor(line.unit_price_minor)
                .ok_or_else(|| Doubt::OutOfRange { key: key.to_owned() })?,
            min_hours: line.min_hours,
        }),
    }
}

/// The SKU, or the SKU and a number where that is taken.
fn free_key(taken: &[TermLine], sku: &str) -> String {
    let is_free = |key: &str| key != BASE && taken.iter().all(|line| line.key != key);
    let numbered = (2_u32..).map(|number| format!("{sku}-{number}"));
    std::iter::once(sku.to_owned())
        .chain(numbered)
        .find(|key| is_free(key))
        .unwrap_or_default()
}
