//! What Karpenter's objects mean for us. Pure.

use super::LOOK_AGAIN;
use super::objects::{ORDER, UID};
use crate::nodepool::aks::{refused, trouble_of};
use crate::nodepool::{OwnedPool, PoolError, PoolIntent, PoolView};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use serde_json::Value;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_api::labels;
use trustbridge_azure::arm::ErrorBody;

/// Reason of the event that is left of a `NodeClaim` for which there was no machine: the claim itself is gone by then.
pub(super) const NO_CAPACITY: &str = "InsufficientCapacityError";
/// Pause before a pool for which there was no machine is asked for again, and the longest.
const AFTER_NO_CAPACITY: [Duration; 2] = [Duration::from_mins(10), Duration::from_hours(1)];
/// Pause before a pool is made again that Karpenter cannot serve as it is set up.
const AFTER_SETUP: Duration = Duration::from_mins(10);
/// So long a pool may be without a claim before it is said what is missing, in seconds.
const NO_CLAIM: i64 = 300;
/// So long a launch may fail before the pool is called broken, in seconds: Karpenter tries the same claim again for five
/// minutes, and then ends it and its words with it.
const LAUNCH_FAILS: i64 = 240;

/// Everything of one pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    pub(super) pool: Option<Value>,
    pub(super) class: Option<Value>,
    pub(super) claims: Vec<Value>,
    /// Number of nodes that name the pool.
    pub(super) nodes: usize,
    /// Events of claims for which there was no machine.
    pub(super) events: Vec<Event>,
}

/// What it means for the TunePod.
pub(super) fn view(sight: &Sight, pool: &PoolIntent, now: Timestamp) -> Result<PoolView, PoolError> {
    for found in [&sight.pool, &sight.class].into_iter().flatten() {
        owned_by(found, pool)?;
    }
    let Some(found) = &sight.pool else {
        return Ok(without_pool(sight));
    };
    if is_leaving(found) {
        return Ok(working("Deleting"));
    }
    if found.pointer("/spec/replicas").is_none() {
        let text = "the cluster's NodePool has no `spec.replicas`, so no node would come; bring Karpenter to a version with static capacity, or choose another `nodePools.provider`";
        return Ok(PoolView::Broken(setup("NoStaticCapacity", text)));
    }
    if sight
        .claims
        .iter()
        .any(|claim| !is_leaving(claim) && is(claim, "Ready", "True"))
    {
        return Ok(PoolView::Ready);
    }
    if let Some(error) = launch_failed(sight, now) {
        return Ok(PoolView::Broken(error));
    }
    if let Some(error) = no_capacity(sight, found, &pool.name) {
        return Ok(PoolView::Broken(error));
    }
    Ok(working(&waits(sight, found, now)))
}

/// There is no NodePool: it is gone when its machines are.
fn without_pool(sight: &Sight) -> PoolView {
    if !sight.claims.is_empty() || sight.nodes > 0 {
        return working("Deleting");
    }
    match &sight.class {
        None => PoolView::Absent,
        Some(class) if is_leaving(class) => working("Deleting"),
        // Somebody died between the two creates, or between the two deletes.
        Some(_) => PoolView::Broken(PoolError {
            class: Reason::Transient,
            code: "HalfMade".to_owned(),
            message: "there is an AKSNodeClass without its NodePool; it is deleted, and both are made again"
                .to_owned(),
            first: Some(Duration::from_secs(1)),
            longest: Duration::from_secs(30),
        }),
    }
}

/// The object must carry our UID.
pub(super) fn owned_by(found: &Value, pool: &PoolIntent) -> Result<(), PoolError> {
    let has = annotation(found, UID);
    if has == pool.tunepod_uid && !has.is_empty() {
        return Ok(());
    }
    let kind = text(found, "/kind");
    let is = if has.is_empty() {
        "missing".to_owned()
    } else {
        format!("'{has}'")
    };
    Err(PoolError {
        class: Reason::ForeignNodePool,
        code: "ForeignNodePool".to_owned(),
        message: format!(
            "annotation {UID} of {kind} {} must be '{}' and is {is}; it is not touched: set the annotation back if it was changed, or delete the object",
            pool.name, pool.tunepod_uid
        ),
        first: Some(Duration::from_mins(5)),
        longest: Duration::from_mins(5),
    })
}

