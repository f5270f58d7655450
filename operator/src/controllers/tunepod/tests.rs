use super::conclude::conclude;
use super::decide::decide;
use super::observe::{Observed, PodSight, Said, asks_provider, intent, sight};
use super::{build, status};
use crate::controllers::execute::{Outcome, Plan, Write, status_write};
use crate::nodepool::{PoolCall, PoolError, PoolView};
use crate::settings::tests::settings;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::{NodePoolState, TunePodTermination};
use trustbridge_api::{NameRef, TunePod, TunePodSpec, TunePodStatus, labels};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::conditions::find;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn tunepod() -> TunePod {
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        model_asset_ref: Some(NameRef::new("tb-asset-1")),
        contract_id: Some("contract-allow".to_owned()),
        gpus: 1,
        gpu_sku: "StudioGen-1GPU".to_owned(),
        vm_size: "Standard_NC24ads_A100_v4".to_owned(),
        ..TunePodSpec::default()
    };
    let mut tunepod = TunePod::new("order-1-0", spec);
    tunepod.metadata.namespace = Some("tb-acme".to_owned());
    tunepod.metadata.uid = Some("uid-1".to_owned());
    tunepod.metadata.generation = Some(1);
    tunepod.metadata.finalizers = Some(vec![labels::TUNEPOD_CLEANUP.to_owned()]);
    tunepod
}

fn seen(tunepod: TunePod) -> Observed {
    Observed {
        pool: intent(&tunepod, "acme"),
        tunepod,
        org: "acme".to_owned(),
        provider: "aks".to_owned(),
        node_selector: BTreeMap::from([("kubernetes.azure.com/agentpool".to_owned(), "tbx".to_owned())]),
        pool_view: None,
        pod: None,
        door: vec![],
        leftovers: vec![],
        settings: settings(),
    }
}

/// A TunePod that went the legal way to `phase`.
fn in_phase(phase: Phase) -> Observed {
    let mut seen = seen(tunepod());
    if phase == Phase::Pending {
        return seen;
    }
    let mut status = decide(&seen, now()).status;
    status.phase = phase;
    if matches!(phase, Phase::Ready) {
        status::pool_ready(&mut status, Some(1), now(), "tbx");
        assert!(status::open_interval(&mut status, 1, now()));
        status.url = Some(build::url(&seen.tunepod));
        status::ready(&mut status, Some(1), now());
    }
    seen.tunepod.status = Some(status);
    seen
}

fn pod() -> PodSight {
    PodSight {
        uid: "pod-1".to_owned(),
        phase: "Running".to_owned(),
        is_ours: true,
        is_guarded: true,
        ..PodSight::default()
    }
}

fn ready_pod() -> PodSight {
    PodSight {
        is_ready: true,
        ip: Some("10.244.0.7".to_owned()),
        ..pod()
    }
}

fn quota() -> PoolError {
    PoolError {
        class: Reason::QuotaFamily,
        code: "OperationNotAllowed".to_owned(),
        message: "Family Cores quota exceeded".to_owned(),
        first: Some(Duration::from_mins(10)),
        longest: Duration::from_hours(1),
    }
}

fn reason(status: &TunePodStatus, type_: ConditionType) -> String {
    find(&status.conditions, type_)
        .map(|c| format!("{}/{}", c.status, c.reason))
        .unwrap_or_default()
}

fn working(state: &str) -> PoolView {
    PoolView::Working {
        state: state.to_owned(),
        operation_url: Some("https://arm/op".to_owned()),
        retry_after: Duration::from_secs(7),
    }
}

