//! The end of a TunePod: the meter first, then the door, the last usage and the pod, then the pool, then the evidence.
//! Pure.

use super::decide::{MOVING, finalizers, said};
use super::observe::{GONE_WITHIN, Observed};
use super::status::{self, close_interval};
use super::{build, evidence, heartbeat, usage};
use crate::controllers::execute::{Plan, RESYNC, Write};
use crate::nodepool::absence::{Absence, judge};
use crate::nodepool::{PoolCall, PoolError, PoolView};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::{NodePoolState, PoolOperation, PoolRequest};
use trustbridge_api::{NameRef, TunePodStatus, labels};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::conditions::find;

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
    let ended = heartbeat::end(seen, &status, now);
    close_interval(&mut status, &why, ended);
    usage::begin_end(&mut status, now);
    let last = status.pod.as_ref().map(|pod| pod.uid.clone());
    let progress = status.wipe.get_or_insert_default();
    progress.pod = last;
    progress.node = seen.pod.as_ref().and_then(|pod| pod.node.clone());
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
            note_pod(seen, &mut status, now);
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
    note_pod(seen, &mut status, now);
    if status.node_pool.is_none() {
        return attest(seen, status, None, now);
    }
    if let Some(text) = status::elsewhere(seen) {
        return said(seen, status, now, Reason::ForeignNodePool, &text);
    }
    if !seen.makes_nodes {
        return released(seen, status, now);
    }
    match &seen.pool_view {
        None => {
            let pause = status::until_attempt(seen, now);
            Plan::rest(status).within(pause)
        }
        Some(Ok(PoolView::Absent)) => absent(seen, status, now),
        // The operation that was written down since Wiping began is the deletion.
        Some(Ok(PoolView::Working {
            state,
            retry_after,
            operation_url,
        })) if operation_url.is_some() || state == "Deleting" => {
            is_there(&mut status);
            status::pool(&mut status, NodePoolState::Deleting, operation_url.clone());
            let text = format!("node pool {} is {state} at {}", seen.pool.name, seen.provider);
            said(seen, status, now, Reason::Terminating, &text).within(*retry_after)
        }
        Some(Err(error)) => {
            // A pool of that name was seen. Any other error is no answer, and takes nothing back.
            if error.class == Reason::ForeignNodePool {
                is_there(&mut status);
            }
            status::pool_failed(seen, status, error, now)
        }
        // Still being made, there, or broken: it is to go. The provider says when it can.
        Some(Ok(view)) => {
            is_there(&mut status);
            if matches!(view, PoolView::Ready | PoolView::Broken(_)) {
                status::creations_ended(&mut status, now);
            }
            Plan {
                call: Some(PoolCall::Delete(seen.pool.clone())),
                ..Plan::rest(status)
            }
        }
    }
}

/// The pod, if this look is the first that finds none of ours.
fn note_pod(seen: &Observed, status: &mut TunePodStatus, now: Timestamp) {
    let is_gone = seen.looked_for_pod && seen.pod.as_ref().is_none_or(|pod| !pod.is_ours);
    if is_gone {
        let progress = status.wipe.get_or_insert_default();
        progress.pod_gone_at.get_or_insert(Time(now));
    }
}

/// A pool that is there was not absent for good, whatever was seen before.
fn is_there(status: &mut TunePodStatus) {
    if let Some(progress) = status.wipe.as_mut() {
        progress.absent_since = None;
    }
}

/// The provider says that there is no pool: written down the first time, believed the second.
fn absent(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    status::operations_ended(&mut status, &seen.operations, now);
    let open = status::open_operation(&status, now).map(|(one, until)| waits(seen, one, until));
    let silent = seen.operations.iter().find_map(|(_, view)| view.as_ref().err());
    if let (Some(waits), Some(error)) = (&open, silent) {
        let error = PoolError {
            message: format!("{waits}; asked after it: {}", error.message),
            ..error.clone()
        };
        return status::pool_failed(seen, status, &error, now);
    }
    let since = status
        .wipe
        .as_ref()
        .and_then(|w| w.absent_since.as_ref())
        .map(|at| at.0);
    match judge(since, open.is_some(), seen.settings.second_look, now) {
        Absence::TooEarly => {
            is_there(&mut status);
            let text = open.unwrap_or_default();
            said(seen, status, now, Reason::Terminating, &text)
        }
        Absence::First(again) => {
            status.wipe.get_or_insert_default().absent_since = Some(Time(now));
            look_again(seen, status, again, now)
        }
        Absence::Again(again) => look_again(seen, status, again, now),
        Absence::Proven(since) => attest(seen, status, Some(since), now),
    }
}

/// Which operation is waited for, until when, and what a person can do meanwhile.
fn waits(seen: &Observed, open: &PoolOperation, until: Timestamp) -> String {
    let request = match open.request {
        PoolRequest::Create => "creation",
        PoolRequest::Delete => "deletion",
    };
    format!(
        "{} says that there is no node pool {}, and its {request} (operation {}) was not seen at its end; it is waited for until {until} at the latest, and then the evidence says that its end was not observed; meanwhile look it up in the provider's activity log, and abort it there if it hangs",
        seen.provider, seen.pool.name, open.id
    )
}