/// A pool with our label and UID; `None`: it is not of our making.
pub(super) fn owned(found: &Value) -> Option<OwnedPool> {
    let tunepod_uid = annotation(found, UID);
    (!tunepod_uid.is_empty()).then(|| OwnedPool {
        name: text(found, "/metadata/name").to_owned(),
        tunepod_uid: tunepod_uid.to_owned(),
        tunepod: annotation(found, labels::TUNEPOD).to_owned(),
        order: annotation(found, ORDER).to_owned(),
    })
}

fn annotation<'a>(found: &'a Value, name: &str) -> &'a str {
    let annotations = found.pointer("/metadata/annotations");
    let value = annotations.and_then(|all| all.get(name));
    value.and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn text<'a>(found: &'a Value, pointer: &str) -> &'a str {
    found.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_leaving(found: &Value) -> bool {
    found.pointer("/metadata/deletionTimestamp").is_some()
}

fn condition<'a>(found: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = found.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|one| text(one, "/type") == kind)
}

fn is(found: &Value, kind: &str, status: &str) -> bool {
    condition(found, kind).is_some_and(|one| text(one, "/status") == status)
}

/// A claim whose machine was refused keeps the provider's words in its condition.
fn launch_failed(sight: &Sight, now: Timestamp) -> Option<PoolError> {
    if launched(sight).is_some() {
        return None;
    }
    sight.claims.iter().find_map(|claim| gave_up(claim, now))
}

/// The newest claim that stays and has its machine: what was said of claims before it is over.
fn launched(sight: &Sight) -> Option<&Value> {
    let stays = |claim: &&Value| !is_leaving(claim) && is(claim, "Launched", "True");
    sight
        .claims
        .iter()
        .filter(stays)
        .max_by_key(|claim| time(claim, "/metadata/creationTimestamp"))
}

fn time(found: &Value, pointer: &str) -> Option<Timestamp> {
    text(found, pointer).parse().ok()
}

fn gave_up(claim: &Value, now: Timestamp) -> Option<PoolError> {
    let launched = condition(claim, "Launched").filter(|one| text(one, "/status") != "True")?;
    let (reason, message) = (text(launched, "/reason"), text(launched, "/message"));
    // A claim that was made just now says that it is being looked at.
    let is_new = matches!(reason, "" | "AwaitingReconciliation" | "ReconcilingFirst");
    let fails_for = time(launched, "/lastTransitionTime").map(|since| now.duration_since(since).as_secs());
    let is_tried = text(launched, "/status") == "Unknown" && fails_for.is_some_and(|s| s < LAUNCH_FAILS);
    (!is_new && !is_tried && !message.is_empty()).then(|| classified(reason, message))
}

/// By the codes of Azure that stand in the words.
fn classified(reason: &str, message: &str) -> PoolError {
    // As Azure's SDK prints a refusal.
    let told = message.split("ERROR CODE: ").nth(1);
    let code = told.and_then(|rest| rest.split_whitespace().next());
    let mut error = refused(&ErrorBody {
        code: code.unwrap_or(reason).to_owned(),
        message: message.to_owned(),
        ..ErrorBody::default()
    });
    if error.first.is_none_or(|first| first < LOOK_AGAIN) && error.class == Reason::Transient {
        // Each attempt makes and deletes objects: never at the pace of a passing failure.
        (error.first, error.longest) = (Some(Duration::from_mins(1)), Duration::from_mins(10));
    }
    error
}

