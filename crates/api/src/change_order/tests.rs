use super::*;
use crate::judged::refusals;
use crate::order::Order;
use kube::CustomResourceExt;
use serde_json::{Value, json};

fn change(spec: &Value, status: &Value) -> Value {
    json!({"metadata": {"name": "c"}, "spec": spec, "status": status})
}

fn asked(more: &Value) -> Value {
    let mut spec = json!({"orderRef": {"name": "o"}, "request": {"support_tier": "premium"}});
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    spec
}

#[test]
fn a_change_asks_for_something_and_stays_as_it_was_asked() {
    let crd = ChangeOrder::crd();
    let said = |old: Option<&Value>, new: &Value| refusals(&crd, old, new);
    let old = change(&asked(&json!({})), &json!({"phase": "Quoted"}));
    assert_eq!(said(None, &old), [""; 0]);
    for request in [json!({}), json!({"add": []})] {
        let refused = said(None, &change(&asked(&json!({ "request": request })), &json!({})));
        assert!(refused[0].contains("at least one change"), "{refused:?}");
    }
    let requests = [
        json!({"add": [{"sku": "s", "qty": 1}]}),
        json!({"add_nvme_gb": 1}),
        json!({"upgrade_gpu_count": 4}),
        json!({"extend_term_days": 30}),
    ];
    for request in requests {
        let new = change(
            &asked(&json!({ "request": request })),
            &json!({"phase": "Quoted"}),
        );
        assert_eq!(said(None, &new), [""; 0]);
        assert!(said(Some(&old), &new)[0].contains("make another change order"));
    }
    let because = change(&asked(&json!({"reason": "r"})), &json!({"phase": "Quoted"}));
    assert!(said(Some(&old), &because)[0].contains("make another change order"));
}

#[test]
fn the_seller_answers_what_needs_a_person_and_nothing_else() {
    let crd = ChangeOrder::crd();
    let answer = json!({"resolution": {"decision": "issue", "draftDigest": "d"}});
    let of = |phase: &str, more: &Value| change(&asked(more), &json!({ "phase": phase }));
    for (phase, words) in [
        ("NeedsHuman", None),
        ("Requested", Some("before a person is needed")),
        ("Quoted", Some("no longer `NeedsHuman`")),
    ] {
        let refused = refusals(&crd, Some(&of(phase, &json!({}))), &of(phase, &answer));
        match words {
            None => assert_eq!(refused, [""; 0]),
            Some(words) => assert!(refused[0].contains(words), "{refused:?}"),
        }
    }
    let blind = json!({"resolution": {"decision": "issue"}});
    let refused = refusals(
        &crd,
        Some(&of("NeedsHuman", &json!({}))),
        &of("NeedsHuman", &blind),
    );
    assert!(refused[0].contains("draftDigest"), "{refused:?}");
}

#[test]
fn what_was_priced_and_when_it_was_applied_stay() {
    let crd = ChangeOrder::crd();
    let at = |status: Value| change(&asked(&json!({})), &status);
    let priced = at(json!({"phase": "Quoted", "digest": "a"}));
    let other = at(json!({"phase": "Quoted", "digest": "b"}));
    assert!(refusals(&crd, Some(&priced), &other)[0].contains("what was priced stays"));
    let applied = at(json!({"phase": "Applied", "appliedAt": "2026-01-01T00:00:00Z"}));
    let later = at(json!({"phase": "Applied", "appliedAt": "2026-01-02T00:00:00Z"}));
    assert!(refusals(&crd, Some(&applied), &later)[0].contains("set once"));
    assert_eq!(refusals(&crd, Some(&priced), &priced), [""; 0]);
}

#[test]
fn an_order_keeps_its_changes_and_has_one_on_its_way() {
    let crd = Order::crd();
    let spec = |decisions: Value| json!({"offerRef": {"name": "o"}, "mode": "protectedModel", "instances": 1, "contractId": "c", "modelAssetRef": {"name": "a"}, "changeDecisions": decisions});
    let entry = |uid: &str, more: Value| {
        let mut entry = json!({"uid": uid, "name": uid, "digest": "d", "byLimit": false, "acceptedAt": "2026-01-01T00:00:00Z"});
        entry
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        entry
    };
    let order = |changes: Value, decisions: Value| json!({"metadata": {"name": "o"}, "spec": spec(decisions), "status": {"phase": "Active", "changes": changes}});
    let done = |uid: &str| entry(uid, json!({"appliedAt": "2026-01-02T00:00:00Z"}));
    let open = |uid: &str| entry(uid, json!({}));
    let yes = json!({"a": {"answer": "accept", "digest": "d"}});
    let no = json!({"a": {"answer": "decline", "digest": "d"}});
    let said = |old: &Value, new: &Value| refusals(&crd, Some(old), new);
    let before = order(json!([open("a")]), yes.clone());
    assert_eq!(said(&before, &order(json!([done("a")]), yes.clone())), [""; 0]);
    assert!(said(&before, &order(json!([open("a")]), no))[0].contains("must keep the decision"));
    assert!(said(&before, &order(json!([]), yes.clone()))[0].contains("must keep every change"));
    let after = order(json!([done("a")]), yes.clone());
    let undone = entry("a", json!({"rolledBackAt": "2026-01-02T00:00:00Z"}));
    assert!(said(&after, &order(json!([undone]), yes.clone()))[0].contains("must keep every change"));
    assert_eq!(
        said(&after, &order(json!([done("a"), open("b")]), yes.clone())),
        [""; 0]
    );
    let two = order(json!([done("a"), open("b"), open("c")]), yes);
    assert!(said(&after, &two)[0].contains("at most one"));
}