#[test]
#[allow(clippy::too_many_lines)] // A table: one row for each edge.
fn every_phase_moves_only_on_what_was_seen() {
    type Change = fn(&mut Observed);
    let table: [(Phase, Change, Phase, &str); 18] = [
        (
            Phase::Pending,
            |_| {},
            Phase::Scheduling,
            "False/NodePoolCreating",
        ),
        (
            Phase::Scheduling,
            |_| {},
            Phase::Provisioning,
            "False/NodePoolCreating",
        ),
        (
            Phase::Provisioning,
            |s| s.pool_view = Some(Ok(working("Creating"))),
            Phase::Provisioning,
            "False/NodePoolCreating",
        ),
        (
            Phase::Provisioning,
            |s| s.pool_view = Some(Ok(PoolView::Ready)),
            Phase::Verifying,
            "False/PodPending",
        ),
        (
            Phase::Provisioning,
            |s| s.pool_view = Some(Err(quota())),
            Phase::Provisioning,
            "False/QuotaFamily",
        ),
        (
            Phase::Provisioning,
            |s| {
                s.pool_view = Some(Err(PoolError {
                    first: None,
                    class: Reason::Fatal,
                    ..quota()
                }));
            },
            Phase::Failed,
            "False/Fatal",
        ),
        (Phase::Verifying, |_| {}, Phase::Verifying, "False/PodPending"),
        (
            Phase::Verifying,
            |s| s.pod = Some(pod()),
            Phase::Verifying,
            "False/Hydrating",
        ),
        (
            Phase::Verifying,
            |s| s.pod = Some(ready_pod()),
            Phase::Ready,
            "True/AsSpecified",
        ),
        (
            Phase::Verifying,
            |s| {
                s.pod = Some(PodSight {
                    phase: "Failed".to_owned(),
                    ..pod()
                });
            },
            Phase::Verifying,
            "False/PodLost",
        ),
        (
            Phase::Verifying,
            |s| s.pool_view = Some(Ok(PoolView::Absent)),
            Phase::Failed,
            "False/Gone",
        ),
        (
            Phase::Ready,
            |s| s.pod = Some(ready_pod()),
            Phase::Ready,
            "True/AsSpecified",
        ),
        (Phase::Ready, |_| {}, Phase::Degraded, "False/PodLost"),
        (
            Phase::Degraded,
            |s| s.pod = Some(ready_pod()),
            Phase::Ready,
            "True/AsSpecified",
        ),
        (Phase::Failed, |_| {}, Phase::Scheduling, "False/NodePoolCreating"),
        (
            Phase::Draining,
            |s| s.pod = Some(pod()),
            Phase::Draining,
            "False/Terminating",
        ),
        (Phase::Draining, |_| {}, Phase::Wiping, "False/Terminating"),
        (
            Phase::Wiping,
            |s| s.pool_view = Some(Ok(PoolView::Absent)),
            Phase::Wiped,
            "False/Terminated",
        ),
    ];
    for (from, change, to, ready) in table {
        let mut seen = in_phase(from);
        change(&mut seen);
        let status = decide(&seen, later(60)).status;
        assert_eq!(
            (status.phase, reason(&status, ConditionType::Ready).as_str()),
            (to, ready),
            "from {from}"
        );
        assert!(from.may_become(to), "{from} -> {to} is no legal edge");
    }
}

#[test]
fn the_finalizer_comes_alone_and_first() {
    let mut seen = in_phase(Phase::Pending);
    seen.tunepod.metadata.finalizers = None;
    let plan = decide(&seen, now());
    assert!(matches!(plan.writes.as_slice(), [Write::Finalizers(..)]));
    assert_eq!(plan.status.phase, Phase::Pending);
    assert!(
        plan.status.node_pool.is_none(),
        "no intent before somebody will end it"
    );
}

#[test]
fn a_pool_is_asked_for_only_after_its_intent_was_written() {
    for phase in Phase::ALL.iter().filter(|p| **p != Phase::Provisioning) {
        let mut seen = in_phase(*phase);
        seen.pool_view = Some(Ok(PoolView::Absent));
        assert!(
            !matches!(decide(&seen, now()).call, Some(PoolCall::Ensure(_))),
            "{phase}"
        );
    }
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(PoolView::Absent));
    let plan = decide(&seen, now());
    assert!(matches!(&plan.call, Some(PoolCall::Ensure(pool)) if pool.tunepod_uid == "uid-1"));
    assert_eq!(
        seen.tunepod
            .status
            .as_ref()
            .unwrap()
            .node_pool
            .as_ref()
            .unwrap()
            .name,
        seen.pool.name
    );
}

