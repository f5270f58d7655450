//! Losses and incidents as tables.

use super::decide::{decide, needs_tunepods};
use super::declare::{incident, lost_since};
use super::*;
use crate::controllers::execute::status_write;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::incident::{IncidentResolution, IncidentUpdate};
use trustbridge_api::seller_profile::IncidentTerms;
use trustbridge_api::tunepod::{MeteredInterval, TunePodTermination};
use trustbridge_api::{IncidentSpec, IncidentStatus, NameRef, TunePodSpec, TunePodStatus};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::support::Severity;
use trustbridge_kit::conditions::{Statement, find, set};

fn minute(number: i64) -> Timestamp {
    let lost: Timestamp = "2026-01-15T10:00:00Z".parse().unwrap();
    lost + SignedDuration::from_mins(number)
}

fn terms() -> IncidentTerms {
    IncidentTerms {
        declare_after_minutes: 10,
        severity: Severity::S1,
        eta_update_minutes: Some(30),
    }
}

/// A TunePod that was Ready for an hour, and is not since minute 0.
fn lost(phase: TunePodPhase, closed_by: &str) -> TunePod {
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        ..TunePodSpec::default()
    };
    let mut tunepod = TunePod::new("order-1-0", spec);
    tunepod.metadata.namespace = Some("tb-acme".to_owned());
    tunepod.metadata.uid = Some("u-1".to_owned());
    let mut status = TunePodStatus {
        phase,
        intervals: vec![MeteredInterval {
            seq: 0,
            from: Time(minute(-60)),
            to: Some(Time(minute(0))),
            gpus: 1,
            opened_by: "Ready".to_owned(),
            closed_by: Some(closed_by.to_owned()),
        }],
        ..TunePodStatus::default()
    };
    let yes = Statement::yes(ConditionType::Ready, Reason::AsSpecified, "serves");
    set(&mut status.conditions, &yes, None, minute(-60));
    let no = Statement::no(ConditionType::Ready, Reason::PodLost, "the pod is gone");
    set(&mut status.conditions, &no, None, minute(0));
    tunepod.status = Some(status);
    tunepod
}

fn again_ready() -> TunePod {
    let mut tunepod = lost(TunePodPhase::Ready, "Degraded");
    let status = tunepod.status.as_mut().unwrap();
    let yes = Statement::yes(ConditionType::Ready, Reason::AsSpecified, "serves");
    set(&mut status.conditions, &yes, None, minute(25));
    tunepod
}

#[test]
fn a_loss_is_one_that_nobody_wished() {
    use TunePodPhase as P;
    for phase in TunePodPhase::ALL {
        let is_loss = matches!(
            phase,
            P::Degraded | P::Failed | P::Scheduling | P::Provisioning | P::Verifying
        );
        let since = lost_since(&lost(*phase, "Degraded"));
        assert_eq!(since, is_loss.then(|| minute(0)), "{phase}");
        // The way through a change, or to the first Ready, is no loss.
        let wished = lost_since(&lost(*phase, "Updating"));
        assert_eq!(wished.is_some(), *phase == P::Degraded, "{phase}");
        let mut first = lost(*phase, "Degraded");
        first.status.as_mut().unwrap().intervals.clear();
        assert_eq!(lost_since(&first).is_some(), *phase == P::Degraded, "{phase}");
        let mut ending = lost(*phase, "Degraded");
        ending.spec.termination = Some(TunePodTermination::default());
        assert_eq!(lost_since(&ending), None, "{phase}");
    }
    assert_eq!(lost_since(&again_ready()), None);
}

