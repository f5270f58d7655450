//! The end of a TunePod: the meter first, then the door, the last usage and the pod, then the pool. Pure.

use super::decide::{MOVING, finalizers, said};
use super::observe::{GONE_WITHIN, Observed};
use super::status::{self, close_interval};
use super::{build, usage};
use crate::controllers::execute::{Plan, Write};
use crate::nodepool::{PoolCall, PoolView};
use jiff::Timestamp;
use kube::ResourceExt;
use trustbridge_api::condition::Reason;
use trustbridge_api::tunepod::NodePoolState;
use trustbridge_api::{TunePodStatus, labels};
use trustbridge_domain::phase::TunePodPhase as Phase;

/// The end begins: the meter stops in the write that says so, before anything is ended.
pub(super) fn begin_end(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let asked = seen
        .tunepod
        .spec
        .termination
        .as_ref()
        .map(|t| t.reason.clone())
        .unwrap_or_default();
    let why = if asked.is_empty() {
        "Deleted".to_owned()
    } else {
        asked
    };
    close_interval(&mut status, &why, now);
    usage::begin_end(&mut status, now);
    status.phase = Phase::Draining;
    status.url = None;
    said(seen, status, now, Reason::Terminating, "the pod is being ended")
}

pub(super) fn drain(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let mut writes: Vec<Write> = seen
        .leftovers
        .iter()
        .map(|(target, uid)| Write::Delete(target.clone(), uid.clone()))
        .collect();
    match &seen.pod {
        // A node that is gone or does not answer keeps its pod for ever; the pool must not wait for it.
        Some(pod) if pod.is_ours && pod.gone_by.is_none_or(|by| now < by) => {
            if !pod.is_leaving && usage::holds(seen, pod, now) {
                let text = "the pod's last usage is being read; then it is deleted";
                let plan = said(seen, status, now, Reason::Terminating, text);
                return Plan { writes, ..plan };
            }
            if !pod.is_leaving {
                writes.push(Write::Delete(
                    build::pod_target(&seen.tunepod, &seen.org),
                    pod.uid.clone(),
                ));
            }
            let plan = said(
                seen,
                status,
                now,
                Reason::Terminating,
                "waiting for the pod to be gone",
            );
            Plan { writes, ..plan }
        }
        left => {
            let text = match left {
                Some(pod) if pod.is_ours => format!(
                    "pod {} is still there {} s after its deletion was asked for, though its time is over; the node pool is deleted all the same",
                    seen.tunepod.name_any(),
                    GONE_WITHIN.as_secs()
                ),
                _ => "the pod is gone; the node pool is being deleted".to_owned(),
            };
            status.pod = None;
            status.phase = Phase::Wiping;
            // The intent to delete, written before the provider is asked.
            if status.node_pool.is_some() {
                status::pool(&mut status, NodePoolState::Deleting, None);
            }
            if let Some(pool) = status.node_pool.as_mut() {
                pool.next_attempt_at = None;
                pool.failures = 0;
                pool.last_error = None;
            }
            let plan = said(seen, status, now, Reason::Terminating, &text);
            Plan { writes, ..plan }
        }
    }
}

pub(super) fn wipe(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if status.node_pool.is_none() {
        return wiped(seen, status, now);
    }
    if let Some(text) = status::elsewhere(seen) {
        return said(seen, status, now, Reason::ForeignNodePool, &text);
    }
    match &seen.pool_view {
        None => Plan::rest(status).within(status::until_attempt(seen, now)),
        Some(Ok(PoolView::Absent)) => wiped(seen, status, now),
        // A pool of that name which is tagged as another's is not ours: ours is not there.
        Some(Err(error)) if error.is_anothers() => wiped(seen, status, now),
        // The operation that was written down since Wiping began is the deletion.
        Some(Ok(PoolView::Working {
            state,
            retry_after,
            operation_url,
        })) if operation_url.is_some() || state == "Deleting" => {
            status::pool(&mut status, NodePoolState::Deleting, operation_url.clone());
            let text = format!("node pool {} is {state} at {}", seen.pool.name, seen.provider);
            said(seen, status, now, Reason::Terminating, &text).within(*retry_after)
        }
        Some(Err(error)) => status::pool_failed(seen, status, error, now),
        // Still being made, there, or broken: it is to go. The provider says when it can.
        Some(Ok(_)) => Plan {
            call: Some(PoolCall::Delete(seen.pool.clone())),
            ..Plan::rest(status)
        },
    }
}

/// The provider said that nothing is left.
pub(super) fn wiped(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    status.phase = Phase::Wiped;
    if status.node_pool.is_some() {
        status::pool(&mut status, NodePoolState::Deleted, None);
    }
    said(
        seen,
        status,
        now,
        Reason::Terminated,
        "pod and node pool are gone",
    )
}

/// Nothing is left but the record; a TunePod that is being deleted may go once its usage is stored.
pub(super) fn gone(seen: &Observed, status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let is_held = seen
        .tunepod
        .finalizers()
        .iter()
        .any(|f| f == labels::TUNEPOD_CLEANUP);
    let plan = Plan::rest(status);
    if seen.tunepod.metadata.deletion_timestamp.is_some() && is_held {
        if usage::keeps(seen, now) {
            return plan.within(MOVING);
        }
        return plan.with(finalizers(seen, Vec::new()));
    }
    plan
}