#[test]
fn an_accepted_request_is_written_down_with_its_operation() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(PoolView::Absent));
    let outcome = Outcome {
        pool: Some(Ok(working("Creating"))),
        ..Outcome::default()
    };
    let plan = conclude(&seen, decide(&seen, now()), outcome, now());
    let pool = plan.status.node_pool.unwrap();
    assert_eq!(
        (pool.state, pool.operation_url.as_deref()),
        (NodePoolState::Creating, Some("https://arm/op"))
    );
    assert_eq!(plan.requeue, Duration::from_secs(7), "Retry-After is honoured");
}

#[test]
fn a_refusal_says_pool_code_words_and_what_happens_when() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(PoolView::Absent));
    let outcome = Outcome {
        pool: Some(Err(quota())),
        ..Outcome::default()
    };
    let plan = conclude(&seen, decide(&seen, now()), outcome, now());
    let condition = find(&plan.status.conditions, ConditionType::Provisioned)
        .unwrap()
        .clone();
    let next = later(600).to_string();
    for part in [
        seen.pool.name.as_str(),
        "OperationNotAllowed",
        "Family Cores quota exceeded",
        "Raise the quota",
        &next,
    ] {
        assert!(
            condition.message.contains(part),
            "{part} is not in: {}",
            condition.message
        );
    }
    assert_eq!(
        (condition.status.as_str(), condition.reason.as_str()),
        ("False", "QuotaFamily")
    );
    // Until that time the provider is not asked, whatever events come.
    seen.tunepod.status = Some(plan.status);
    seen.pool_view = None;
    let again = decide(&seen, later(60));
    assert!(again.call.is_none());
    assert!(status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &again.status).is_none());
    assert!(again.requeue <= Duration::from_mins(5));
}

#[test]
fn refusals_in_a_row_wait_longer_up_to_the_cap() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.settings.pool_retry_cap = Some(Duration::from_secs(5));
    seen.pool_view = Some(Err(quota()));
    let plan = decide(&seen, now());
    assert_eq!(
        plan.status.node_pool.unwrap().next_attempt_at,
        Some(Time(later(5)))
    );
    assert_eq!(quota().delay(1), Some(Duration::from_mins(10)));
    assert_eq!(quota().delay(3), Some(Duration::from_mins(40)));
    assert_eq!(quota().delay(9), Some(Duration::from_hours(1)));
}

#[test]
fn a_broken_pool_is_cleared_away_and_its_error_stands() {
    let mut seen = in_phase(Phase::Provisioning);
    seen.pool_view = Some(Ok(PoolView::Broken(quota())));
    let plan = decide(&seen, now());
    assert!(matches!(plan.call, Some(PoolCall::Delete(_))));
    let done = conclude(
        &seen,
        plan,
        Outcome {
            pool: Some(Ok(working("Deleting"))),
            ..Outcome::default()
        },
        now(),
    );
    assert_eq!(
        reason(&done.status, ConditionType::Provisioned),
        "False/QuotaFamily"
    );
    assert_eq!(
        done.status.node_pool.unwrap().next_attempt_at,
        Some(Time(later(600)))
    );
}

#[test]
fn the_pod_is_created_once_and_a_refusal_is_told() {
    let seen = in_phase(Phase::Verifying);
    let plan = decide(&seen, now());
    assert!(matches!(plan.writes.as_slice(), [Write::Create(..)]));
    let outcome = Outcome {
        refused: Some("`spec.hostNetwork` must be false".to_owned()),
        ..Outcome::default()
    };
    let told = conclude(&seen, plan, outcome, now());
    assert_eq!(reason(&told.status, ConditionType::Serving), "False/PodRefused");
    assert!(
        find(&told.status.conditions, ConditionType::Serving)
            .unwrap()
            .message
            .contains("hostNetwork")
    );
}

#[test]
fn a_pod_without_a_sentinel_is_never_ready() {
    let mut seen = in_phase(Phase::Verifying);
    let bare = PodSight {
        is_guarded: false,
        created: Some(now()),
        ..ready_pod()
    };
    seen.pod = Some(bare.clone());
    let young = decide(&seen, later(5));
    assert_eq!(reason(&young.status, ConditionType::Serving), "False/PodRefused");
    assert!(young.writes.is_empty() && young.status.intervals.is_empty());
    let old = decide(&seen, later(60));
    assert!(matches!(old.writes.as_slice(), [Write::Delete(..)]));
    let mut serving = in_phase(Phase::Ready);
    serving.pod = Some(bare);
    assert_eq!(decide(&serving, now()).status.phase, Phase::Degraded);
}

