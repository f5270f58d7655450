//! At rest nothing is written; and how pods are read and made.

use super::*;

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
        r#"{"state":"Suspended","reason":"contract_unknown","message":"the control plane denied the licence","cause":"Denied"}"#,
    );
    let (reason, text) = status::pod_words(&denied).unwrap();
    assert_eq!(reason, Reason::LicenceDenied);
    assert!(
        text.contains("contract_unknown") && text.contains("denied the licence"),
        "{text}"
    );
    let corrupt = said(r#"{"state":"Suspended","reason":"ciphertext_mismatch","message":"sha256 differs"}"#);
    assert_eq!(status::pod_words(&corrupt).unwrap().0, Reason::SentinelSuspended);
    let contract = said(r#"{"state":"Hydrate","reason":"contract_store_down","cause":"Unavailable"}"#);
    assert_eq!(
        status::pod_words(&contract).unwrap().0,
        Reason::Hydrating,
        "the cause counts, not what the reason looks like"
    );
    assert_eq!(
        status::pod_words(&said("ErrImageNeverPull: x")).unwrap().0,
        Reason::Hydrating
    );
}

#[test]
fn a_living_sentinel_is_believed_before_the_kubelet() {
    let report = |json: &str| SentinelReport::of_text(json);
    let mut sight = PodSight {
        said: Some(Said {
            container: "runtime".to_owned(),
            text: "ErrImageNeverPull: not there".to_owned(),
        }),
        sentinel: report(r#"{"state":"Suspended","reason":"denied","message":"no","cause":"Denied"}"#),
        ..pod()
    };
    assert_eq!(status::pod_words(&sight).unwrap().0, Reason::LicenceDenied);
    sight.sentinel =
        report(r#"{"state":"Authorize","reason":"unreachable","message":"try 2","cause":"Unavailable"}"#);
    let (reason, text) = status::pod_words(&sight).unwrap();
    assert_eq!(reason, Reason::Hydrating);
    assert_eq!(
        text, "the sentinel is at Authorize: unreachable",
        "no counter that would write for ever"
    );
    sight.sentinel = report(r#"{"state":"Hydrate"}"#);
    assert!(status::pod_words(&sight).unwrap().1.contains("ErrImageNeverPull"));
}

#[test]
fn a_denied_pod_says_so_and_stays_as_it_is() {
    let mut seen = in_phase(Phase::Verifying);
    seen.pod = Some(PodSight {
        ip: Some("10.244.0.7".to_owned()),
        sentinel: SentinelReport::of_text(
            r#"{"state":"Suspended","reason":"denied","message":"no","cause":"Denied"}"#,
        ),
        ..pod()
    });
    let plan = decide(&seen, now());
    assert_eq!(plan.status.phase, Phase::Verifying);
    assert!(reason(&plan.status, ConditionType::Ready).ends_with("LicenceDenied"));
    assert!(
        plan.writes.is_empty(),
        "a denial is no reason to make the pod again"
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
