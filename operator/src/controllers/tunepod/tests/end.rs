//! Draining and wiping: what goes first, what is waited for, and how long.

use super::*;

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
}

#[test]
fn the_finalizer_goes_last() {
    let mut seen = in_phase(Phase::Wiped);
    assert!(
        decide(&seen, now()).writes.is_empty(),
        "the record stays until it is deleted"
    );
    seen.tunepod.metadata.deletion_timestamp = Some(Time(now()));
    seen.is_ledger_owed = true;
    assert!(
        decide(&seen, now()).writes.is_empty(),
        "its hours are nowhere else yet"
    );
    let waiting = decide(&seen, now()).status;
    let words = &find(&waiting.conditions, ConditionType::Ready).unwrap().message;
    assert!(words.contains("Order order-1"), "{words}");
    seen.is_ledger_full = true;
    let full = decide(&seen, now()).status;
    let words = &find(&full.conditions, ConditionType::Ready).unwrap().message;
    assert!(words.contains("no room"), "{words}");
    seen.is_namespace_leaving = true;
    assert_eq!(
        decide(&seen, now()).writes.len(),
        1,
        "nobody bills there any more"
    );
    seen.is_ledger_owed = false;
    assert!(
        matches!(decide(&seen, now()).writes.as_slice(), [Write::Finalizers(_, _, _, list)] if list.is_empty())
    );
}
