//! Whether the invoice of a period is due, and what it says.

use super::Invoice;
use crate::calendar::{DAY_MS, Period, date_of_ms, midnight_ms};
use crate::canonical::digest;
use crate::money::sum;
use crate::names::readable_name;
use crate::rating::{Account, Doubt, Schedule, rate};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a seller decided about invoices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Policy {
    /// Days after a period's end before its invoice is issued; late truths arrive meanwhile. Default 4.
    pub finalize_after_days: u32,
    /// Days from issue to due. Example: `0`.
    pub net_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            finalize_after_days: 4,
            net_days: 0,
        }
    }
}

/// What to do about the invoice of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is too early; ask again then, POSIX milliseconds.
    Wait(i64),
    /// Nothing is billed before somebody has looked: set `billingHold`, open an Incident.
    Hold(Doubt),
    /// Write it down under its name, then send it.
    Issue(Box<Invoice>),
}

/// Decides about the invoice of `schedule` for `period` at `now_ms`.
#[must_use]
pub fn decide(
    account: &Account<'_>,
    schedule: Schedule,
    period: Period,
    policy: Policy,
    now_ms: i64,
) -> Decision {
    let grace = i64::from(policy.finalize_after_days).saturating_mul(DAY_MS);
    let from_ms = period.to_ms.saturating_add(grace);
    if now_ms < from_ms {
        return Decision::Wait(from_ms);
    }
    match assemble(account, schedule, period, policy, now_ms) {
        Ok(invoice) => Decision::Issue(Box::new(invoice)),
        Err(doubt) => Decision::Hold(doubt),
    }
}

/// The invoice of `period`, whether or not it is time for it.
pub(super) fn assemble(
    account: &Account<'_>,
    schedule: Schedule,
    period: Period,
    policy: Policy,
    now_ms: i64,
) -> Result<Invoice, Doubt> {
    let is_a_period = date_of_ms(period.from_ms).and_then(|day| schedule.period_of(day)) == Some(period);
    let out_of_range = || Doubt::OutOfRange {
        key: account.order.to_owned(),
    };
    if !is_a_period {
        return Err(Doubt::Terms {
            key: schedule.word().to_owned(),
            why: "the period is not one of the schedule's; take one from `Schedule::period_of`".to_owned(),
        });
    }
    let lines = rate(account.verify()?, schedule, period)?;
    let total_minor = sum(lines.iter().map(|l| l.amount_minor)).ok_or_else(out_of_range)?;
    let issued_on = date_of_ms(now_ms).ok_or_else(out_of_range)?;
    let due_on = issued_on.checked_add(i64::from(policy.net_days).days());
    let terms = digest(&account.lines).map_err(|error| Doubt::Terms {
        key: account.order.to_owned(),
        why: error.to_string(),
    })?;
    Ok(Invoice {
        name: name(account.order, schedule, period.from_ms),
        order: account.order.to_owned(),
        schedule,
        period,
        currency: account.currency.to_owned(),
        lines,
        total_minor,
        issued_on,
        due_on: due_on.map_err(|_| out_of_range())?,
        is_sent: total_minor != 0,
        tax: "not_included".to_owned(),
        inputs: inputs(account, period),
        terms_digest: terms,
    })
}

fn name(order: &str, schedule: Schedule, from_ms: i64) -> String {
    let from = date_of_ms(from_ms)
        .as_ref()
        .map(Date::to_string)
        .unwrap_or_default();
    let readable = format!("{order}-{}-{from}", schedule.word());
    readable_name(&readable, &["Invoice", order, schedule.word(), &from])
}

fn inputs(account: &Account<'_>, period: Period) -> Vec<String> {
    let records = account.instances.iter().flat_map(|i| i.records);
    let inside = records.filter(|r| midnight_ms(r.day).is_some_and(|at| period.contains(at)));
    inside.map(|r| r.content_hash.clone()).collect()
}
