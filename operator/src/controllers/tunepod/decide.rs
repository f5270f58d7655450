//! What a TunePod does next. Pure.

use super::observe::{Observed, PodSight};
use super::status::{self, close_interval, open_interval};
use super::{build, ending, folding, heartbeat, port, readiness, usage, workspace};
use crate::controllers::execute::{Plan, Write};
use crate::controllers::order::ledger;
use crate::nodepool::{PoolCall, PoolView};
use jiff::Timestamp;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_api::tunepod::{NodePoolState, NodePoolStatus, PodReference};
use trustbridge_api::{Mode, TunePodStatus, labels};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::apply::{Built, FieldManager, Target};

/// Pause before a TunePod that is moving is looked at again, should an event be missed.
pub(super) const MOVING: Duration = Duration::from_secs(15);

/// Age at which a pod without a sentinel is deleted.
const UNGUARDED: Duration = Duration::from_secs(30);

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<TunePodStatus> {
    let mut status = seen.tunepod.status.clone().unwrap_or_default();
    status.observed_generation = seen.tunepod.metadata.generation;
    let books = usage::store(seen, &mut status, now);
    status.readiness = readiness::judge(seen, &status.readiness, now);
    let plan = books.join(by_phase(seen, status, now));
    let mut plan = folding::fold(seen, plan, now);
    if plan.status.phase >= Phase::Draining {
        plan.status.readiness.clear();
    }
    heartbeat::say(seen, &mut plan.status, now);
    plan.status.access = build::access(&seen.tunepod, plan.status.url.as_deref());
    let due_in = seen
        .access
        .due_at
        .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    match due_in {
        Some(pause) => plan.within(pause.max(Duration::from_secs(1))),
        None => plan,
    }
}

fn by_phase(seen: &Observed, status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    let phase = status.phase;
    if is_ending(seen) && !matches!(phase, Phase::Draining | Phase::Wiping | Phase::Wiped) {
        return ending::begin_end(seen, status, now);
    }
    match phase {
        Phase::Pending => pending(seen, status, now),
        Phase::Scheduling => {
            let mut status = status;
            status.phase = Phase::Provisioning;
            said(
                seen,
                status,
                now,
                Reason::NodePoolCreating,
                "the node pool is being asked for",
            )
        }
        Phase::Provisioning => provisioning(seen, status, now),
        Phase::Verifying | Phase::Degraded if is_workspace(seen) => workspace::start(seen, status, now),
        Phase::Ready if is_workspace(seen) => workspace::serve(seen, status, now),
        Phase::Verifying | Phase::Degraded => start(seen, status, now),
        Phase::Ready => serve(seen, status, now),
        Phase::Failed => retry(seen, status, now),
        Phase::Draining => ending::drain(seen, status, now),
        Phase::Wiping => ending::wipe(seen, status, now),
        Phase::Wiped => ending::gone(seen, status, now),
        // Change orders and suspensions are not made by this version: such a TunePod stays as it is.
        Phase::Updating | Phase::Suspended => Plan::rest(status),
    }
}

pub(super) fn is_ending(seen: &Observed) -> bool {
    seen.tunepod.spec.termination.is_some() || seen.tunepod.metadata.deletion_timestamp.is_some()
}

fn is_workspace(seen: &Observed) -> bool {
    seen.tunepod.spec.mode == Mode::ByoWorkspace
}

pub(super) fn said(
    seen: &Observed,
    mut status: TunePodStatus,
    now: Timestamp,
    reason: Reason,
    text: &str,
) -> Plan<TunePodStatus> {
    status::say(&mut status, seen.tunepod.metadata.generation, now, reason, text);
    Plan::rest(status).within(MOVING)
}

fn pending(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if !seen
        .tunepod
        .finalizers()
        .iter()
        .any(|f| f == labels::TUNEPOD_CLEANUP)
    {
        // Alone, and read back before anything else: whatever is made later has somebody to end it.
        return Plan::rest(status)
            .within(MOVING)
            .with(finalizers(seen, vec![labels::TUNEPOD_CLEANUP]));
    }
    status.phase = Phase::Scheduling;
    // A TunePod that is made again under its name goes on counting where the one before it ended.
    status.intervals = ledger::joined(&seen.earlier, &status.intervals);
    status.folded = status.folded.take().or(seen.earlier_folded.clone());
    status.node_pool = Some(NodePoolStatus {
        provider: seen.provider.clone(),
        name: seen.pool.name.clone(),
        state: NodePoolState::Intended,
        ..NodePoolStatus::default()
    });
    let text = format!("node pool {} is intended", seen.pool.name);
    said(seen, status, now, Reason::NodePoolCreating, &text)
}

pub(super) fn finalizers(seen: &Observed, list: Vec<&'static str>) -> Write {
    let (target, uid) = (Target::of(&seen.tunepod), seen.tunepod.uid().unwrap_or_default());
    Write::Finalizers(FieldManager::TUNEPOD_FINALIZER, target, uid, list)
}

