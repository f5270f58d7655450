//! Tables of the validating rules.

use super::*;
use serde_json::{Value, json};

fn rule(value: &Value) -> (&'static str, Verdict) {
    let text = value.to_string();
    judge(&serde_json::from_str(&text).unwrap(), &creators())
}

fn creators() -> Creators {
    Creators(vec!["operator".to_owned()])
}

fn refusal(value: &Value) -> Option<String> {
    match rule(value).1 {
        Verdict::Denied(why) => Some(why),
        Verdict::Allowed => None,
        other => panic!("{other:?}"),
    }
}

fn delete(phase: &str) -> Value {
    json!({"operation": "DELETE", "resource": {"group": "trustbridge.io", "resource": "orders"}, "namespace": "tb-acme",
        "name": "order-1", "oldObject": {"metadata": {"name": "order-1"}, "status": {"phase": phase}}})
}

#[test]
fn live_orders_stay() {
    for phase in [
        "Confirmed",
        "Provisioning",
        "Active",
        "Suspended",
        "Failed",
        "SomethingNew",
    ] {
        let why = refusal(&delete(phase)).unwrap_or_else(|| panic!("{phase} was deleted"));
        assert!(
            why.contains("`status.phase`") && why.contains("\"termination\""),
            "{why}"
        );
    }
    assert!(refusal(&delete("Terminating")).unwrap().contains("-w"));
}

#[test]
fn orders_that_bind_nobody_go() {
    for phase in ["Pending", "Terminated", "Rejected", "Cancelled", ""] {
        assert_eq!(refusal(&delete(phase)), None, "{phase}");
    }
    assert_eq!(
        refusal(&json!({"operation": "DELETE", "resource": {"resource": "orders"}, "oldObject": {}})),
        None
    );
}

fn create(user: &str, label: &str, first: &Value) -> Value {
    json!({"operation": "CREATE", "resource": {"resource": "pods"}, "namespace": "tb-acme-protected",
        "userInfo": {"username": user}, "object": {
            "metadata": {"labels": {"trustbridge.io/inject": label}}, "spec": {"initContainers": [first]}}})
}

#[test]
fn only_guarded_pods_of_the_operator_enter_a_protected_namespace() {
    let sentinel = json!({"name": "tb-sentinel", "restartPolicy": "Always"});
    assert_eq!(refusal(&create("operator", "true", &sentinel)), None);
    assert!(
        refusal(&create("jane", "true", &sentinel))
            .unwrap()
            .contains("'jane'")
    );
    assert!(
        refusal(&create("operator", "false", &sentinel))
            .unwrap()
            .contains("trustbridge.io/inject")
    );
    for first in [
        json!({"name": "tb-sentinel"}),
        json!({"name": "mesh", "restartPolicy": "Always"}),
    ] {
        assert!(
            refusal(&create("operator", "true", &first))
                .unwrap()
                .contains("spec.initContainers[0]")
        );
    }
}

#[test]
fn nobody_enters_a_protected_pod() {
    for (operation, resource, sub) in [
        ("CONNECT", "pods", "exec"),
        ("CONNECT", "pods", "attach"),
        ("CONNECT", "pods", "portforward"),
        ("CONNECT", "pods", "proxy"),
        ("CONNECT", "services", "proxy"),
        ("UPDATE", "pods", "ephemeralcontainers"),
    ] {
        let why = refusal(
            &json!({"operation": operation, "resource": {"resource": resource}, "subResource": sub,
            "namespace": "tb-acme-protected", "userInfo": {"username": "operator"}}),
        );
        let why = why.unwrap_or_else(|| panic!("{resource}/{sub} was let in"));
        assert!(
            why.contains(&format!("{resource}/{sub}")) && why.contains("-n tb-acme`"),
            "{why}"
        );
    }
}

#[test]
fn what_no_rule_names_is_allowed() {
    let ordinary = json!({"operation": "UPDATE", "resource": {"resource": "pods"}, "namespace": "x"});
    assert_eq!(rule(&ordinary).0, "none");
}
