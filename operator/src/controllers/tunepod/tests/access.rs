//! What is asked of token, certificate and port before a pod is made and before buyers are let in.

use super::*;

#[test]
fn buyers_are_let_in_when_the_port_takes_the_token_and_not_before() {
    let mut seen = in_phase(Phase::Verifying);
    seen.pod = Some(ready_pod());
    let table = [
        (None, None, "False/InProgress"),
        (None, Some(PortAnswer::Refused), "False/TokenRefused"),
        (
            None,
            Some(PortAnswer::Silent("refused".to_owned())),
            "False/PortSilent",
        ),
        (None, Some(PortAnswer::Open), "False/PortOpen"),
        (
            Some("secrets is forbidden".to_owned()),
            None,
            "False/AccessUnusable",
        ),
    ];
    for (refused, port, expected) in table {
        seen.access.refused = refused;
        seen.access.port = port;
        let plan = decide(&seen, now());
        assert_eq!(reason(&plan.status, ConditionType::Ready), expected);
        assert_eq!(plan.status.phase, Phase::Verifying);
        assert!(plan.writes.is_empty() && plan.status.intervals.is_empty() && plan.status.access.is_none());
    }
    seen.access = AccessSight {
        port: Some(PortAnswer::Accepted),
        ..AccessSight::default()
    };
    let opened = decide(&seen, now()).status;
    assert_eq!(opened.phase, Phase::Ready);
    let access = opened.access.unwrap();
    assert_eq!(Some(access.url), opened.url);
    assert_eq!(access.token_secret_ref.unwrap().name, "tp-order-1-0-token");
    assert_eq!(access.ca_ref.unwrap().key, "ca.crt");
}

#[test]
fn no_pod_is_made_without_what_it_mounts() {
    let mut seen = in_phase(Phase::Verifying);
    seen.access.refused = Some("secrets is forbidden".to_owned());
    let plan = decide(&seen, now());
    assert!(plan.writes.is_empty());
    assert_eq!(reason(&plan.status, ConditionType::Ready), "False/AccessUnusable");
}

#[test]
fn a_pod_of_a_version_before_is_no_longer_served_and_is_made_anew() {
    let before = PodSight {
        is_keyed: false,
        ..ready_pod()
    };
    let mut seen = in_phase(Phase::Ready);
    let slice = build::endpoint_slice(&seen.tunepod, "acme", "10.244.0.7");
    seen.leftovers = vec![(slice.target.clone(), "slice-1".to_owned())];
    seen.door = vec![(slice.clone(), true)];
    seen.pod = Some(before);
    let plan = decide(&seen, now());
    assert_eq!(reason(&plan.status, ConditionType::Ready), "False/PodOutdated");
    assert_eq!(plan.status.phase, Phase::Degraded);
    assert!(plan.status.access.is_none() && plan.status.url.is_none());
    assert!(plan.status.intervals.iter().all(|i| i.to.is_some()));
    assert!(
        matches!(plan.writes.as_slice(), [Write::Apply(_, built)] if *built == build::closed(&slice)),
        "the door is shut before the pod is deleted: {:?}",
        plan.writes
    );
    seen.tunepod.status = Some(plan.status);
    let plan = decide(&seen, now());
    assert_eq!(reason(&plan.status, ConditionType::Ready), "False/PodOutdated");
    assert!(plan.status.access.is_none());
    assert!(
        matches!(plan.writes.as_slice(), [Write::Delete(target, uid)] if target.resource.kind == "Pod" && uid == "pod-1")
    );
}

#[test]
fn a_serving_pod_whose_secrets_cannot_be_renewed_says_so_and_serves_until_its_certificate_is_over() {
    let mut seen = in_phase(Phase::Ready);
    seen.pod = Some(ready_pod());
    seen.access = AccessSight {
        refused: Some("secrets is forbidden".to_owned()),
        ..AccessSight::default()
    };
    // Nobody's token is shown, so its refusal says that the port answers.
    for port in [None, Some(PortAnswer::Refused)] {
        seen.access.port = port;
        let plan = decide(&seen, now());
        assert_eq!(plan.status.phase, Phase::Ready);
        assert_eq!(reason(&plan.status, ConditionType::Ready), "True/AsSpecified");
        assert_eq!(
            reason(&plan.status, ConditionType::Serving),
            "True/AccessUnusable"
        );
        let mut again = seen.clone();
        again.tunepod.status = Some(plan.status.clone());
        assert_eq!(decide(&again, later(60)).status, plan.status, "said once");
    }
    for (port, expected) in [
        (
            PortAnswer::Silent("certificate expired".to_owned()),
            "False/AccessUnusable",
        ),
        (PortAnswer::Open, "False/PortOpen"),
    ] {
        seen.access.port = Some(port);
        let plan = decide(&seen, now());
        assert_eq!(plan.status.phase, Phase::Degraded);
        assert_eq!(reason(&plan.status, ConditionType::Ready), expected);
        assert!(plan.status.access.is_none());
    }
}