fn provisioning(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if let Some(text) = status::elsewhere(seen) {
        return said(seen, status, now, Reason::ForeignNodePool, &text);
    }
    let name = &seen.pool.name;
    match &seen.pool_view {
        None => Plan::rest(status).within(status::until_attempt(seen, now)),
        Some(Ok(PoolView::Absent)) => Plan {
            call: Some(PoolCall::Ensure(seen.pool.clone())),
            ..Plan::rest(status)
        },
        Some(Ok(PoolView::Working {
            state,
            operation_url,
            retry_after,
        })) => {
            status::pool(&mut status, NodePoolState::Creating, operation_url.clone());
            let text = format!("node pool {name} is {state} at {}", seen.provider);
            said(seen, status, now, Reason::NodePoolCreating, &text).within(*retry_after)
        }
        Some(Ok(PoolView::Ready)) => {
            status::pool_ready(&mut status, seen.tunepod.metadata.generation, now, name);
            status.phase = Phase::Verifying;
            let (reason, text) = if is_workspace(seen) {
                (
                    Reason::InProgress,
                    "nodes are there; the workspace is being checked",
                )
            } else {
                (Reason::PodPending, "nodes are there; the pod is being made")
            };
            said(seen, status, now, reason, text)
        }
        // The remains of a failed attempt go first; the next attempt waits for the time that its error asks for.
        Some(Ok(PoolView::Broken(error))) => {
            let call = Some(PoolCall::Delete(seen.pool.clone()));
            Plan {
                call,
                ..status::pool_failed(seen, status, error, now)
            }
        }
        Some(Err(error)) => status::pool_failed(seen, status, error, now),
    }
}

/// Verifying and Degraded: there should be a pod, and it should be ready.
fn start(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if matches!(seen.pool_view, Some(Ok(PoolView::Absent))) {
        return pool_lost(seen, status, now);
    }
    let Some(pod) = &seen.pod else {
        if let Some(words) = &seen.access.refused {
            return said(seen, status, now, Reason::AccessUnusable, &port::unusable(words));
        }
        return create_pod(seen, status, now);
    };
    if !pod.is_ours {
        let text = format!(
            "pod {} belongs to an earlier TunePod of that name; waiting for it to go",
            seen.tunepod.name_any()
        );
        return said(seen, status, now, Reason::PodPending, &text);
    }
    status.pod = Some(reference(seen, pod));
    if pod.is_leaving {
        return said(
            seen,
            status,
            now,
            Reason::PodLost,
            "the pod is going; it is made again",
        );
    }
    if !pod.is_guarded {
        return unguarded(seen, status, pod, now);
    }
    if !pod.is_keyed {
        let delete = Write::Delete(build::pod_target(&seen.tunepod, &seen.org), pod.uid.clone());
        return said(seen, status, now, Reason::PodOutdated, port::OUTDATED).with(delete);
    }
    if is_lost(pod) {
        let text = status::pod_words(pod).map_or_else(
            || "the pod ended; it is made again".to_owned(),
            |(_, words)| format!("the pod ended: {words}; it is made again"),
        );
        let delete = Write::Delete(build::pod_target(&seen.tunepod, &seen.org), pod.uid.clone());
        return said(seen, status, now, Reason::PodLost, &text).with(delete);
    }
    if pod.is_ready && pod.ip.is_some() {
        return open(seen, status, pod, now);
    }
    let (reason, text) = status::pod_words(pod).unwrap_or((
        Reason::Hydrating,
        "the sentinel authorises, hydrates or decrypts".to_owned(),
    ));
    said(seen, status, now, reason, &text)
}

/// A pod without a sentinel holds nothing and guards nothing: it is never called ready. It can only come to be
/// while the webhook is not installed or does not answer, so it is made again after a pause.
fn unguarded(seen: &Observed, status: TunePodStatus, pod: &PodSight, now: Timestamp) -> Plan<TunePodStatus> {
    let text = format!(
        "pod {} was admitted without a sentinel: check that the webhook of TrustBridge is installed; the pod is made again every {} s",
        seen.tunepod.name_any(),
        UNGUARDED.as_secs()
    );
    let plan = said(seen, status, now, Reason::PodRefused, &text);
    let age = pod.created.map_or(UNGUARDED, |made| {
        Duration::try_from(now.duration_since(made)).unwrap_or_default()
    });
    if age < UNGUARDED {
        return plan;
    }
    plan.with(Write::Delete(
        build::pod_target(&seen.tunepod, &seen.org),
        pod.uid.clone(),
    ))
}

fn is_lost(pod: &PodSight) -> bool {
    matches!(pod.phase.as_str(), "Failed" | "Succeeded")
}

fn create_pod(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    status.pod = None;
    if let Some(text) = status::elsewhere(seen) {
        return said(seen, status, now, Reason::ForeignNodePool, &text);
    }
    // Created once and never applied again: what is running is what the webhook admitted. Its name is the
    // lock; after a crash the next look finds it and knows it by the UID that it carries.
    let pod = build::pod(&seen.tunepod, &seen.org, &seen.node_selector, &seen.settings.pods);
    said(seen, status, now, Reason::PodPending, "the pod is being made")
        .with(Write::Create(FieldManager::TUNEPOD, pod))
}

