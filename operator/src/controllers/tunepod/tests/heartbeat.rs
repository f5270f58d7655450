//! The sentinel's sign of life: what is said of it, and when the meter stops by it.

use super::super::heartbeat;
use super::*;
use trustbridge_api::tunepod::UsageProgress;
use trustbridge_domain::intervals::GRACE_MS;

/// Ready since `now()`, with a pod made before, whose Lease was renewed at `renewed`.
fn serving(renewed: Option<Timestamp>) -> Observed {
    let mut seen = in_phase(Phase::Ready);
    seen.looked_for_pod = true;
    seen.pod = Some(PodSight {
        created: Some(later(-60)),
        ..ready_pod()
    });
    seen.lease = LeaseSight::Renewed(renewed);
    seen
}

fn said_at(seen: &Observed, at: Timestamp) -> String {
    reason(&decide(seen, at).status, ConditionType::Heartbeat)
}

/// The end of the interval that this look closes.
fn ended(seen: &Observed, at: Timestamp) -> Option<Timestamp> {
    let status = decide(seen, at).status;
    status
        .intervals
        .last()
        .and_then(|interval| interval.to.as_ref())
        .map(|to| to.0)
}

#[test]
fn a_beat_is_said_and_its_absence_too() {
    assert_eq!(said_at(&serving(Some(later(20))), later(60)), "True/AsSpecified");
    assert_eq!(said_at(&serving(None), later(60)), "Unknown/HeartbeatUnheard");
    // Of the pod before this one.
    assert_eq!(
        said_at(&serving(Some(later(-61))), later(60)),
        "Unknown/HeartbeatUnheard"
    );
    let mut refused = serving(None);
    refused.lease = LeaseSight::Refused("leases is forbidden".to_owned());
    assert_eq!(said_at(&refused, later(60)), "Unknown/HeartbeatUnusable");
    assert_eq!(
        decide(&refused, later(60)).status.phase,
        Phase::Ready,
        "nothing waits for it"
    );
}

#[test]
fn a_beat_that_stays_away_is_said_once_and_ends_nothing() {
    let mut seen = serving(Some(later(20)));
    seen.tunepod.status = Some(decide(&seen, later(30)).status);
    let plan = decide(&seen, later(61));
    assert_eq!(
        reason(&plan.status, ConditionType::Heartbeat),
        "False/HeartbeatLost"
    );
    assert_eq!(plan.status.phase, Phase::Ready);
    assert_eq!(
        plan.status.intervals.last().unwrap().to,
        None,
        "the kubelet says it serves"
    );
    let words = &find(&plan.status.conditions, ConditionType::Heartbeat)
        .unwrap()
        .message;
    assert!(
        words.contains("tp-order-1-0-heartbeat") && words.contains("is ready"),
        "{words}"
    );
    seen.tunepod.status = Some(plan.status);
    let again = decide(&seen, later(600)).status;
    assert!(status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &again).is_none());
    // A beat that came late, and none since.
    seen.lease = LeaseSight::Renewed(Some(later(650)));
    let late = decide(&seen, later(700)).status;
    assert!(status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &late).is_none());
}

#[test]
fn what_turns_out_to_have_stopped_stopped_at_its_last_beat() {
    // Silent and not ready: two that do not know of each other.
    let mut seen = serving(Some(later(100)));
    seen.pod.as_mut().unwrap().is_ready = false;
    assert_eq!(ended(&seen, later(3600)), Some(later(100)));
    // Not ready, and alive: its end is now.
    assert_eq!(ended(&seen, later(140)), Some(later(140)));
    // Gone.
    let mut gone = serving(Some(later(100)));
    gone.pod = None;
    assert_eq!(ended(&gone, later(3600)), Some(later(100)));
    assert_eq!(
        ended(&gone, later(105)),
        Some(later(100)),
        "ten seconds early at most"
    );
    // The end is asked for when it has stopped already.
    gone.tunepod.spec.termination = Some(TunePodTermination {
        reason: "Cancelled".to_owned(),
    });
    let plan = decide(&gone, later(3600));
    assert_eq!(plan.status.phase, Phase::Draining);
    assert_eq!(ended(&gone, later(3600)), Some(later(100)));
}

