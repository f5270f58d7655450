//! The sign of life of a TunePod's sentinel: a Lease that the operator makes and the sentinel renews.
//!
//! ```text
//! operator --apply--> Lease tp-<name>-heartbeat (protected namespace) <--renewTime each 10 s-- sentinel
//! ```
//!
//! What it says stands in the condition `Heartbeat`. It ends nothing by itself: an API server that was away is silent
//! too. Once the pod is known to have stopped, it says when: the interval closes at the last sign of life, which is ten
//! seconds early at most and then in the buyer's favour (`trustbridge_domain::intervals::end_of_use`). A sentinel that
//! answers the operator has not stopped, whatever its Lease says. The Lease is read at each look and not watched: its
//! moments are nobody's news, and the condition does not tell them.

use super::observe::{Observed, PodSight};
use crate::context::{Context, Error};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use serde_json::{Value, json};
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::{TunePod, TunePodStatus, labels};
use trustbridge_domain::intervals::{EndEvidence, GRACE_MS, end_of_use};
use trustbridge_domain::names::{heartbeat_lease, protected_namespace};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_domain::sentinel::heartbeat::{EVERY_S, Heartbeat, LOST_AFTER_S, heard};
use trustbridge_kit::apply::{Built, FieldManager, Target};
use trustbridge_kit::conditions::{Statement, find, set};
use trustbridge_kit::cover::covers;

/// What is known of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LeaseSight {
    /// It was not looked at.
    #[default]
    Unasked,
    /// It cannot be read or made; the API server's words.
    Refused(String),
    /// When it was renewed last.
    Renewed(Option<Timestamp>),
}

/// The Lease without what is the sentinel's to write.
pub(super) fn lease(tunepod: &TunePod, org: &str) -> Built {
    let target = Target::new::<Lease>(
        Some(&protected_namespace(org)),
        &heartbeat_lease(&tunepod.name_any()),
    );
    let body = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": {
                labels::MANAGED_BY: labels::OPERATOR,
                labels::ORG: org,
                labels::TUNEPOD: tunepod.name_any(),
            },
        },
        "spec": {"leaseDurationSeconds": LOST_AFTER_S},
    });
    Built { target, body }
}

/// Sees to it that the Lease is there while there should be a pod, and reads it. At the end, finds what is to be deleted.
pub(super) async fn see(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let phase = seen.phase();
    let is_draining = phase == Phase::Draining;
    if !is_draining && !matches!(phase, Phase::Verifying | Phase::Ready | Phase::Degraded) {
        return Ok(());
    }
    let is_ending =
        seen.tunepod.spec.termination.is_some() || seen.tunepod.metadata.deletion_timestamp.is_some();
    match look(ctx, &lease(&seen.tunepod, &seen.org), !is_ending && !is_draining).await {
        Ok(Some(found)) if is_draining => {
            let uid = found.pointer("/metadata/uid").and_then(Value::as_str);
            let target = lease(&seen.tunepod, &seen.org).target;
            seen.leftovers.extend(uid.map(|uid| (target, uid.to_owned())));
        }
        Ok(found) => seen.lease = LeaseSight::Renewed(found.as_ref().and_then(renewed_at)),
        // Without it the TunePod serves and is billed as before there were any.
        Err(error) => seen.lease = LeaseSight::Refused(refusal(error)?),
    }
    Ok(())
}

async fn look(ctx: &Context, built: &Built, is_wanted: bool) -> Result<Option<Value>, Error> {
    let found = ctx.writer.get_any(&built.target).await?;
    if is_wanted && !found.as_ref().is_some_and(|found| covers(found, &built.body)) {
        ctx.writer.apply(FieldManager::TUNEPOD, built).await?;
    }
    Ok(found)
}

fn renewed_at(lease: &Value) -> Option<Timestamp> {
    lease.pointer("/spec/renewTime")?.as_str()?.parse().ok()
}

/// The words of a refusal that waiting alone does not cure; anything else stays an error.
fn refusal(error: Error) -> Result<String, Error> {
    match &error {
        Error::Api(api) => match api.status() {
            Some(status) if matches!(status.code, 403 | 404 | 422) => Ok(status.message.clone()),
            _ => Err(error),
        },
        _ => Err(error),
    }
}

/// What is heard of `pod`'s sentinel.
fn heard_of(seen: &Observed, pod: &PodSight, now: Timestamp) -> Heartbeat {
    let LeaseSight::Renewed(at) = &seen.lease else {
        return Heartbeat::Unheard;
    };
    let last = at.map(Timestamp::as_millisecond);
    heard(
        last,
        pod.created.map(Timestamp::as_millisecond),
        now.as_millisecond(),
    )
}

