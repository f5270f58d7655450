//! What an order cost, from closed intervals and frozen rates. Whole numbers only.

use super::ledger;
use trustbridge_api::order::{Cost, PricingSnapshot};
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_api::{OrderStatus, TunePod};
use trustbridge_domain::money::Money;
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::usage::{Interval, hourly_cost, metered_ms};

/// The cost of `tunepods` at the frozen terms; what is already written when they cannot say (they are gone).
pub(super) fn cost(status: &OrderStatus, tunepods: &[TunePod]) -> Option<Cost> {
    let snapshot = status.pricing_snapshot.as_ref()?;
    let tunepods = &ledger::with_earlier(status, tunepods);
    if tunepods.len() < status.instances.len() {
        return status.cost.clone();
    }
    let closed: Vec<Vec<Interval>> = tunepods.iter().map(closed_intervals).collect();
    let (rate, min_hours) = hourly_rate(snapshot)?;
    let minor = closed.iter().try_fold(0_i64, |sum, intervals| {
        // An interval that is closed does not depend on the time that is now.
        hourly_cost(intervals, 0, rate, min_hours).and_then(|cost| sum.checked_add(cost))
    })?;
    let metered: i128 = closed.iter().map(|intervals| metered_ms(intervals, 0)).sum();
    let amount = Money {
        currency: snapshot.currency.clone(),
        minor,
    };
    Some(Cost {
        summary: amount.to_string(),
        amount: amount.into(),
        metered_ms: i64::try_from(metered).ok()?,
    })
}

fn closed_intervals(tunepod: &TunePod) -> Vec<Interval> {
    let all = tunepod.status.iter().flat_map(|s| &s.intervals);
    let closed = all.filter(|i| i.to.is_some()).map(MeteredInterval::as_interval);
    // What lies in UsageRecords counts by its sum: a cost follows from nothing else.
    let folded = ledger::folded(tunepod).map(|folded| {
        let from_ms = folded.from.0.as_millisecond();
        Interval {
            from_ms,
            to_ms: Some(from_ms.saturating_add(folded.metered_ms)),
        }
    });
    folded.into_iter().chain(closed).collect()
}

/// Rate and minimum of the hourly line. Months are billed by invoices, which are not made yet: no line, no cost,
/// because an amount without a source is absent and never 0.
fn hourly_rate(snapshot: &PricingSnapshot) -> Option<(i64, u32)> {
    let line = snapshot.lines.iter().find(|l| l.model == BillingModel::Hourly)?;
    Some((line.unit_price_minor, line.min_hours))
}
