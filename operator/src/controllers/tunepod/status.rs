//! Conditions, node pool and intervals of a TunePod. Pure.

use super::observe::{Observed, PodSight, Said};
use crate::controllers::execute::Plan;
use crate::nodepool::{OperationView, PoolError};
use crate::sentinel_port::SentinelReport;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::{MeteredInterval, NodePoolState, NodePoolStatus, PoolOperation, PoolRequest};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_kit::clock::plus;
use trustbridge_kit::conditions::{Statement, cut, is_true, set};

/// Intervals that a status holds at most.
const MAX_INTERVALS: usize = 128;
/// Said where there is no room for another interval.
pub(super) const FULL: &str =
    "the ledger of intervals is full: those that are over are moved to UsageRecords, and that did not go on";
/// Operations that a status holds at most.
const MAX_OPERATIONS: usize = 16;
/// Characters of an operation's URL that a status holds.
const MAX_URL: usize = 8192;
/// Time after which an operation whose end nobody can tell holds up the end no longer: a pool is made or deleted within
/// the hour, and providers keep operations for about a day.
const UNTOLD: Duration = Duration::from_hours(24);
/// Time after which the pool is asked for instead of the operation: some stay in progress although the pool is done.
const UNWATCHED: Duration = Duration::from_hours(1);
/// Pause before a refusal that nothing but a change cures is tried again all the same.
const HOPELESS: Duration = Duration::from_hours(1);

/// `Ready=False` and what follows from it for the other two.
pub(super) fn say(
    status: &mut TunePodStatus,
    generation: Option<i64>,
    now: Timestamp,
    reason: Reason,
    text: &str,
) {
    set(
        &mut status.conditions,
        &Statement::no(ConditionType::Ready, reason, text),
        generation,
        now,
    );
    set(
        &mut status.conditions,
        &Statement::no(ConditionType::Serving, reason, text),
        generation,
        now,
    );
    let is_making = matches!(
        status.phase,
        TunePodPhase::Scheduling | TunePodPhase::Provisioning
    );
    let is_unmaking = matches!(status.phase, TunePodPhase::Wiping | TunePodPhase::Wiped);
    if is_making || is_unmaking {
        provisioned(status, generation, now, reason, text);
    }
}

/// `Provisioned=False`.
pub(super) fn provisioned(
    status: &mut TunePodStatus,
    generation: Option<i64>,
    now: Timestamp,
    reason: Reason,
    text: &str,
) {
    set(
        &mut status.conditions,
        &Statement::no(ConditionType::Provisioned, reason, text),
        generation,
        now,
    );
}

/// `Ready`, `Serving` and with them `Provisioned`.
pub(super) fn ready(status: &mut TunePodStatus, generation: Option<i64>, now: Timestamp) {
    let serves = status.url.as_ref().map_or_else(
        || "the workspace is open".to_owned(),
        |url| format!("answers at {url}"),
    );
    let serving = Statement::yes(ConditionType::Serving, Reason::AsSpecified, serves);
    set(&mut status.conditions, &serving, generation, now);
    set(
        &mut status.conditions,
        &Statement::yes(ConditionType::Ready, Reason::AsSpecified, "serves and is metered"),
        generation,
        now,
    );
    if !is_true(&status.conditions, ConditionType::Provisioned) {
        let text = "the node pool has its nodes";
        set(
            &mut status.conditions,
            &Statement::yes(ConditionType::Provisioned, Reason::AsSpecified, text),
            generation,
            now,
        );
    }
}

/// The pool's state and operation.
pub(super) fn pool(status: &mut TunePodStatus, state: NodePoolState, operation_url: Option<String>) {
    if let Some(pool) = status.node_pool.as_mut() {
        pool.state = state;
        pool.operation_url = operation_url;
    }
}

/// An operation that the provider accepted is written down, so that its end can be waited for.
pub(super) fn operation_accepted(
    status: &mut TunePodStatus,
    request: PoolRequest,
    url: Option<&str>,
    now: Timestamp,
) {
    let (Some(pool), Some(url)) = (status.node_pool.as_mut(), url) else {
        return;
    };
    let id = operation_id(url);
    // One that is too long for the status is known by its id, and cannot be watched.
    let kept = Some(url.to_owned()).filter(|url| url.chars().count() <= MAX_URL);
    if pool
        .operations
        .iter()
        .any(|known| known.id == id && known.ended_at.is_none() && known.url == kept)
    {
        return;
    }
    if pool.operations.len() >= MAX_OPERATIONS {
        // The oldest that is over; if none is, the oldest: so many never run at once.
        let over = pool.operations.iter().position(|known| known.ended_at.is_some());
        pool.operations.remove(over.unwrap_or(0));
    }
    pool.operations.push(PoolOperation {
        request,
        id,
        url: kept,
        accepted_at: Some(Time(now)),
        ended_at: None,
        outcome: None,
    });
}