pub(super) fn pool_lost(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    status.phase = Phase::Failed;
    status::pool(&mut status, NodePoolState::Deleted, None);
    let text = format!(
        "node pool {} is gone though it should be there; it is made again",
        seen.pool.name
    );
    status::provisioned(
        &mut status,
        seen.tunepod.metadata.generation,
        now,
        Reason::Gone,
        &text,
    );
    said(seen, status, now, Reason::Gone, &text)
}

/// The pod is ready and takes the token: the door is opened, and metering begins in the write that says so.
fn open(seen: &Observed, mut status: TunePodStatus, pod: &PodSight, now: Timestamp) -> Plan<TunePodStatus> {
    if let Some((reason, text)) = port::unheard(seen) {
        return said(seen, status, now, reason, &text);
    }
    if let Some(text) = readiness::unmet(&status.readiness) {
        return said(seen, status, now, Reason::ReadinessUnmet, &text);
    }
    if !usage::adopt(&mut status, pod) {
        let text = "the usage of the pod before this one is being closed";
        return said(seen, status, now, Reason::InProgress, text);
    }
    if !open_interval(&mut status, seen.tunepod.spec.gpus, now) {
        return said(seen, status, now, Reason::LedgerFull, status::FULL);
    }
    status.phase = Phase::Ready;
    status.url = Some(build::url(&seen.tunepod));
    status::ready(&mut status, seen.tunepod.metadata.generation, now);
    Plan {
        writes: door(seen),
        ..Plan::rest(status)
    }
}

fn door(seen: &Observed) -> Vec<Write> {
    let missing = seen.door.iter().filter(|(_, is_there)| !is_there);
    missing
        .map(|(built, _)| Write::Apply(FieldManager::TUNEPOD, built.clone()))
        .collect()
}

/// The door leads nowhere any more: the address may be another pod's by the time that the pod is back.
fn shut(seen: &Observed) -> Vec<Write> {
    let is_there = |built: &Built| seen.leftovers.iter().any(|(target, _)| *target == built.target);
    seen.door
        .iter()
        .map(|(built, _)| built)
        .filter(|built| built.target.resource.kind == "EndpointSlice" && is_there(built))
        .map(|built| Write::Apply(FieldManager::TUNEPOD, build::closed(built)))
        .collect()
}

/// Ready: stays so while the pod is; the first look that finds it otherwise stops the meter.
fn serve(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    match &seen.pod {
        // Open in plain HTTP, whoever calls: it serves no longer than until this look. Its door is shut before it is
        // deleted, and what it has begun it ends in its grace.
        Some(pod) if pod.is_up() && !pod.is_keyed => {
            degraded(seen, status, now, Reason::PodOutdated, port::OUTDATED)
        }
        Some(pod) if pod.is_up() => {
            if let Some((reason, text)) = port::over(seen) {
                return degraded(seen, status, now, reason, &text);
            }
            if let Some(text) = readiness::unmet(&status.readiness) {
                return degraded(seen, status, now, Reason::ReadinessUnmet, &text);
            }
            status.pod = Some(reference(seen, pod));
            // A pod that was ready before its usage was recorded at all.
            usage::adopt(&mut status, pod);
            status::ready(&mut status, seen.tunepod.metadata.generation, now);
            port::say_unusable(seen, &mut status, now);
            Plan {
                writes: door(seen),
                ..Plan::rest(status)
            }
        }
        other => {
            let words = other
                .as_ref()
                .and_then(status::pod_words)
                .map_or("the pod is gone".to_owned(), |(_, words)| words);
            let text = format!("not ready any more: {words}");
            degraded(seen, status, now, Reason::PodLost, &text)
        }
    }
}

/// Not served any more: the meter stops and the door is shut.
pub(super) fn degraded(
    seen: &Observed,
    mut status: TunePodStatus,
    now: Timestamp,
    reason: Reason,
    text: &str,
) -> Plan<TunePodStatus> {
    status.phase = Phase::Degraded;
    status.url = None;
    let ended = heartbeat::end(seen, &status, now);
    close_interval(&mut status, "Degraded", ended);
    Plan {
        writes: shut(seen),
        ..said(seen, status, now, reason, text)
    }
}

fn retry(seen: &Observed, mut status: TunePodStatus, now: Timestamp) -> Plan<TunePodStatus> {
    if let Some(pool) = status.node_pool.as_mut() {
        if pool.next_attempt_at.as_ref().is_some_and(|at| now < at.0) {
            return Plan::rest(status).within(status::until_attempt(seen, now));
        }
        pool.state = NodePoolState::Intended;
        pool.next_attempt_at = None;
        pool.operation_url = None;
    }
    status.phase = Phase::Scheduling;
    said(seen, status, now, Reason::NodePoolCreating, "tried again")
}

fn reference(seen: &Observed, pod: &PodSight) -> PodReference {
    let target = build::pod_target(&seen.tunepod, &seen.org);
    PodReference {
        namespace: target.namespace.unwrap_or_default(),
        name: target.name,
        uid: pod.uid.clone(),
    }
}