/// The provider is not asked again before `again`.
fn look_again(
    seen: &Observed,
    mut status: TunePodStatus,
    again: Timestamp,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    if let Some(pool) = status.node_pool.as_mut() {
        pool.next_attempt_at = Some(Time(again));
        pool.failures = 0;
        pool.last_error = None;
    }
    let text = format!(
        "{} says that there is no node pool {} any more; a request whose answer was lost may still arrive, so it is looked at once more at {again}",
        seen.provider, seen.pool.name
    );
    let pause = Duration::try_from(again.duration_since(now)).unwrap_or_default();
    let mut plan = said(seen, status, now, Reason::Terminating, &text);
    plan.requeue = pause.max(Duration::from_secs(1)).min(RESYNC);
    plan
}

/// Machines that were there before us and stay: what can be wiped of them is the pod.
fn released(seen: &Observed, status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let is_gone = status.wipe.as_ref().is_some_and(|w| w.pod_gone_at.is_some());
    if !is_gone {
        let text = format!(
            "pod {} is still there, its node stays and nothing else of it can be wiped: end the pod on its node, or make sure that the node is off, then `kubectl delete pod --force`; it goes on by itself",
            seen.tunepod.name_any()
        );
        return said(seen, status, now, Reason::WipeIncomplete, &text);
    }
    attest(seen, status, None, now)
}

/// All is observed: the evidence is written, read back, and then the TunePod is wiped. Without it nothing is.
fn attest(
    seen: &Observed,
    mut status: TunePodStatus,
    absent_since: Option<Timestamp>,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    if seen.is_namespace_leaving {
        // It takes no new object and empties itself of what it has: evidence would go with it.
        return wiped(seen, status, now);
    }
    let Some(attest) = &seen.attest else {
        return Plan::rest(status).within(Duration::from_secs(1));
    };
    let name = evidence::name(seen);
    if let Some(found) = &attest.found {
        let Some(finding) = evidence::against(found, seen, &attest.keys) else {
            status.wipe.get_or_insert_default().evidence = Some(NameRef::new(name));
            return wiped(seen, status, now);
        };
        let text = format!(
            "WipeEvidence {name} does not count as this TunePod's: {finding}; if somebody made it by hand, an administrator takes the policy binding trustbridge-kept-records away, deletes it, and puts it back"
        );
        return said(seen, status, now, Reason::EvidenceRefused, &text);
    }
    let signer = match &attest.signer {
        Ok(signer) => signer,
        Err(why) => {
            let text = format!("pod and node pool are gone, and nobody can sign that: {why}");
            return said(seen, status, now, Reason::EvidenceUnsigned, &text);
        }
    };
    let record = evidence::record(seen, &status, absent_since, now);
    match evidence::build(seen, record, signer) {
        Ok(built) => {
            let plan = said(
                seen,
                status,
                now,
                Reason::Terminating,
                "the evidence of the wipe is being written",
            );
            plan.within(Duration::from_secs(1))
                .with(Write::Create(FieldManager::EVIDENCE, built))
        }
        // Digests fail on numbers with fractions and on keys that are not ASCII, and a record holds neither.
        Err(error) => {
            let text = format!("the record has no canonical form: {error}");
            said(seen, status, now, Reason::EvidenceUnsigned, &text)
        }
    }
}

/// The API server refused the evidence: nothing counts as wiped.
pub(super) fn unattested(
    seen: &Observed,
    mut status: TunePodStatus,
    words: &str,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    // What was said of this turn's evidence is taken back, so that the same refusal at a later time is the same
    // condition. What was said of anything else stands.
    let before = seen.tunepod.status.as_ref().map(|s| s.conditions.as_slice());
    let before = before.unwrap_or_default();
    for type_ in [
        ConditionType::Ready,
        ConditionType::Serving,
        ConditionType::Provisioned,
    ] {
        status.conditions.retain(|one| one.type_ != type_.as_str());
        status.conditions.extend(find(before, type_).cloned());
    }
    let text = format!("the evidence of the wipe was refused: {words}; it is tried again by itself");
    said(seen, status, now, Reason::EvidenceRefused, &text)
}

/// Everything that can be observed of the end was observed, and is attested.
fn wiped(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    status.phase = Phase::Wiped;
    let text = match (&status.node_pool, seen.makes_nodes) {
        (Some(_), true) => "pod and node pool are gone",
        (Some(_), false) => "the pod is gone; its node stays",
        (None, _) => "there was no node pool, and there is no pod",
    };
    if status.node_pool.is_some() {
        status::pool(&mut status, NodePoolState::Deleted, None);
    }
    if let Some(pool) = status.node_pool.as_mut() {
        pool.next_attempt_at = None;
    }
    said(seen, status, now, Reason::Terminated, text)
}

/// Nothing is left but the record; a TunePod that is being deleted may go once its usage is stored and its order has
/// its intervals.
pub(super) fn gone(seen: &Observed, status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let is_held = seen
        .tunepod
        .finalizers()
        .iter()
        .any(|f| f == labels::TUNEPOD_CLEANUP);
    let plan = Plan::rest(status);
    if seen.tunepod.metadata.deletion_timestamp.is_some() && is_held {
        let is_owed = seen.is_ledger_owed && !seen.is_namespace_leaving;
        if is_owed {
            let order = &seen.tunepod.spec.order_ref.name;
            let why = if seen.is_ledger_full {
                "it has no room for them (`status.instances[].earlier`): end that order, and order again"
            } else {
                "nothing to do"
            };
            let text =
                format!("wiped; it stays until Order {order} has written down its metered intervals: {why}");
            return said(seen, plan.status, now, Reason::Terminated, &text);
        }
        if usage::keeps(seen, now) {
            return plan.within(MOVING);
        }
        return plan.with(finalizers(seen, Vec::new()));
    }
    plan
}