/// The last part of the path; what follows it is for whoever polls, and may be signed.
fn operation_id(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let id = path.rsplit('/').next().unwrap_or_default();
    id.chars().take(128).collect()
}

/// Whether the operation that is written down at the pool is still worth watching.
pub(super) fn is_watched(pool: &NodePoolStatus, now: Timestamp) -> bool {
    let known = pool
        .operations
        .iter()
        .find(|known| known.url == pool.operation_url);
    known.is_none_or(|known| is_within(known, UNWATCHED, now))
}

fn is_within(operation: &PoolOperation, limit: Duration, now: Timestamp) -> bool {
    let until = operation.accepted_at.as_ref().map(|at| after(at.0, limit));
    until.is_some_and(|until| now < until)
}

fn after(at: Timestamp, pause: Duration) -> Timestamp {
    plus(at, i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
}

fn end(operation: &mut PoolOperation, word: &str, now: Timestamp) {
    operation.ended_at = Some(Time(now));
    operation.url = None;
    operation.outcome = Some(word.chars().take(128).collect());
}

/// The pool that was asked for is there, finished or failed: whatever was to make it has ended.
pub(super) fn creations_ended(status: &mut TunePodStatus, now: Timestamp) {
    let operations = status.node_pool.iter_mut().flat_map(|pool| &mut pool.operations);
    for made in operations.filter(|known| known.ended_at.is_none() && known.request == PoolRequest::Create) {
        end(made, "PoolSettled", now);
    }
}

/// Operations that were seen at their end.
pub(super) fn operations_ended(
    status: &mut TunePodStatus,
    seen: &[(String, Result<OperationView, PoolError>)],
    now: Timestamp,
) {
    let Some(pool) = status.node_pool.as_mut() else {
        return;
    };
    for operation in pool
        .operations
        .iter_mut()
        .filter(|known| known.ended_at.is_none())
    {
        let view = seen.iter().find(|(url, _)| Some(url) == operation.url.as_ref());
        if let Some((_, Ok(OperationView::Ended(word)))) = view {
            end(operation, word, now);
        }
    }
    let is_over = |known: &PoolOperation| known.request == PoolRequest::Delete && known.ended_at.is_some();
    let last = pool.operations.iter().rposition(is_over).unwrap_or(0);
    for before in pool.operations.iter_mut().take(last) {
        if before.ended_at.is_none() {
            end(before, "Superseded", now);
        }
    }
}

/// An operation that may still run, and until when it is waited for at the latest.
pub(super) fn open_operation(status: &TunePodStatus, now: Timestamp) -> Option<(&PoolOperation, Timestamp)> {
    let known = status.node_pool.iter().flat_map(|pool| &pool.operations);
    let mut open = known.filter(|one| one.ended_at.is_none() && is_within(one, UNTOLD, now));
    let one = open.next()?;
    Some((one, after(one.accepted_at.as_ref()?.0, UNTOLD)))
}

/// Why the provider is not asked: the pool was made at another one than this operator is configured for.
pub(super) fn elsewhere(seen: &Observed) -> Option<String> {
    let pool = seen.tunepod.status.as_ref().and_then(|s| s.node_pool.as_ref())?;
    is_elsewhere(&pool.provider, &seen.provider).then(|| {
        format!(
            "node pool {} is at provider '{}', but `--node-pool-provider` is '{}': it is not asked; start the operator with '{}' until this TunePod is wiped",
            pool.name, pool.provider, seen.provider, pool.provider
        )
    })
}

/// Whether a pool that is written down at `written` is not at `configured`.
pub(super) fn is_elsewhere(written: &str, configured: &str) -> bool {
    !written.is_empty() && written != configured
}

/// The pool has its nodes.
pub(super) fn pool_ready(status: &mut TunePodStatus, generation: Option<i64>, now: Timestamp, name: &str) {
    pool(status, NodePoolState::Ready, None);
    creations_ended(status, now);
    if let Some(pool) = status.node_pool.as_mut() {
        pool.failures = 0;
        pool.next_attempt_at = None;
        pool.last_error = None;
    }
    let text = format!("node pool {name} has its nodes");
    set(
        &mut status.conditions,
        &Statement::yes(ConditionType::Provisioned, Reason::AsSpecified, text),
        generation,
        now,
    );
}

/// The provider refused or failed: which pool, which error, its words, what happens next and when.
pub(super) fn pool_failed(
    seen: &Observed,
    mut status: TunePodStatus,
    error: &PoolError,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    let failures = status
        .node_pool
        .as_ref()
        .map_or(1, |p| p.failures.saturating_add(1));
    let asked = error.delay(failures).unwrap_or(HOPELESS);
    let delay = seen
        .settings
        .pool_retry_cap
        .map_or(asked, |cap| asked.min(cap))
        .max(Duration::from_secs(1));
    let next = plus(now, i64::try_from(delay.as_secs()).unwrap_or(i64::MAX));
    let text = format!(
        "node pool {} at {}: {}: {}. {} Next attempt at {next}",
        seen.pool.name,
        seen.provider,
        error.code,
        error.message.trim_end_matches(['.', ' ']),
        error.class.explanation()
    );
    if let Some(pool) = status.node_pool.as_mut() {
        pool.failures = failures;
        pool.next_attempt_at = Some(Time(next));
        pool.last_error = Some(cut(&format!("{}: {}", error.code, error.message)));
        pool.operation_url = None;
    }
    // Only a request that is wrong in itself ends the attempt; everything else is waiting, however long.
    if error.first.is_none() && status.phase == TunePodPhase::Provisioning {
        status.phase = TunePodPhase::Failed;
    }
    let generation = seen.tunepod.metadata.generation;
    say(&mut status, generation, now, error.class, &text);
    provisioned(&mut status, generation, now, error.class, &text);
    Plan::rest(status).within(delay)
}

/// Time until the provider may be asked again.
pub(super) fn until_attempt(seen: &Observed, now: Timestamp) -> Duration {
    let at = seen
        .tunepod
        .status
        .as_ref()
        .and_then(|s| s.node_pool.as_ref())
        .and_then(|p| p.next_attempt_at.as_ref());
    at.map_or(Duration::from_secs(1), |at| {
        Duration::try_from(at.0.duration_since(now))
            .unwrap_or_default()
            .max(Duration::from_secs(1))
    })
}

/// Why the pod is not ready: the scheduler's words, the living sentinel's, or what a container said last.
pub(super) fn pod_words(pod: &PodSight) -> Option<(Reason, String)> {
    if let Some(words) = &pod.unscheduled {
        return Some((Reason::PodPending, format!("the pod waits for a node: {words}")));
    }
    // All is well with a sentinel that gives no reason: then another container's words count.
    let living = pod.sentinel.as_ref().filter(|report| !report.reason.is_empty());
    living
        .map(sentinel_words)
        .or_else(|| pod.said.as_ref().map(container_words))
}

fn container_words(said: &Said) -> (Reason, String) {
    match SentinelReport::of_text(&said.text) {
        Some(report) => sentinel_words(&report),
        None => (
            Reason::Hydrating,
            format!("container {}: {}", said.container, said.text),
        ),
    }
}

/// The condition's reason follows the cause, a machine's word; the text is for people. What a sentinel on its way
/// says for people changes with every attempt and is not repeated: its state and its stable reason are.
fn sentinel_words(report: &SentinelReport) -> (Reason, String) {
    let SentinelReport {
        state,
        reason,
        message,
        cause,
        ..
    } = report;
    let said = format!("the sentinel is {state}: {reason}: {message}");
    match cause.as_str() {
        "Denied" => (Reason::LicenceDenied, said),
        "Integrity" | "Settings" => (Reason::SentinelSuspended, said),
        _ if state == "Suspended" => (Reason::SentinelSuspended, said),
        _ => (Reason::Hydrating, format!("the sentinel is at {state}: {reason}")),
    }
}

/// Opens an interval; `false` when there is no room. One that is open already stays: opening twice is opening once.
pub(super) fn open_interval(status: &mut TunePodStatus, gpus: i64, now: Timestamp) -> bool {
    if status.intervals.iter().any(|i| i.to.is_none()) {
        return true;
    }
    if status.intervals.len() >= MAX_INTERVALS {
        return false;
    }
    // A clock that stepped back must not make an interval begin before the last one ended.
    let last = status.intervals.last().and_then(|i| i.to.as_ref()).map(|t| t.0);
    let from = last.map_or(now, |last| last.max(now));
    let seq = status.intervals.last().map_or(0, |i| i.seq + 1);
    status.intervals.push(MeteredInterval {
        seq,
        from: Time(from),
        to: None,
        gpus,
        opened_by: "Ready".to_owned(),
        closed_by: None,
    });
    true
}

/// Closes the open interval, if there is one.
pub(super) fn close_interval(status: &mut TunePodStatus, why: &str, now: Timestamp) {
    for open in status.intervals.iter_mut().filter(|i| i.to.is_none()) {
        open.to = Some(Time(now.max(open.from.0)));
        open.closed_by = Some(why.to_owned());
    }
}