#[test]
fn metering_begins_and_ends_with_the_phase() {
    let mut seen = in_phase(Phase::Verifying);
    seen.pod = Some(ready_pod());
    let opened = decide(&seen, now()).status;
    assert_eq!(
        (opened.phase, opened.intervals.len(), opened.intervals[0].from.0),
        (Phase::Ready, 1, now())
    );
    assert_eq!(
        opened.url.as_deref(),
        Some("http://tp-order-1-0.tb-acme.svc:8000")
    );
    seen.tunepod.status = Some(opened);
    seen.pod = None;
    let lost = decide(&seen, later(60)).status;
    assert_eq!(
        (lost.phase, lost.intervals[0].to.clone()),
        (Phase::Degraded, Some(Time(later(60))))
    );
    seen.tunepod.status = Some(lost);
    seen.pod = Some(ready_pod());
    let back = decide(&seen, later(90)).status;
    assert_eq!(
        (back.phase, back.intervals.len(), back.intervals[1].seq),
        (Phase::Ready, 2, 1)
    );
    seen.tunepod.status = Some(back);
    seen.tunepod.spec.termination = Some(TunePodTermination {
        reason: "OrderTerminated".to_owned(),
    });
    let ended = decide(&seen, later(120));
    assert!(
        ended.writes.is_empty() && ended.call.is_none(),
        "the meter stops before anything is ended"
    );
    assert_eq!(
        ended.status.intervals[1].closed_by.as_deref(),
        Some("OrderTerminated")
    );
    assert!(ended.status.intervals.iter().all(|i| i.to.is_some()));
}

#[test]
fn a_clock_that_stepped_back_makes_no_interval_of_negative_length() {
    let mut status = TunePodStatus::default();
    assert!(status::open_interval(&mut status, 1, now()));
    status::close_interval(&mut status, "x", later(-60));
    assert_eq!(status.intervals[0].to, Some(Time(now())));
    assert!(status::open_interval(&mut status, 1, later(-30)));
    assert_eq!(status.intervals[1].from, Time(now()));
}

#[test]
fn every_state_ends_in_draining_and_the_pod_goes_before_the_pool() {
    for phase in [
        Phase::Pending,
        Phase::Scheduling,
        Phase::Provisioning,
        Phase::Verifying,
        Phase::Ready,
        Phase::Degraded,
        Phase::Failed,
    ] {
        let mut seen = in_phase(phase);
        seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
        assert_eq!(decide(&seen, now()).status.phase, Phase::Draining, "{phase}");
    }
    let mut seen = in_phase(Phase::Draining);
    seen.pod = Some(pod());
    let plan = decide(&seen, now());
    assert!(
        matches!(plan.writes.as_slice(), [Write::Delete(target, uid)] if target.name == "order-1-0" && uid == "pod-1")
    );
    assert!(plan.call.is_none());
    seen.pod = Some(PodSight {
        is_leaving: true,
        ..pod()
    });
    assert!(decide(&seen, now()).writes.is_empty(), "asked once");
}

#[test]
fn a_pod_that_does_not_go_holds_up_its_pool_only_so_long() {
    let leaving: Pod = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "order-1-0", "uid": "pod-1", "annotations": {"trustbridge.io/tunepod-uid": "uid-1"},
            "deletionTimestamp": later(30).to_string(), "deletionGracePeriodSeconds": 30},
    }))
    .unwrap();
    let mut seen = in_phase(Phase::Draining);
    seen.pod = Some(sight(&leaving, "uid-1"));
    assert_eq!(decide(&seen, later(299)).status.phase, Phase::Draining);
    let over = decide(&seen, later(300)).status;
    assert_eq!(over.phase, Phase::Wiping);
    let words = &find(&over.conditions, ConditionType::Ready).unwrap().message;
    assert!(words.contains("still there 300 s after"), "{words}");
}