/// The condition `Heartbeat`, by what the TunePod comes to be in this look.
pub(super) fn say(seen: &Observed, status: &mut TunePodStatus, now: Timestamp) {
    let is_running = matches!(status.phase, Phase::Verifying | Phase::Ready | Phase::Degraded);
    let pod = seen
        .pod
        .as_ref()
        .filter(|pod| is_running && pod.is_ours && pod.is_guarded);
    let said = match (pod, &seen.lease) {
        (Some(_), LeaseSight::Refused(words)) => Statement::unknown(
            ConditionType::Heartbeat,
            Reason::HeartbeatUnusable,
            format!("the Lease {} cannot be read or made: {words}", name(seen)),
        ),
        // Not looked at: what was said stands.
        (Some(_), LeaseSight::Unasked) => return,
        (Some(pod), LeaseSight::Renewed(_)) => of_pod(seen, pod, now),
        // Nothing was ever said of one.
        (None, _) if find(&status.conditions, ConditionType::Heartbeat).is_none() => return,
        (None, _) => Statement::unknown(
            ConditionType::Heartbeat,
            if is_running {
                Reason::PodLost
            } else {
                Reason::Terminating
            },
            "there is no pod that could be heard of",
        ),
    };
    set(
        &mut status.conditions,
        &said,
        seen.tunepod.metadata.generation,
        now,
    );
}

fn of_pod(seen: &Observed, pod: &PodSight, now: Timestamp) -> Statement {
    let type_ = ConditionType::Heartbeat;
    match heard_of(seen, pod, now) {
        Heartbeat::Beats => {
            let text = format!("the sentinel renews the Lease {} every {EVERY_S} s", name(seen));
            Statement::yes(type_, Reason::AsSpecified, text)
        }
        Heartbeat::Unheard => {
            let text = format!("the pod's sentinel has not renewed the Lease {} yet", name(seen));
            Statement::unknown(type_, Reason::HeartbeatUnheard, text)
        }
        // Without its moment: beats that come late would be a status write each.
        Heartbeat::Lost { .. } => {
            let kubelet = if pod.is_ready {
                "the kubelet says that the pod is ready"
            } else {
                "the pod is not ready either"
            };
            let text = format!(
                "the sentinel has not renewed the Lease {} for more than {LOST_AFTER_S} s; {kubelet}",
                name(seen)
            );
            Statement::no(type_, Reason::HeartbeatLost, text)
        }
    }
}

fn name(seen: &Observed) -> String {
    heartbeat_lease(&seen.tunepod.name_any())
}

/// When the use of what is metered ended, which is over at this look: by what is known of a pod that stopped, else now.
/// Never so long ago that it may be billed already.
pub(super) fn end(seen: &Observed, status: &TunePodStatus, now: Timestamp) -> Timestamp {
    let Some(open) = status.intervals.iter().find(|interval| interval.to.is_none()) else {
        return now;
    };
    let pod = seen.pod.as_ref().filter(|pod| pod.is_ours);
    if !seen.looked_for_pod || pod.is_some_and(|pod| !has_stopped(seen, pod, now)) {
        return now;
    }
    let known = EndEvidence {
        finished_at_ms: pod.and_then(|pod| pod.finished_at).map(Timestamp::as_millisecond),
        last_heartbeat_ms: last_sign(seen, status, open.from.0),
        ..EndEvidence::default()
    };
    let at = end_of_use(known).and_then(|(at, _)| Timestamp::from_millisecond(at).ok());
    let unbilled = now.as_millisecond().saturating_sub(GRACE_MS);
    let first =
        Timestamp::from_millisecond(unbilled).map_or(open.from.0, |unbilled| unbilled.max(open.from.0));
    at.map_or(now, |at| at.clamp(first.min(now), now))
}

/// Two that do not know of each other say so: containers that ended, or a kubelet that calls the pod not ready while its
/// sentinel is silent. Silent is one that does not answer the operator either: where the way to the API server alone is
/// broken, neither Lease nor readiness gets there, and the pod may serve.
fn has_stopped(seen: &Observed, pod: &PodSight, now: Timestamp) -> bool {
    let is_answering = pod.sentinel.is_some() || seen.heard.is_of(&pod.uid);
    let is_silent = !is_answering && matches!(heard_of(seen, pod, now), Heartbeat::Lost { .. });
    matches!(pod.phase.as_str(), "Failed" | "Succeeded") || (!pod.is_ready && is_silent)
}

/// The last beat since `from`; later still, the end of what the sentinel reported itself. Without a beat nothing: usage
/// is reported where something was used, so its absence is no silence.
fn last_sign(seen: &Observed, status: &TunePodStatus, from: Timestamp) -> Option<i64> {
    let LeaseSight::Renewed(Some(beat)) = &seen.lease else {
        return None;
    };
    let usage = status.usage.as_ref();
    let reported = usage.and_then(|usage| usage.until.as_ref()).map(|until| until.0);
    let last = reported.map_or(*beat, |until| until.max(*beat));
    (*beat >= from).then(|| last.as_millisecond())
}
