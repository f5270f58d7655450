//! Intervals of TunePods that were deleted while their order lives. Pure.
//!
//! Somebody deletes a TunePod by hand: it is wiped like any other, and made again under its name. What it metered must
//! not go with it. So its finalizer stays until the order has written down its intervals (`status.instances[].earlier`)
//! and its UID; the next TunePod of that name begins with them and goes on counting. Each write can be repeated: an
//! interval is known by its number, a TunePod by its UID.

use kube::ResourceExt;
use std::collections::BTreeMap;
use trustbridge_api::order::OrderInstance;
use trustbridge_api::tunepod::{FoldedIntervals, MeteredInterval};
use trustbridge_api::{Order, OrderStatus, TunePod, TunePodSpec, TunePodStatus, UsageRecord};
use trustbridge_domain::phase::TunePodPhase;

/// UIDs and intervals that an order keeps of one name.
const MOST: usize = 128;

/// Whether `tunepod` is of that very order, and not of a former one of its name.
pub(crate) fn is_of(order: &Order, tunepod: &TunePod) -> bool {
    let uid = order.uid();
    let mut owners = tunepod.owner_references().iter().filter(|o| o.kind == "Order");
    owners.all(|owner| Some(&owner.uid) == uid.as_ref())
}

/// What the order keeps of TunePods of that name.
pub(crate) fn earlier(order: &Order, name: &str) -> Vec<MeteredInterval> {
    instance(order.status.as_ref(), name)
        .map(|kept| kept.earlier.clone())
        .unwrap_or_default()
}

/// What of them lies in UsageRecords.
pub(crate) fn earlier_folded(order: &Order, name: &str) -> Option<FoldedIntervals> {
    instance(order.status.as_ref(), name).and_then(|kept| kept.earlier_folded.clone())
}

/// Whether the order has yet to take over what `tunepod` metered; that it metered nothing is to be known as well. An
/// order that is over is billed to its end.
pub(crate) fn is_owed(order: &Order, tunepod: &TunePod) -> bool {
    let is_over = order.status.as_ref().is_none_or(|s| s.phase.is_terminal());
    let uid = tunepod.uid().unwrap_or_default();
    let is_kept = instance(order.status.as_ref(), &tunepod.name_any())
        .is_some_and(|kept| kept.earlier_uids.contains(&uid));
    !is_over && !is_kept
}

/// `earlier`, and then `own`: the ledger of a name, in order, each number once. What is closed stands.
pub(crate) fn joined(earlier: &[MeteredInterval], own: &[MeteredInterval]) -> Vec<MeteredInterval> {
    let mut all: BTreeMap<i64, MeteredInterval> = BTreeMap::new();
    for interval in earlier.iter().chain(own) {
        let known = all.get(&interval.seq);
        if known.is_none_or(|known| known.to.is_none()) {
            all.insert(interval.seq, interval.clone());
        }
    }
    all.into_values().collect()
}

/// Whether the order has no room for what `tunepod` metered.
pub(crate) fn is_full(order: &Order, tunepod: &TunePod) -> bool {
    let earlier = earlier(order, &tunepod.name_any());
    taken_over(&earlier, tunepod).is_none()
}

/// The ledger of a name with what a TunePod metered; `None`: there is no room, and nothing billed may be dropped.
fn taken_over(earlier: &[MeteredInterval], tunepod: &TunePod) -> Option<Vec<MeteredInterval>> {
    Some(unfolded(tunepod, joined(earlier, intervals(tunepod)))).filter(|all| all.len() <= MOST)
}

/// Without what the TunePod folded into UsageRecords since.
fn unfolded(tunepod: &TunePod, mut all: Vec<MeteredInterval>) -> Vec<MeteredInterval> {
    let first = folded(tunepod).map_or(0, |folded| folded.count);
    all.retain(|interval| interval.seq >= first);
    all
}

/// What of the ledger of a TunePod lies in UsageRecords.
pub(crate) fn folded(tunepod: &TunePod) -> Option<&FoldedIntervals> {
    tunepod.status.as_ref().and_then(|status| status.folded.as_ref())
}

