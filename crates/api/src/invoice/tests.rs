//! Rules of what was paid and taken out again.

use super::*;
use crate::judged::refusals;
use kube::CustomResourceExt;
use serde_json::{Value, json};

fn invoice(payments: &[(&str, i64)], reversals: &[(&str, &str, i64)]) -> Value {
    let paid = |(reference, amount): &(&str, i64)| json!({"reference": reference, "amountMinor": amount, "receivedOn": "2026-03-04"});
    let out = |(id, payment, amount): &(&str, &str, i64)| json!({"id": id, "payment": payment, "amountMinor": amount, "reversedOn": "2026-03-06", "reason": "bounced"});
    let mut invoice = json!({
        "spec": {"type": "invoice", "orderRef": {"name": "o"}, "basis": {}},
        "status": {"phase": "Issued", "digest": "d", "publicKey": "k", "signature": {}, "bill": {"totalMinor": 175}},
    });
    if !payments.is_empty() {
        invoice["spec"]["payments"] = payments.iter().map(paid).collect();
    }
    if !reversals.is_empty() {
        invoice["spec"]["reversals"] = reversals.iter().map(out).collect();
    }
    invoice
}

/// Reversals, and what is said of them.
type Row<'a> = (&'a [(&'a str, &'a str, i64)], &'a str);

#[test]
fn a_payment_is_taken_out_up_to_what_it_was() {
    let paid = [("trx-1", 100), ("trx-2", 75)];
    let said = |reversals: &[(&str, &str, i64)]| {
        let (old, new) = (invoice(&paid, &[]), invoice(&paid, reversals));
        refusals(&Invoice::crd(), Some(&old), &new)
    };
    assert_eq!(
        said(&[("rv-1", "trx-1", 100), ("rv-2", "trx-2", 1)]),
        Vec::<String>::new()
    );
    assert_eq!(
        said(&[("rv-1", "trx-1", 60), ("rv-2", "trx-1", 40)]),
        Vec::<String>::new()
    );
    let rows: [Row<'_>; 3] = [
        (&[("rv-1", "trx-1", 101)], "must not take more out of a payment"),
        (
            &[("rv-1", "trx-1", 60), ("rv-2", "trx-1", 41)],
            "must not take more out of a payment",
        ),
        (&[("rv-1", "trx-3", 1)], "must be the `reference` of a payment"),
    ];
    for (reversals, right) in rows {
        let said = said(reversals);
        assert!(
            said.len() == 1 && said[0].contains(right),
            "{reversals:?}: {said:?}"
        );
    }
    let unpaid = refusals(&Invoice::crd(), None, &invoice(&[], &[("rv-1", "trx-1", 1)]));
    assert!(
        unpaid.iter().any(|m| m.contains("`reference` of a payment")),
        "{unpaid:?}"
    );
}

#[test]
fn a_reversal_stays_as_it_was_recorded() {
    let paid = [("trx-1", 100)];
    let old = invoice(&paid, &[("rv-1", "trx-1", 60)]);
    for new in [invoice(&paid, &[]), invoice(&paid, &[("rv-1", "trx-1", 59)])] {
        let said = refusals(&Invoice::crd(), Some(&old), &new);
        assert!(
            said.len() == 1 && said[0].contains("must keep every reversal"),
            "{said:?}"
        );
    }
}
