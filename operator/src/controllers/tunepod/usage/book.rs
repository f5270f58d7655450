//! The UsageRecord of a TunePod's day. Pure.

use super::step::Entry;
use crate::sentinel_port::PAGE;
use jiff::civil::Date;
use kube::{Resource, ResourceExt};
use serde_json::json;
use trustbridge_api::usage_record::{
    HourUsage, MAX_LOSSES, MAX_STARTS, Quantities, SentinelStart, UsageLoss, UsageRecordStatus,
};
use trustbridge_api::{NameRef, TunePod, UsageRecord, UsageRecordSpec, labels};
use trustbridge_domain::names::readable_name;
use trustbridge_domain::outbox::Record;
use trustbridge_kit::apply::{Built, Target};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

// A page that is read once more after a crash must find all its starts again: none of them may have been folded away.
const _: () = assert!(PAGE < MAX_STARTS);

/// Its name follows from the TunePod's UID and the day: a second one cannot exist.
pub(in super::super) fn name(tunepod: &TunePod, org: &str, day: Date) -> String {
    let natural = format!("{}/{day}", tunepod.uid().unwrap_or_default());
    let readable = format!("{}-{day}", tunepod.name_any());
    readable_name(&readable, &[org, &UsageRecord::kind(&()), &natural])
}

/// Of which TunePod and day it is.
pub(in super::super) fn spec(tunepod: &TunePod, day: Date) -> UsageRecordSpec {
    UsageRecordSpec {
        tune_pod_ref: NameRef::new(tunepod.name_any()),
        tune_pod_uid: tunepod.uid().unwrap_or_default(),
        order_ref: tunepod.spec.order_ref.clone(),
        day: day.to_string(),
    }
}

/// An empty one. Nobody owns it: it stays when the TunePod goes.
pub(in super::super) fn new(tunepod: &TunePod, org: &str, day: Date) -> Built {
    let target = Target::new::<UsageRecord>(tunepod.namespace().as_deref(), &name(tunepod, org, day));
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": {
                labels::MANAGED_BY: labels::OPERATOR,
                labels::ORG: org,
                labels::TUNEPOD: tunepod.name_any(),
            },
        },
        "spec": spec(tunepod, day),
    });
    Built { target, body }
}

/// `status` with the entry in it. What is in it already is not counted again, so this can be repeated.
pub(super) fn fold(mut status: UsageRecordStatus, entry: &Entry) -> UsageRecordStatus {
    for record in &entry.records {
        if begin(&mut status, entry, record) {
            count(&mut status, record);
        }
    }
    while status.starts.len() > MAX_STARTS {
        status.starts.remove(0);
        status.starts_folded = status.starts_folded.saturating_add(1);
    }
    if let Some(loss) = &entry.loss {
        if !status.losses.iter().any(|known| same(known, loss)) {
            status.losses.push(loss.clone());
        }
        status.complete = false;
    }
    while status.losses.len() > MAX_LOSSES {
        status.losses.remove(0);
        status.losses_folded = status.losses_folded.saturating_add(1);
    }
    status
}

/// Whether both are the same loss; the one that was noticed first stands.
fn same(one: &UsageLoss, other: &UsageLoss) -> bool {
    one.pod == other.pod && one.after == other.after
}

/// Moves the head of the record's start; `false` when the record is in already.
fn begin(status: &mut UsageRecordStatus, entry: &Entry, record: &Record<Quantities>) -> bool {
    let seq = i64::try_from(record.seq).unwrap_or(i64::MAX);
    let mut starts = status.starts.iter_mut();
    match starts.find(|start| start.boot == record.boot && start.outbox == entry.outbox) {
        Some(start) if seq <= start.last_seq => return false,
        Some(start) => {
            start.last_seq = seq;
            start.hash.clone_from(&record.hash);
            start.intervals = start.intervals.saturating_add(1);
        }
        None => status.starts.push(SentinelStart {
            boot: record.boot.clone(),
            outbox: entry.outbox.clone(),
            pod: entry.pod.clone(),
            first_seq: seq,
            last_seq: seq,
            hash: record.hash.clone(),
            intervals: 1,
        }),
    }
    true
}

fn count(status: &mut UsageRecordStatus, record: &Record<Quantities>) {
    if record.counts.is_empty() {
        return;
    }
    let hour = record.from_ms.div_euclid(HOUR_MS).rem_euclid(24);
    status.total = status.total.plus(record.counts);
    match status.hours.binary_search_by_key(&hour, |known| known.hour) {
        Ok(found) => {
            if let Some(known) = status.hours.get_mut(found) {
                known.quantities = known.quantities.plus(record.counts);
            }
        }
        Err(place) => status.hours.insert(
            place,
            HourUsage {
                hour,
                quantities: record.counts,
            },
        ),
    }
}
