//! A change and what an order keeps of it.

use super::{Rule, create, later, update};
use crate::examples::SHA;
use serde_json::{Value, json};

/// Every rule of these.
pub fn rules() -> Vec<Rule> {
    let mut rules = asked();
    rules.extend(answered());
    rules.extend(kept());
    rules
}

fn asked() -> Vec<Rule> {
    let request = |request: Value| json!({"spec": {"request": request}});
    vec![
        create(
            "ChangeOrder",
            "`spec.request` must ask for at least one change",
            request(json!({"support_tier": null, "add": [{"sku": "s", "qty": 1}]})),
            request(json!({"support_tier": null, "add": []})),
        ),
        update(
            "ChangeOrder",
            "what was asked must not change: make another change order",
            json!({}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            request(json!({"add_nvme_gb": 2000})),
        ),
    ]
}

fn answered() -> Vec<Rule> {
    let answer = |decision: Value| json!({"spec": {"resolution": decision}});
    let in_phase = |phase: &str| json!({"spec": {"reason": "more runs"}, "status": {"phase": phase}});
    let issue = answer(json!({"decision": "issue", "draftDigest": SHA}));
    let priced = |digest: &str| json!({"status": {"phase": "Quoted", "digest": digest}});
    let applied = |at: &str| json!({"status": {"appliedAt": at}});
    vec![
        create(
            "ChangeOrder",
            "`spec.resolution` must not be set before a person is needed: the seller answers a change that is `NeedsHuman`",
            json!({"spec": {"reason": "more runs"}}),
            // Refused at the creation by this rule alone: the one of the digest compares with what was there.
            answer(json!({"decision": "issue"})),
        ),
        update(
            "ChangeOrder",
            "`spec.resolution` must not change once the change is no longer `NeedsHuman`",
            in_phase("Quoted"),
            json!({"metadata": {"labels": {"note": "x"}}}),
            issue.clone(),
        ),
        update(
            "ChangeOrder",
            "`spec.resolution.draftDigest` must be set with decision 'issue': it is the `status.draftDigest` of the change that was looked at",
            in_phase("NeedsHuman"),
            issue,
            answer(json!({"decision": "issue", "draftDigest": null})),
        ),
        update(
            "ChangeOrder",
            "`digest` and `signature` of a change must not change: what was priced stays",
            priced("a"),
            json!({"status": {"phase": "Declined"}}),
            priced("b"),
        ),
        later(
            "ChangeOrder",
            "`appliedAt` is set once and must not change: prices changed then",
            vec![priced("a"), applied("2026-01-01T00:00:00Z")],
            json!({"status": {"observedGeneration": 1}}),
            applied("2026-01-02T00:00:00Z"),
        ),
    ]
}

/// What stays in the order.
fn kept() -> Vec<Rule> {
    let entry = |uid: &str, more: Value| {
        let mut entry = json!({"uid": uid, "name": uid, "digest": SHA, "acceptedAt": "2026-01-01T00:00:00Z"});
        if let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) {
            entry.extend(more.clone());
        }
        entry
    };
    let done = |uid: &str| entry(uid, json!({"appliedAt": "2026-01-02T00:00:00Z"}));
    let open = |uid: &str| entry(uid, json!({}));
    let changes = |all: Value| json!({"status": {"changes": all}});
    let decided =
        |answer: &str| json!({"spec": {"changeDecisions": {"a": {"answer": answer, "digest": SHA}}}});
    vec![
        later(
            "Order",
            "`spec.changeDecisions` must keep the decision about a change that was accepted",
            vec![decided("accept"), changes(json!([open("a")]))],
            json!({"spec": {"changeDecisions": {"b": {"answer": "decline", "digest": SHA}}}}),
            decided("decline"),
        ),
        later(
            "Order",
            "`changes` must keep every change, and those that are over must not change",
            vec![changes(json!([done("a")]))],
            changes(json!([done("a"), open("b")])),
            changes(json!([
                entry("a", json!({"appliedAt": "2026-01-03T00:00:00Z"})),
                open("b")
            ])),
        ),
        later(
            "Order",
            "what was accepted must not change: `appliedAt` or `rolledBackAt` is all that comes later",
            vec![changes(json!([open("a")]))],
            changes(json!([done("a")])),
            changes(json!([entry("a", json!({"addNvmeGb": 2000}))])),
        ),
        later(
            "Order",
            "`changes` must hold at most one that is on its way",
            vec![changes(json!([open("a")]))],
            changes(json!([done("a"), open("b")])),
            changes(json!([done("a"), open("b"), open("c")])),
        ),
        later(
            "Order",
            "`appliedAt` and `rolledBackAt` of a change must not both be set",
            vec![changes(json!([open("a")]))],
            changes(json!([entry(
                "a",
                json!({"rolledBackAt": "2026-01-02T00:00:00Z"})
            )])),
            changes(json!([entry(
                "a",
                json!({"appliedAt": "2026-01-02T00:00:00Z", "rolledBackAt": "2026-01-02T00:00:00Z"})
            )])),
        ),
    ]
}
