//! Which periods of an order are to be billed by now. Pure.

use super::Account;
use super::basis::{asked_ms, ended_ms, first_ready_ms, terms_of};
use crate::controllers::execute;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use std::time::Duration;
use trustbridge_domain::calendar::{DAY_MS, Period};
use trustbridge_domain::invoice::{billed_periods, name};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::rating::{self, Instance, Schedule};

/// Pause before an order is looked at again for a period that is over by then.
const EACH: Duration = Duration::from_hours(1);
/// Pause before an order that ends is looked at again, should an event be missed: its usage may be read by then.
const ENDING: Duration = Duration::from_secs(10);

/// The periods of each schedule that are over: some days after their end, or at once when the order ended.
pub(super) fn periods(account: &Account, now: Timestamp) -> Vec<(Schedule, Period)> {
    let (Some(terms), Some(first)) = (terms_of(account), first_ready_ms(account)) else {
        // What was never of use is not billed.
        return Vec::new();
    };
    let instances = [Instance {
        name: "",
        records: &[],
        first_ready_ms: Some(first),
        ended_ms: None,
    }];
    let ended = ended_ms(account);
    let life = rating::Account {
        order: "",
        currency: "",
        lines: &[],
        instances: &instances,
        ended_ms: ended,
    };
    let grace = i64::from(terms.invoicing.policy.finalize_after_days).saturating_mul(DAY_MS);
    let past = now.as_millisecond().saturating_sub(grace);
    let through = match (ended, asked_ms(account)) {
        (Some(_), _) => i64::MAX,
        // Its end is not known yet, but not before it was asked for: what touches that day or month waits for the end.
        (None, Some(asked)) => past.min(asked.saturating_sub(1)),
        (None, None) => past,
    };
    let hours = Schedule::Metered(terms.invoicing.metered_cadence);
    let schedules = [
        (BillingModel::Hourly, hours),
        (BillingModel::Monthly, Schedule::Recurring),
    ];
    let of = |(model, schedule)| {
        // What a change brought first is not billed for the periods before it.
        let since = terms.since(model, first).unwrap_or(i64::MAX);
        billed_periods(&life, schedule, through)
            .filter(move |period: &Period| period.to_ms > since)
            .map(move |period| (schedule, period))
    };
    schedules.into_iter().flat_map(of).collect()
}

/// Those of `due` that no invoice is written down for.
pub(super) fn missing(account: &Account, due: Vec<(Schedule, Period)>) -> Vec<(Schedule, Period)> {
    let (order, uid) = (account.order.name_any(), account.order.uid().unwrap_or_default());
    let is_missing = |(schedule, period): &(Schedule, Period)| {
        let name = name(&account.org, &order, &uid, schedule.word(), *period);
        !account.invoices.contains(&name)
    };
    due.into_iter().filter(is_missing).collect()
}

/// Whether an order that ends has nothing left to bill, given the periods whose invoices are not written down.
pub(super) fn is_billed_to_the_end(account: &Account, missing: &[(Schedule, Period)]) -> bool {
    let is_sold = terms_of(account).is_some() && first_ready_ms(account).is_some();
    !is_sold || (ended_ms(account).is_some() && missing.is_empty())
}

/// When an order of which nothing is missing is looked at again.
pub(super) fn again(account: &Account) -> Action {
    let phase = account.order.status.as_ref().map(|s| s.phase);
    match (phase, ended_ms(account)) {
        // Billed to its end, it stays so.
        (_, Some(_)) => Action::await_change(),
        (Some(OrderPhase::Terminating), None) => Action::requeue(ENDING),
        (Some(OrderPhase::Terminated), None) => Action::requeue(execute::RESYNC),
        _ => Action::requeue(EACH),
    }
}
