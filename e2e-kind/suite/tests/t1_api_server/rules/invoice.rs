//! The rules of an Invoice.

use super::{Rule, update};
use crate::examples::SHA;
use serde_json::{Value, json};

/// Every rule of an Invoice.
pub(super) fn rules() -> Vec<Rule> {
    of_spec().into_iter().chain(of_status()).collect()
}

fn issued(total: i64) -> Value {
    json!({"status": {
        "bill": {"lines": [], "totalMinor": total, "issuedOn": "2026-01-12", "dueOn": "2026-01-12", "isSent": true,
            "tax": "not_included"},
        "digest": SHA, "publicKey": SHA, "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "v"},
    }})
}

/// What was issued, with `value` at a place of it.
fn with(path: &str, value: Value) -> Value {
    let mut status = issued(175);
    let (parent, name) = path.rsplit_once('/').unwrap();
    status.pointer_mut(parent).unwrap()[name] = value;
    status
}

fn of_spec() -> Vec<Rule> {
    let labelled = json!({"metadata": {"labels": {"note": "x"}}});
    let resolved = |reason: &str| json!({"spec": {"resolution": {"reason": reason}}});
    vec![
        update(
            "Invoice",
            "`spec.orderRef` must not change: an invoice is of one order",
            json!({}),
            labelled.clone(),
            json!({"spec": {"orderRef": {"name": "another"}}}),
        ),
        update(
            "Invoice",
            "`basis` is frozen when the invoice is written down and must not change",
            json!({}),
            resolved("looked at"),
            json!({"spec": {"basis": {"currency": "EUR"}}}),
        ),
        update(
            "Invoice",
            "`spec.resolution` is set once and must not change",
            resolved("looked at"),
            labelled.clone(),
            resolved("looked at again"),
        ),
        update(
            "Invoice",
            "`spec.resolution` must not be set once the invoice is issued: what was signed stays",
            with("/status/phase", "Issued".into()),
            labelled,
            resolved("too late"),
        ),
    ]
}

fn of_status() -> Vec<Rule> {
    let seen = json!({"status": {"observedGeneration": 1}});
    vec![
        update(
            "Invoice",
            "`bill` must not be taken away: what was issued stays",
            issued(175),
            seen.clone(),
            with("/status/bill", Value::Null),
        ),
        update(
            "Invoice",
            "`bill` must not change: a correction is a credit note",
            issued(175),
            seen.clone(),
            issued(174),
        ),
        update(
            "Invoice",
            "`digest` must not change: what was issued stays",
            issued(175),
            seen.clone(),
            with("/status/digest", "0".repeat(64).into()),
        ),
        update(
            "Invoice",
            "`signature` and `publicKey` must not change: what was issued stays",
            issued(175),
            seen.clone(),
            with("/status/signature/value", "w".into()),
        ),
        update(
            "Invoice",
            "`bill` must come with `digest`, `signature` and `publicKey`: nothing is issued unsigned",
            json!({}),
            issued(175),
            with("/status/signature", Value::Null),
        ),
    ]
}