/// Its way to the API server is broken, and not the operator's way to it.
#[test]
fn what_answers_has_not_stopped_though_it_beats_no_more() {
    let mut seen = serving(Some(later(100)));
    let pod = seen.pod.as_mut().unwrap();
    pod.is_ready = false;
    pod.sentinel = Some(SentinelReport::default());
    assert_eq!(ended(&seen, later(3600)), Some(later(3600)));
    // What ended has ended, whoever answers at its address.
    let pod = seen.pod.as_mut().unwrap();
    (pod.phase, pod.finished_at) = ("Failed".to_owned(), Some(later(90)));
    assert_eq!(ended(&seen, later(3600)), Some(later(90)));
}

/// The operator was away for weeks: what may be on an invoice stays as it was billed.
#[test]
fn nothing_is_closed_longer_ago_than_usage_is_final() {
    let (day, grace) = (86_400, GRACE_MS / 1000);
    let mut seen = serving(Some(later(100)));
    let pod = seen.pod.as_mut().unwrap();
    pod.is_ready = false;
    assert_eq!(ended(&seen, later(20 * day)), Some(later(20 * day - grace)));
    assert_eq!(ended(&seen, later(100 + grace)), Some(later(100)));
    seen.pod.as_mut().unwrap().phase = "Failed".to_owned();
    seen.pod.as_mut().unwrap().finished_at = Some(later(90));
    assert_eq!(ended(&seen, later(20 * day)), Some(later(20 * day - grace)));
    seen.pod = None;
    assert_eq!(ended(&seen, later(20 * day)), Some(later(20 * day - grace)));
}

#[test]
fn an_end_that_is_known_counts_before_a_beat_and_neither_leaves_the_interval() {
    let mut seen = serving(Some(later(100)));
    let pod = seen.pod.as_mut().unwrap();
    (pod.is_ready, pod.phase, pod.finished_at) = (false, "Failed".to_owned(), Some(later(90)));
    assert_eq!(ended(&seen, later(3600)), Some(later(90)));
    seen.pod.as_mut().unwrap().finished_at = Some(later(-5));
    assert_eq!(ended(&seen, later(3600)), Some(now()), "not before it began");
    seen.pod.as_mut().unwrap().finished_at = Some(later(9999));
    assert_eq!(
        ended(&seen, later(3600)),
        Some(later(3600)),
        "a clock that runs ahead"
    );
}

#[test]
fn without_a_beat_of_this_interval_it_ends_at_the_look() {
    for renewed in [None, Some(later(-1))] {
        let mut seen = serving(renewed);
        seen.pod = None;
        assert_eq!(ended(&seen, later(3600)), Some(later(3600)), "{renewed:?}");
    }
    let mut unseen = serving(Some(later(100)));
    (unseen.pod, unseen.looked_for_pod) = (None, false);
    let status = unseen.tunepod.status.clone().unwrap();
    assert_eq!(heartbeat::end(&unseen, &status, later(3600)), later(3600));
}

#[test]
fn what_it_reported_later_than_its_last_beat_is_a_sign_of_life_as_well() {
    let mut seen = serving(Some(later(100)));
    seen.pod = None;
    let mut status = seen.tunepod.status.clone().unwrap();
    status.usage = Some(UsageProgress {
        pod: "pod-1".to_owned(),
        until: Some(Time(later(160))),
        ..UsageProgress::default()
    });
    assert_eq!(heartbeat::end(&seen, &status, later(3600)), later(160));
}

#[test]
fn an_end_takes_the_condition_along() {
    let mut seen = serving(Some(later(20)));
    seen.tunepod.status = Some(decide(&seen, later(30)).status);
    seen.tunepod.spec.termination = Some(TunePodTermination {
        reason: "Cancelled".to_owned(),
    });
    assert_eq!(said_at(&seen, later(40)), "Unknown/Terminating");
    seen.tunepod.spec.termination = None;
    seen.pod = None;
    assert_eq!(said_at(&seen, later(40)), "Unknown/PodLost");
}

#[test]
fn the_lease_says_what_is_the_operators_and_nothing_of_a_beat() {
    let built = heartbeat::lease(&tunepod(), "acme");
    assert_eq!(built.target.namespace.as_deref(), Some("tb-acme-protected"));
    assert_eq!(built.target.name, "tp-order-1-0-heartbeat");
    assert_eq!(
        built.body["spec"],
        serde_json::json!({"leaseDurationSeconds": 40})
    );
}
