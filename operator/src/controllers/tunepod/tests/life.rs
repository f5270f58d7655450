//! From nothing to serving, and what a refusal says on the way.

use super::*;

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
            Phase::Wiping,
            "False/Terminating",
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
        Some("https://tp-order-1-0.tb-acme.svc:8000")
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