#[test]
fn a_pool_of_another_provider_is_not_asked_for() {
    for phase in [Phase::Provisioning, Phase::Verifying, Phase::Wiping] {
        let mut seen = in_phase(phase);
        assert!(asks_provider(&seen.tunepod, "aks", now()), "{phase}");
        assert!(!asks_provider(&seen.tunepod, "static", now()), "{phase}");
        seen.provider = "static".to_owned();
        let plan = decide(&seen, now());
        assert!(plan.call.is_none() && plan.writes.is_empty(), "{phase}");
        assert_eq!(
            (
                plan.status.phase,
                reason(&plan.status, ConditionType::Ready).as_str()
            ),
            (phase, "False/ForeignNodePool")
        );
    }
}

#[test]
fn the_door_leads_nowhere_once_the_pod_is_not_ready() {
    let mut seen = in_phase(Phase::Ready);
    let slice = build::endpoint_slice(&seen.tunepod, "acme", "fd00::7");
    seen.door = vec![
        (build::service(&seen.tunepod, "acme"), true),
        (slice.clone(), true),
    ];
    seen.leftovers = vec![(slice.target.clone(), "slice-1".to_owned())];
    let plan = decide(&seen, now());
    assert_eq!(plan.status.phase, Phase::Degraded);
    let [Write::Apply(_, shut)] = plan.writes.as_slice() else {
        panic!("one apply: {:?}", plan.writes)
    };
    assert_eq!(shut.body["endpoints"], serde_json::json!([]));
    assert_eq!(shut.body["addressType"], "IPv6");
    let mut bare = build::endpoint_slice(&seen.tunepod, "acme", "");
    assert_eq!(bare.body["endpoints"], serde_json::json!([]));
    build::keep_address_type(&mut bare, Some(&slice.body));
    assert_eq!(bare.body["addressType"], "IPv6", "it cannot be changed");
}

#[test]
fn a_pool_is_deleted_until_the_provider_says_that_it_is_gone() {
    let creating = PoolView::Working {
        state: "Creating".to_owned(),
        operation_url: None,
        retry_after: Duration::from_secs(7),
    };
    for view in [PoolView::Ready, creating, PoolView::Broken(quota())] {
        let mut seen = in_phase(Phase::Wiping);
        seen.pool_view = Some(Ok(view));
        assert!(matches!(decide(&seen, now()).call, Some(PoolCall::Delete(_))));
    }
    let mut seen = in_phase(Phase::Wiping);
    seen.pool_view = Some(Ok(working("Deleting")));
    assert_eq!(decide(&seen, now()).status.phase, Phase::Wiping);
    seen.pool_view = Some(Err(PoolError {
        class: Reason::ForeignNodePool,
        code: "UntaggedNodePool".to_owned(),
        ..quota()
    }));
    let held = decide(&seen, now()).status;
    assert_eq!(
        (held.phase, reason(&held, ConditionType::Ready).as_str()),
        (Phase::Wiping, "False/ForeignNodePool"),
        "a pool that lost its tag may be ours"
    );
    seen.pool_view = Some(Err(PoolError {
        class: Reason::ForeignNodePool,
        code: "ForeignNodePool".to_owned(),
        ..quota()
    }));
    assert_eq!(
        decide(&seen, now()).status.phase,
        Phase::Wiped,
        "somebody else's pool is not ours to wait for"
    );
    seen.pool_view = Some(Ok(PoolView::Ready));
    let gone = Outcome {
        pool: Some(Ok(PoolView::Absent)),
        ..Outcome::default()
    };
    let plan = conclude(&seen, decide(&seen, now()), gone, now());
    assert_eq!(
        plan.status.phase,
        Phase::Wiped,
        "a provider that destroys nothing is done at once"
    );
    let mut never = in_phase(Phase::Wiping);
    never.tunepod.status.as_mut().unwrap().node_pool = None;
    assert_eq!(decide(&never, now()).status.phase, Phase::Wiped);
}

#[test]
fn the_finalizer_goes_last() {
    let mut seen = in_phase(Phase::Wiped);
    assert!(
        decide(&seen, now()).writes.is_empty(),
        "the record stays until it is deleted"
    );
    seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
    assert!(
        matches!(decide(&seen, now()).writes.as_slice(), [Write::Finalizers(_, _, _, list)] if list.is_empty())
    );
}