fn no_capacity(sight: &Sight, pool: &Value, name: &str) -> Option<PoolError> {
    let made = time(pool, "/metadata/creationTimestamp");
    // Only a machine ends it: the mere claim that follows a refused one would hide every refusal.
    let launched = launched(sight).and_then(|claim| time(claim, "/metadata/creationTimestamp"));
    let prefix = format!("{name}-");
    let concerns = |event: &&Event| {
        let of = event.involved_object.name.as_deref().unwrap_or_default();
        let at = event.last_timestamp.as_ref().map(|at| at.0);
        let at = at.or_else(|| event.event_time.as_ref().map(|at| at.0));
        // What was said of a pool of that name before this one was made says nothing of this one.
        event.reason.as_deref() == Some(NO_CAPACITY)
            && of.starts_with(&prefix)
            && at >= made
            && (launched.is_none() || at > launched)
    };
    let event = sight.events.iter().rfind(concerns)?;
    let message = event.message.clone().unwrap_or_default();
    let mut error = classified(NO_CAPACITY, &message);
    if error.class == Reason::Transient || error.class == Reason::Fatal {
        // No code of Azure stands in it: there was no machine, whyever.
        error.class = Reason::Capacity;
        error.first = AFTER_NO_CAPACITY.first().copied();
        error.longest = AFTER_NO_CAPACITY.last().copied().unwrap_or_default();
    }
    Some(error)
}

/// What is waited for, in words that do not change by themselves.
fn waits(sight: &Sight, pool: &Value, now: Timestamp) -> String {
    let blocked = [Some(pool), sight.class.as_ref()]
        .into_iter()
        .flatten()
        .find(|object| is(object, "Ready", "False"));
    if let Some(object) = blocked {
        let words = condition(object, "Ready").map_or("", |one| text(one, "/message"));
        return format!("waiting for its {} to be ready: {words}", text(object, "/kind"));
    }
    let made: Option<Timestamp> = text(pool, "/metadata/creationTimestamp").parse().ok();
    let age = made.map_or(0, |made| now.duration_since(made).as_secs());
    if sight.claims.is_empty() && age >= NO_CLAIM {
        return "without a NodeClaim: check that Karpenter runs with the feature gate StaticCapacity"
            .to_owned();
    }
    "Creating".to_owned()
}

pub(super) fn working(state: &str) -> PoolView {
    PoolView::Working {
        state: state.to_owned(),
        operation_url: None,
        retry_after: LOOK_AGAIN,
    }
}

fn setup(code: &str, message: &str) -> PoolError {
    PoolError {
        class: Reason::Fatal,
        code: code.to_owned(),
        message: message.to_owned(),
        first: Some(AFTER_SETUP),
        longest: Duration::from_hours(1),
    }
}

/// The API server's refusal of one of Karpenter's objects.
pub(super) fn refused_by_server(error: &trustbridge_kit::apply::Error) -> PoolError {
    match error.status() {
        Some(status) => refused_with(status.code, &status.reason, error.to_string()),
        None => trouble_of("Unreachable", error.to_string()),
    }
}

/// What a refusal of the API server means by its HTTP status.
pub(super) fn refused_with(status: u16, reason: &str, message: String) -> PoolError {
    let (class, first, longest) = match status {
        401 | 403 => (Reason::Auth, Some(Duration::from_mins(5)), Duration::from_mins(5)),
        // The kind is not known: Karpenter's definitions are not installed.
        404 => (Reason::Fatal, Some(AFTER_SETUP), Duration::from_hours(1)),
        400 | 422 => (Reason::Fatal, None, Duration::from_hours(1)),
        409 => (Reason::Busy, Some(LOOK_AGAIN), Duration::from_mins(2)),
        429 => (Reason::Throttle, Some(LOOK_AGAIN), Duration::from_mins(5)),
        _ => (Reason::Transient, Some(LOOK_AGAIN), Duration::from_mins(5)),
    };
    PoolError {
        class,
        code: reason.to_owned(),
        message,
        first,
        longest,
    }
}