#[test]
fn a_loss_that_was_closed_at_the_last_beat_stays_one_on_the_way_back() {
    for phase in [TunePodPhase::Scheduling, TunePodPhase::Verifying] {
        let mut tunepod = lost(phase, "Degraded");
        let interval = &mut tunepod.status.as_mut().unwrap().intervals[0];
        interval.to = Some(Time(minute(-5)));
        assert_eq!(lost_since(&tunepod), Some(minute(0)), "{phase}");
        tunepod.metadata.creation_timestamp = Some(Time(minute(-60)));
        assert_eq!(lost_since(&tunepod), Some(minute(0)), "{phase}");
        // Made again under its name: the loss is of the one before it.
        tunepod.metadata.creation_timestamp = Some(Time(minute(-2)));
        assert_eq!(lost_since(&tunepod), None, "{phase}");
        // It serves again.
        tunepod.metadata.creation_timestamp = None;
        tunepod.status.as_mut().unwrap().intervals[0].to = None;
        assert_eq!(lost_since(&tunepod), None, "{phase}");
    }
}

fn declared() -> Incident {
    let (name, built) = incident(
        &lost(TunePodPhase::Degraded, "Degraded"),
        "acme",
        minute(0),
        &terms(),
    );
    let mut incident: Incident = serde_json::from_value(built.body).unwrap();
    assert_eq!(incident.name_any(), name);
    incident.metadata.creation_timestamp = Some(Time(minute(10)));
    incident
}

#[test]
fn each_loss_has_one_incident_and_it_says_what_is_known() {
    let (one, other) = (declared(), declared());
    assert_eq!(one.name_any(), other.name_any());
    let tunepod = lost(TunePodPhase::Degraded, "Degraded");
    let (later, _) = incident(&tunepod, "acme", minute(100), &terms());
    assert_ne!(one.name_any(), later, "another loss is another incident");
    let spec = &one.spec;
    assert_eq!(
        (spec.severity, spec.started_at.clone()),
        (Severity::S1, Some(Time(minute(0))))
    );
    assert_eq!(spec.tune_pods, [NameRef::new("order-1-0")]);
    assert!(spec.impact.contains("the pod is gone"), "{}", spec.impact);
    assert_eq!(one.metadata.labels.unwrap()["trustbridge.io/order"], "order-1");
}

fn said(status: &IncidentStatus, of: ConditionType) -> String {
    let condition = find(&status.conditions, of).unwrap();
    format!("{}/{}", condition.status, condition.reason)
}

fn look(incident: &mut Incident, tunepods: &[TunePod], at: i64) -> IncidentStatus {
    let status = decide(incident, tunepods, minute(at)).status;
    incident.status = Some(status.clone());
    status
}

#[test]
fn words_are_owed_as_they_were_promised_and_a_missed_one_stays_missed() {
    let mut incident = declared();
    let tunepods = [lost(TunePodPhase::Degraded, "Degraded")];
    let status = look(&mut incident, &tunepods, 11);
    assert_eq!(status.next_update_due_at, Some(Time(minute(40))));
    assert_eq!(said(&status, ConditionType::UpdateDue), "True/WordOwed");
    assert_eq!(said(&status, ConditionType::Breached), "False/AsSpecified");
    let rest = decide(&incident, &tunepods, minute(12)).status;
    assert!(
        status_write(&incident, incident.status.as_ref(), &rest).is_none(),
        "at rest"
    );
    let late = look(&mut incident, &tunepods, 41);
    assert_eq!(said(&late, ConditionType::UpdateDue), "True/PromiseBroken");
    assert_eq!(said(&late, ConditionType::Breached), "True/PromiseBroken");
    incident.spec.updates.push(IncidentUpdate {
        seq: 1,
        text: "the node is being replaced".to_owned(),
        eta_update_minutes: None,
    });
    let told = look(&mut incident, &tunepods, 50);
    assert_eq!(told.said[0].at, Time(minute(50)));
    assert_eq!(said(&told, ConditionType::UpdateDue), "False/AsSpecified");
    assert_eq!(said(&told, ConditionType::Breached), "True/PromiseBroken");
}