/// The TunePods with what lies in `records` besides: bills follow from every interval.
pub(crate) fn with_folded(mut tunepods: Vec<TunePod>, records: &[UsageRecord]) -> Vec<TunePod> {
    for tunepod in tunepods.iter_mut().filter(|tunepod| folded(tunepod).is_some()) {
        let name = tunepod.name_any();
        let theirs = records
            .iter()
            .filter(|record| record.spec.tune_pod_ref.name == name);
        let kept: Vec<MeteredInterval> = theirs
            .filter_map(|record| record.status.as_ref())
            .flat_map(|status| status.intervals.iter().cloned())
            .collect();
        if let Some(status) = tunepod.status.as_mut() {
            status.intervals = joined(&kept, &status.intervals);
        }
    }
    tunepods
}

/// The instances of an order as they are now: none goes, and those that are wiped and about to go leave their intervals.
pub(crate) fn instances(status: &OrderStatus, tunepods: &[TunePod]) -> Vec<OrderInstance> {
    let mut all: BTreeMap<String, OrderInstance> = status
        .instances
        .iter()
        .map(|known| (known.name.clone(), known.clone()))
        .collect();
    let mut order: Vec<String> = status.instances.iter().map(|known| known.name.clone()).collect();
    for tunepod in tunepods {
        let name = tunepod.name_any();
        if !all.contains_key(&name) {
            order.push(name.clone());
        }
        let kept = all.entry(name.clone()).or_default();
        kept.name = name;
        kept.phase = tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default();
        let is_going = kept.phase == TunePodPhase::Wiped && tunepod.metadata.deletion_timestamp.is_some();
        let uid = tunepod.uid().unwrap_or_default();
        if is_going && !kept.earlier_uids.contains(&uid) {
            // Without room the TunePod stays, keeps its hours itself, and says so.
            let Some(all) = taken_over(&kept.earlier, tunepod) else {
                continue;
            };
            kept.earlier = all;
            kept.earlier_folded = folded(tunepod).cloned().or(kept.earlier_folded.take());
            kept.earlier_uids.push(uid);
            let many = kept.earlier_uids.len().saturating_sub(MOST);
            kept.earlier_uids.drain(..many);
        }
    }
    order.iter().filter_map(|name| all.remove(name)).collect()
}

/// The TunePods as bills see them: each with the whole ledger of its name, and those that are gone by what is kept of
/// them.
pub(crate) fn with_earlier(status: &OrderStatus, tunepods: &[TunePod]) -> Vec<TunePod> {
    let mut all: Vec<TunePod> = tunepods.to_vec();
    for kept in status
        .instances
        .iter()
        .filter(|kept| !kept.earlier_uids.is_empty())
    {
        if let Some(there) = all.iter_mut().find(|t| t.name_any() == kept.name) {
            let all = unfolded(there, joined(&kept.earlier, intervals(there)));
            let own = there.status.get_or_insert_default();
            own.intervals = all;
            own.folded = own.folded.take().or(kept.earlier_folded.clone());
        } else {
            let terms = status.pricing_snapshot.as_ref().and_then(|s| s.terms.as_ref());
            let spec = TunePodSpec {
                nvme_gb: terms.map_or(0, |terms| terms.resources.nvme_gb.into()),
                ..TunePodSpec::default()
            };
            let mut gone = TunePod::new(&kept.name, spec);
            gone.metadata.uid = kept.earlier_uids.last().cloned();
            gone.status = Some(TunePodStatus {
                phase: TunePodPhase::Wiped,
                intervals: kept.earlier.clone(),
                folded: kept.earlier_folded.clone(),
                ..TunePodStatus::default()
            });
            all.push(gone);
        }
    }
    all
}

/// UIDs of TunePods whose intervals are kept, or that had none.
pub(crate) fn kept_uids(status: &OrderStatus) -> impl Iterator<Item = &String> {
    status.instances.iter().flat_map(|kept| &kept.earlier_uids)
}

fn instance<'a>(status: Option<&'a OrderStatus>, name: &str) -> Option<&'a OrderInstance> {
    status?.instances.iter().find(|kept| kept.name == name)
}

/// What a TunePod metered itself.
pub(crate) fn intervals(tunepod: &TunePod) -> &[MeteredInterval] {
    tunepod
        .status
        .as_ref()
        .map(|s| s.intervals.as_slice())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
