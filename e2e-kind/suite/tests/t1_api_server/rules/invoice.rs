//! The rules of an Invoice and a credit note.

use super::{Rule, create, later, update};
use crate::examples::{SHA, merged};
use serde_json::{Value, json};

/// Every rule of an Invoice.
pub(super) fn rules() -> Vec<Rule> {
    let all = [
        of_spec(),
        of_types(),
        of_payments(),
        of_reversals(),
        of_credits(),
        of_status(),
    ];
    all.into_iter().flatten().collect()
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

/// The example as a credit note.
fn note(amount: i64) -> Value {
    json!({"spec": {"type": "creditNote", "basis": null, "credit": {
        "org": "acme", "order": "o", "orderUid": "u", "currency": "USD", "invoice": "i", "invoiceDigest": SHA,
        "invoiceTotalMinor": 175, "period": {"fromMs": 0, "toMs": 86_400_000}, "id": "cn-1", "earlierMinor": 0,
        "amountMinor": amount, "reason": "an hour was ours",
    }}})
}

fn of_types() -> Vec<Rule> {
    let labelled = json!({"metadata": {"labels": {"note": "x"}}});
    vec![
        update(
            "Invoice",
            "`spec.type` must not change: an invoice never becomes a credit note",
            json!({}),
            labelled.clone(),
            note(175),
        ),
        create(
            "Invoice",
            "`spec.basis` must be set of an invoice and `spec.credit` of a credit note, and never both",
            note(175),
            json!({"spec": {"type": "creditNote"}}),
        ),
        create(
            "Invoice",
            "`spec.resolution`, `spec.payments`, `spec.reversals` and `spec.credits` must not be set of a credit note: it has no doubts, and nothing is paid or taken back of it",
            note(175),
            merged(
                &note(175),
                &json!({"spec": {"resolution": {"reason": "looked at"}}}),
            ),
        ),
        update(
            "Invoice",
            "`credit` is frozen when the credit note is written down and must not change",
            note(175),
            labelled,
            note(174),
        ),
    ]
}

fn payments(all: &[(&str, i64)]) -> Value {
    let one = |(reference, amount): &(&str, i64)| json!({"reference": reference, "amountMinor": amount, "receivedOn": "2026-01-12"});
    json!({"spec": {"payments": all.iter().map(one).collect::<Vec<_>>()}})
}

fn credits(all: &[(&str, i64)]) -> Value {
    let one =
        |(id, amount): &(&str, i64)| json!({"id": id, "amountMinor": amount, "reason": "an hour was ours"});
    json!({"spec": {"credits": all.iter().map(one).collect::<Vec<_>>()}})
}

fn of_payments() -> Vec<Rule> {
    let on = |day: &str| json!({"spec": {"payments": [{"reference": "trx-1", "amountMinor": 1, "receivedOn": day}]}});
    vec![
        create(
            "Invoice",
            "`spec.payments` and `spec.credits` must not be set before the invoice is issued: there is nothing to pay or to take back",
            json!({}),
            payments(&[("trx-1", 175)]),
        ),
        later(
            "Invoice",
            "`spec.payments` must keep every payment as it was recorded: add to the list",
            vec![issued(175), payments(&[("trx-1", 100)])],
            payments(&[("trx-1", 100), ("trx-2", 75)]),
            payments(&[("trx-2", 75)]),
        ),
        update(
            "Invoice",
            "`reference` must not hold what may be the number of a card: give the bank's reference of the transfer",
            issued(175),
            payments(&[("TRX-2026-03-04-00170 of DE89370400440532013000", 175)]),
            payments(&[("card 4111 1111 1111 1111", 175)]),
        ),
        update(
            "Invoice",
            "`receivedOn` must be a UTC date, e.g. '2026-03-04'",
            issued(175),
            on("2026-03-04"),
            on("2026-13-04"),
        ),
    ]
}

/// The invoice with a payment of 100, and these reversals of it.
fn reversals(all: &[(&str, &str, i64, &str)]) -> Value {
    let one = |(id, payment, amount, day): &(&str, &str, i64, &str)| json!({"id": id, "payment": payment, "amountMinor": amount, "reversedOn": day, "reason": "bounced"});
    json!({"spec": {"reversals": all.iter().map(one).collect::<Vec<_>>()}})
}

fn of_reversals() -> Vec<Rule> {
    let paid = || vec![issued(175), payments(&[("trx-1", 100)])];
    let with_one = || {
        let mut steps = paid();
        steps.push(reversals(&[("rv-1", "trx-1", 60, "2026-01-13")]));
        steps
    };
    vec![
        later(
            "Invoice",
            "`spec.reversals` must keep every reversal as it was recorded: add to the list",
            with_one(),
            reversals(&[
                ("rv-1", "trx-1", 60, "2026-01-13"),
                ("rv-2", "trx-1", 40, "2026-01-14"),
            ]),
            reversals(&[("rv-1", "trx-1", 59, "2026-01-13")]),
        ),
        later(
            "Invoice",
            "`payment` of a reversal must be the `reference` of a payment of this invoice",
            paid(),
            reversals(&[("rv-1", "trx-1", 1, "2026-01-13")]),
            reversals(&[
                ("rv-1", "trx-1", 1, "2026-01-13"),
                ("rv-2", "trx-2", 1, "2026-01-13"),
            ]),
        ),
        later(
            "Invoice",
            "`spec.reversals` must not take more out of a payment than it was recorded with",
            paid(),
            reversals(&[
                ("rv-1", "trx-1", 60, "2026-01-13"),
                ("rv-2", "trx-1", 40, "2026-01-13"),
            ]),
            reversals(&[
                ("rv-1", "trx-1", 60, "2026-01-13"),
                ("rv-2", "trx-1", 41, "2026-01-13"),
            ]),
        ),
        later(
            "Invoice",
            "`reversedOn` must be a UTC date, e.g. '2026-03-06'",
            paid(),
            reversals(&[("rv-1", "trx-1", 60, "2026-01-13")]),
            reversals(&[
                ("rv-1", "trx-1", 60, "2026-01-13"),
                ("rv-2", "trx-1", 1, "2026-01-32"),
            ]),
        ),
    ]
}

fn of_credits() -> Vec<Rule> {
    let notes = |amount: i64, digest: Option<&str>| {
        let mut note =
            json!({"id": "cn-1", "name": "i-credit-cn-1", "earlierMinor": 0, "amountMinor": amount});
        if let Some(digest) = digest {
            note["digest"] = digest.into();
        }
        json!({"status": {"creditNotes": [note]}})
    };
    vec![
        later(
            "Invoice",
            "`spec.credits` must keep every credit as it was asked for: add to the list",
            vec![issued(175), credits(&[("cn-1", 100)])],
            credits(&[("cn-2", 75), ("cn-1", 100)]),
            credits(&[("cn-1", 99)]),
        ),
        update(
            "Invoice",
            "`spec.credits` must not take back more than the invoice asks for",
            issued(175),
            credits(&[("cn-1", 100), ("cn-2", 75)]),
            credits(&[("cn-1", 100), ("cn-2", 76)]),
        ),
        later(
            "Invoice",
            "`creditNotes` must keep every credit note as it was written down",
            vec![issued(175), notes(100, None)],
            notes(100, Some(SHA)),
            notes(99, None),
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