#[test]
fn what_the_operator_declared_it_resolves_when_it_sees_the_end_and_once() {
    let ends = [
        (vec![again_ready()], minute(25), "Ready again"),
        (
            vec![lost(TunePodPhase::Draining, "OrderTerminated")],
            minute(30),
            "is ended",
        ),
        (vec![], minute(30), "is gone"),
    ];
    for (tunepods, at, words) in ends {
        let mut incident = declared();
        look(&mut incident, &[lost(TunePodPhase::Degraded, "Degraded")], 11);
        assert!(needs_tunepods(&incident));
        let status = look(&mut incident, &tunepods, 30);
        assert_eq!(
            (status.phase, status.resolved_at.clone()),
            (IncidentPhase::Resolved, Some(Time(at)))
        );
        let message = &find(&status.conditions, ConditionType::Succeeded)
            .unwrap()
            .message;
        assert!(message.contains(words), "{message}");
        assert_eq!(status.next_update_due_at, None);
        // It is lost again: that is another incident.
        let again = look(&mut incident, &[lost(TunePodPhase::Degraded, "Degraded")], 99);
        assert_eq!(again, status, "resolved once");
        assert!(!needs_tunepods(&incident));
    }
    let mut other = lost(TunePodPhase::Degraded, "Degraded");
    other.metadata.uid = Some("u-2".to_owned());
    let mut incident = declared();
    let status = look(&mut incident, &[other], 30);
    assert_eq!(
        status.phase,
        IncidentPhase::Resolved,
        "one of that name is another one"
    );
}

/// The list only grows: a name that is wrong stays in it.
#[test]
fn a_name_that_is_wrong_is_mended_by_the_right_one_and_stays_told() {
    let mut incident = declared();
    incident.spec.ready_lost = None;
    incident.spec.tune_pods = vec![NameRef::new("order-9-0")];
    let status = look(&mut incident, &[], 11);
    assert_eq!(said(&status, ConditionType::Accepted), "False/TunePodNotFound");
    assert!(needs_tunepods(&incident));
    incident.spec.tune_pods.push(NameRef::new("order-1-0"));
    let status = look(&mut incident, &[again_ready()], 12);
    assert_eq!(said(&status, ConditionType::Accepted), "True/AsSpecified");
    let words = &find(&status.conditions, ConditionType::Accepted).unwrap().message;
    assert!(words.contains("no order-9-0 in this namespace"), "{words}");
    assert!(!words.contains("order-1-0"), "{words}");
    assert!(!needs_tunepods(&incident));
}

#[test]
fn what_a_seller_declared_a_seller_resolves() {
    let spec = IncidentSpec {
        severity: Severity::S2,
        impact: "slow network".to_owned(),
        tune_pods: vec![NameRef::new("order-1-0"), NameRef::new("order-9-0")],
        started_at: None,
        eta_update_minutes: None,
        ready_lost: None,
        updates: Vec::new(),
        resolution: None,
    };
    let mut incident = Incident::new("inc-1", spec);
    incident.metadata.creation_timestamp = Some(Time(minute(0)));
    let status = look(&mut incident, &[again_ready()], 1);
    assert_eq!(
        status.phase,
        IncidentPhase::Declared,
        "that something is Ready ends nothing"
    );
    assert_eq!(said(&status, ConditionType::Breached), "False/NothingPromised");
    incident.spec.resolution = Some(IncidentResolution {
        text: "a switch was replaced".to_owned(),
    });
    let status = look(&mut incident, &[again_ready()], 20);
    assert_eq!(
        (status.phase, status.resolved_at.clone()),
        (IncidentPhase::Resolved, Some(Time(minute(20))))
    );
    incident.spec.updates.push(IncidentUpdate {
        seq: 1,
        text: "it was firmware".to_owned(),
        eta_update_minutes: Some(5),
    });
    let after = look(&mut incident, &[again_ready()], 900);
    assert_eq!((&after.resolved_at, after.said.len()), (&status.resolved_at, 1));
    assert_eq!(said(&after, ConditionType::UpdateDue), "False/AsSpecified");
}
