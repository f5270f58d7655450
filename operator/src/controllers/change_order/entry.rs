//! The entry of a change in its Order: the acceptance, and what became of it. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;
use trustbridge_api::change_order::AcceptedBy;
use trustbridge_api::order::OrderChange;
use trustbridge_api::{ChangeOrder, Order};
use trustbridge_domain::change::Swap;
use trustbridge_kit::apply::{FieldManager, StatusWrite, Target};

use crate::controllers::execute::Write;
use crate::controllers::order::changes;

/// Changes that an order holds at most.
pub(super) const MOST: usize = 64;

/// What the Order says of this very change.
pub(super) fn of<'a>(order: &'a Order, change: &ChangeOrder) -> Option<&'a OrderChange> {
    let uid = change.uid()?;
    order
        .status
        .as_ref()?
        .changes
        .iter()
        .find(|entry| entry.uid == uid)
}

/// The entry that accepts `change`, which does `swap`.
pub(super) fn accepted(change: &ChangeOrder, swap: Swap, by: AcceptedBy, now: Timestamp) -> OrderChange {
    let status = change.status.clone().unwrap_or_default();
    let priced = status.document.unwrap_or_default().priced;
    OrderChange {
        uid: change.uid().unwrap_or_default(),
        name: change.name_any(),
        digest: status.digest.unwrap_or_default(),
        by_limit: by == AcceptedBy::Limit,
        accepted_at: Time(now),
        ends: swap.ends,
        adds: swap.adds,
        extend_term_days: priced.extend_term_days,
        add_nvme_gb: priced.add_nvme_gb,
        applied_at: None,
        rolled_back_at: None,
    }
}

/// The write of one more entry, or of one that is over now, at the version of the Order that was read.
pub(super) fn write(order: &Order, entry: OrderChange) -> Write {
    let mut all = order.status.clone().unwrap_or_default().changes;
    match all.iter_mut().find(|known| known.uid == entry.uid) {
        Some(known) => *known = entry,
        None => all.push(entry),
    }
    Write::Status(
        FieldManager::CHANGE_ORDER,
        StatusWrite {
            target: Target::of(order),
            uid: order.uid().unwrap_or_default(),
            resource_version: order.resource_version().unwrap_or_default(),
            status: json!({ "changes": all }),
        },
    )
}

/// `entry`, applied: after every change before it, whatever the clock says. Times of the API have whole seconds, so
/// that a part of one is rounded up: no price begins before it was decided.
pub(super) fn applied(order: &Order, entry: &OrderChange, now: Timestamp) -> OrderChange {
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let next = |time: Timestamp| time.checked_add(SignedDuration::from_secs(1)).unwrap_or(time);
    let at = if whole < now { next(whole) } else { whole };
    let before = order.status.as_ref().map(changes::applied).unwrap_or_default();
    let last = before
        .last()
        .and_then(|change| Timestamp::from_millisecond(change.at_ms).ok());
    OrderChange {
        applied_at: Some(Time(last.map_or(at, |last| next(last).max(at)))),
        ..entry.clone()
    }
}

/// `entry`, given up.
pub(super) fn rolled_back(entry: &OrderChange, now: Timestamp) -> OrderChange {
    OrderChange {
        rolled_back_at: Some(Time(now)),
        ..entry.clone()
    }
}
