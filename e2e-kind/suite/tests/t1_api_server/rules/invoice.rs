//! The rules of an Invoice.

use super::{Rule, update};
use crate::examples::SHA;
use serde_json::{Value, json};

/// Every rule of an Invoice.
pub(super) fn rules() -> Vec<Rule> {
    let labelled = json!({"metadata": {"labels": {"note": "x"}}});
    let resolved = |reason: &str| json!({"spec": {"resolution": {"reason": reason}}});
    let issued = |total: i64| {
        json!({"status": {
            "bill": {"lines": [], "totalMinor": total, "issuedOn": "2026-01-12", "dueOn": "2026-01-12", "isSent": true,
                "tax": "not_included"},
            "digest": SHA, "publicKey": SHA, "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "v"},
        }})
    };
    let with = |path: &str, value: Value| {
        let mut patch = issued(175);
        *patch.pointer_mut(path).unwrap() = value;
        patch
    };
    let seen = json!({"status": {"observedGeneration": 1}});
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
            labelled,
            resolved("looked at again"),
        ),
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
