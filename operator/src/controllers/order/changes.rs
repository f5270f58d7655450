//! What an order is after the changes that were applied to it. Pure.

use super::ledger;
use jiff::{SignedDuration, Timestamp};
use trustbridge_api::order::{OrderChange, PricingSnapshot};
use trustbridge_api::{OrderStatus, TunePod};
use trustbridge_domain::change::{Applied, KeyedLine, Sold};
use trustbridge_domain::rating::Doubt;

/// SKU of the bundle: orders of versions that froze less name it in their first line.
pub(crate) fn base_sku(snapshot: &PricingSnapshot) -> &str {
    let first = || snapshot.lines.first().map(|line| line.sku.as_str());
    let frozen = snapshot.terms.as_ref().map(|terms| terms.sku.as_str());
    frozen.or_else(first).unwrap_or_default()
}

/// What was sold, before any change.
pub(crate) fn sold(snapshot: &PricingSnapshot) -> Sold<'_> {
    Sold {
        lines: &snapshot.lines,
        base_sku: base_sku(snapshot),
        min_term_days: snapshot.terms.as_ref().map_or(0, |terms| terms.min_term_days),
    }
}

/// The changes that were applied, in the order of time.
pub(crate) fn applied(status: &OrderStatus) -> Vec<Applied> {
    let mut all: Vec<Applied> = status.changes.iter().filter_map(OrderChange::applied).collect();
    all.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
    all
}

/// The change that is on its way; the API server holds their number to one.
pub(crate) fn open(status: &OrderStatus) -> Option<&OrderChange> {
    status.changes.iter().find(|change| change.is_open())
}

/// The lines that are in force now; none of an order that has not taken its quote.
pub(crate) fn lines(status: &OrderStatus) -> Result<Vec<KeyedLine>, Doubt> {
    let Some(snapshot) = &status.pricing_snapshot else {
        return Ok(Vec::new());
    };
    let applied = applied(status);
    sold(snapshot).lines_after(applied.iter().map(|change| &change.swap))
}

/// Days that are billed at least, with those that changes added.
pub(crate) fn promised_days(status: &OrderStatus) -> u32 {
    let Some(snapshot) = &status.pricing_snapshot else {
        return 0;
    };
    let applied = applied(status);
    sold(snapshot).promised_days(applied.iter().map(|change| change.extend_term_days))
}

/// First instant after the promised days; `None`: the order was not of use yet, so that none of them is over.
pub(crate) fn promised_until(status: &OrderStatus, tunepods: &[TunePod]) -> Option<Timestamp> {
    let all = ledger::with_earlier(status, tunepods);
    let folded = all.iter().filter_map(ledger::folded).map(|folded| folded.from.0);
    let metered = all
        .iter()
        .filter_map(|tunepod| ledger::intervals(tunepod).first());
    let first = folded.chain(metered.map(|interval| interval.from.0)).min()?;
    let days = SignedDuration::from_hours(i64::from(promised_days(status)).saturating_mul(24));
    Some(first.checked_add(days).unwrap_or(Timestamp::MAX))
}

/// Local disk of one TunePod in GB, as far as changes that `counts` go; `None`: nothing was frozen about it.
fn disk(status: &OrderStatus, counts: impl Fn(&OrderChange) -> bool) -> Option<i64> {
    let frozen = status
        .pricing_snapshot
        .as_ref()?
        .terms
        .as_ref()?
        .resources
        .nvme_gb;
    let added = status.changes.iter().filter(|change| counts(change));
    Some(added.fold(i64::from(frozen), |sum, change| {
        sum.saturating_add(change.add_nvme_gb.into())
    }))
}

/// Local disk that one TunePod is to have, in GB: with the change that is on its way.
pub(crate) fn disk_wanted(status: &OrderStatus) -> Option<i64> {
    disk(status, |change| change.rolled_back_at.is_none())
}

/// Local disk that one TunePod had at that moment, in GB.
pub(crate) fn disk_at(status: &OrderStatus, at_ms: i64) -> Option<i64> {
    let was_applied = |change: &OrderChange| {
        let at = change.applied_at.as_ref().map(|at| at.0.as_millisecond());
        at.is_some_and(|at| at <= at_ms)
    };
    disk(status, was_applied)
}
