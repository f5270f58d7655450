//! Rules of an incident.

use super::*;
use crate::judged::refusals;
use kube::CustomResourceExt;
use serde_json::{Value, json};

fn incident(more: &Value) -> Value {
    let mut incident = json!({"spec": {"severity": "S1", "impact": "Node down"}});
    for (name, value) in more.as_object().unwrap() {
        incident["spec"][name] = value.clone();
    }
    incident
}

fn said(old: &Value, new: &Value) -> Vec<String> {
    refusals(&Incident::crd(), Some(&incident(old)), &incident(new))
}

#[test]
fn what_was_declared_and_said_stays_and_more_may_be_said() {
    let old = json!({"tunePods": [{"name": "a-0"}], "updates": [{"seq": 1, "text": "looking"}]});
    let grown = json!({"tunePods": [{"name": "b-0"}, {"name": "a-0"}],
        "updates": [{"seq": 1, "text": "looking"}, {"seq": 2, "text": "found", "etaUpdateMinutes": 30}],
        "resolution": {"text": "replaced"}});
    assert_eq!(said(&old, &grown), Vec::<String>::new());
    let rows = [
        (
            json!({"tunePods": [{"name": "b-0"}], "updates": old["updates"]}),
            "`spec.tunePods` must keep",
        ),
        (
            json!({"tunePods": old["tunePods"], "updates": [{"seq": 1, "text": "other"}]}),
            "must keep every word",
        ),
        (
            json!({"tunePods": old["tunePods"], "updates": [{"seq": 1, "text": "looking", "etaUpdateMinutes": 5}]}),
            "must keep every word",
        ),
        (
            json!({"tunePods": old["tunePods"], "updates": [{"seq": 1, "text": "looking"}, {"seq": 3, "text": "x"}]}),
            "counted from 1",
        ),
        (
            json!({"impact": "other", "tunePods": old["tunePods"], "updates": old["updates"]}),
            "what was declared must not change",
        ),
        (
            json!({"startedAt": "2026-01-15T10:00:00Z", "tunePods": old["tunePods"], "updates": old["updates"]}),
            "what was declared must not change",
        ),
    ];
    for (new, right) in rows {
        let said = said(&old, &new);
        assert!(said.len() == 1 && said[0].contains(right), "{new}: {said:?}");
    }
}

#[test]
fn it_is_resolved_once() {
    let (one, other) = (
        json!({"resolution": {"text": "a"}}),
        json!({"resolution": {"text": "b"}}),
    );
    for new in [&other, &json!({})] {
        assert!(said(&one, new)[0].contains("set once"), "{new}");
    }
    let status = |phase: &str, at: Option<&str>| {
        let mut incident = incident(&json!({}));
        incident["status"] = json!({"phase": phase});
        if let Some(at) = at {
            incident["status"]["resolvedAt"] = at.into();
        }
        incident
    };
    let crd = Incident::crd();
    let (ten, eleven) = (Some("2026-01-15T10:00:00Z"), Some("2026-01-15T11:00:00Z"));
    let resolved = status("Resolved", ten);
    assert_eq!(
        refusals(&crd, Some(&status("Declared", None)), &resolved),
        Vec::<String>::new()
    );
    let moved = refusals(&crd, Some(&resolved), &status("Resolved", eleven));
    assert!(
        moved.len() == 1 && moved[0].contains("`resolvedAt` is set once"),
        "{moved:?}"
    );
    let taken = refusals(&crd, Some(&resolved), &status("Resolved", None));
    assert!(
        taken.len() == 1 && taken[0].contains("`resolvedAt` is set once"),
        "{taken:?}"
    );
}