#[test]
fn at_rest_the_second_look_writes_nothing() {
    type Change = fn(&mut Observed);
    let at_rest: [(Phase, Change); 6] = [
        (Phase::Provisioning, |s| {
            s.pool_view = Some(Ok(working("Creating")));
        }),
        (Phase::Verifying, |s| {
            s.pod = Some(PodSight {
                unscheduled: Some("0/1 nodes".to_owned()),
                ..pod()
            });
        }),
        (Phase::Ready, |s| s.pod = Some(ready_pod())),
        (Phase::Draining, |s| {
            s.pod = Some(PodSight {
                is_leaving: true,
                ..pod()
            });
        }),
        (Phase::Wiping, |s| s.pool_view = Some(Ok(working("Deleting")))),
        (Phase::Wiped, |_| {}),
    ];
    for (phase, change) in at_rest {
        let mut seen = in_phase(phase);
        change(&mut seen);
        let first: Plan<TunePodStatus> = decide(&seen, now());
        seen.tunepod.status = Some(first.status);
        for (_, is_there) in &mut seen.door {
            *is_there = true;
        }
        let second = decide(&seen, later(3600));
        assert!(second.writes.is_empty() && second.call.is_none(), "{phase}");
        let write = status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &second.status);
        assert!(write.is_none(), "{phase}: {write:?}");
    }
}

#[test]
fn the_sentinels_last_words_become_the_reason() {
    let said = |text: &str| PodSight {
        said: Some(Said {
            container: "trustbridge-sentinel".to_owned(),
            text: text.to_owned(),
        }),
        ..pod()
    };
    let denied = said(
        r#"{"state":"Suspended","reason":"contract_unknown","message":"the control plane denied the licence"}"#,
    );
    let (reason, text) = status::pod_words(&denied).unwrap();
    assert_eq!(reason, Reason::LicenceDenied);
    assert!(
        text.contains("contract_unknown") && text.contains("denied the licence"),
        "{text}"
    );
    let corrupt = said(r#"{"state":"Suspended","reason":"ciphertext_mismatch","message":"sha256 differs"}"#);
    assert_eq!(status::pod_words(&corrupt).unwrap().0, Reason::SentinelSuspended);
    assert_eq!(
        status::pod_words(&said("ErrImageNeverPull: x")).unwrap().0,
        Reason::Hydrating
    );
}

#[test]
fn a_pod_is_read_for_what_matters() {
    let pod: Pod = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "order-1-0", "uid": "p", "annotations": {"trustbridge.io/tunepod-uid": "uid-1"}},
        "status": {
            "phase": "Pending",
            "podIP": "10.244.0.7",
            "conditions": [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [
                {"name": "runtime", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "not there"}}}
            ],
            "initContainerStatuses": [
                {"name": "trustbridge-sentinel", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                 "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "{\"state\":\"x\"}"}}}
            ]
        }
    })).unwrap();
    let seen = sight(&pod, "uid-1");
    assert!(seen.is_ours && !seen.is_ready && seen.unscheduled.is_none());
    assert_eq!(seen.said.unwrap().text, "{\"state\":\"x\"}");
    assert!(!sight(&pod, "uid-2").is_ours, "a namesake's pod is not ours");
}

#[test]
fn the_pod_is_restricted_and_asks_for_its_gpu() {
    let seen = in_phase(Phase::Verifying);
    let pod = build::pod(&seen.tunepod, "acme", &seen.node_selector, &seen.settings.pods).body;
    let typed: Pod = serde_json::from_value(pod.clone()).unwrap();
    assert_eq!(typed.namespace().as_deref(), Some("tb-acme-protected"));
    assert_eq!(pod["metadata"]["labels"]["trustbridge.io/inject"], "true");
    assert_eq!(
        pod["metadata"]["annotations"]["trustbridge.io/tunepod"],
        "tb-acme/order-1-0"
    );
    let runtime = &pod["spec"]["containers"][0];
    assert_eq!(runtime["resources"]["limits"]["nvidia.com/gpu"], "1");
    assert_eq!(runtime["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65532);
}
