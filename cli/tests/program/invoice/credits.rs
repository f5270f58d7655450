//! Credit notes: whole, touched, signed anew, and beside an invoice that is theirs or another's.

use std::fs;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use trustbridge_domain::calendar::parse_date;
use trustbridge_domain::invoice::Credit;
use trustbridge_domain::money::minor_to_decimal;

use super::changes::{Random, both_find, leaves, other, single_changes, with};
use super::{found, hours, issued, months, python, sign};
use crate::support::{fails, json as told, ok};

/// The credit note over `amount` of that invoice, as the API server prints it.
fn note(invoice: &Value, id: &str, earlier: i64, amount: i64, key: &Ed25519KeyPair) -> Value {
    let (basis, status) = (&invoice["spec"]["basis"], &invoice["status"]);
    let credit: Credit = serde_json::from_value(json!({
        "org": basis["org"], "order": basis["order"], "orderUid": basis["orderUid"], "currency": basis["currency"],
        "invoice": invoice["metadata"]["name"], "invoiceDigest": status["digest"],
        "invoiceTotalMinor": status["bill"]["totalMinor"], "period": basis["period"],
        "id": id, "earlierMinor": earlier, "amountMinor": amount, "reason": "an hour was ours: ä \"€\"",
    }))
    .unwrap();
    let bill = credit.bill(parse_date("day", "2026-02-20").unwrap()).unwrap();
    let summary = format!("{} USD", minor_to_decimal(bill.total_minor));
    let mut note = json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Invoice",
        "metadata": {"name": credit.name(), "namespace": "tb-acme", "uid": "n-1", "generation": 1},
        "spec": {"orderRef": {"name": "order-1"}, "type": "creditNote", "credit": credit},
        "status": {"phase": "Issued", "observedGeneration": 1, "bill": bill, "summary": summary, "conditions": []},
    });
    sign(&mut note, key);
    note
}

#[test]
fn a_credit_note_is_verified_by_itself_and_beside_its_invoice() {
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let public = HEXLOWER.encode(key.public_key().as_ref());
    let invoice = issued(&hours(), &key);
    let total = invoice["status"]["bill"]["totalMinor"].as_i64().unwrap();
    let first = note(&invoice, "cn-1", 0, 215, &key);
    let rest = note(&invoice, "cn-2", 215, total - 215, &key);
    let put = |name: &str, document: &Value| fs::write(dir.path().join(name), document.to_string()).unwrap();
    put("i.json", &invoice);
    put("n.json", &first);
    put("r.json", &rest);
    let report = told(
        dir.path(),
        &format!("invoice verify n.json --invoice i.json --public-key {public}"),
    );
    let right = json!(["credit note", "-2.15 USD", true, "ok"]);
    let says = ["kind", "total", "corrected_invoice_checked", "result"].map(|field| report[field].clone());
    assert_eq!(json!(says), right, "{report}");
    assert_eq!(report["corrects"], invoice["metadata"]["name"]);
    assert!(ok(dir.path(), "invoice verify r.json").contains("give --invoice"));
    assert_eq!(
        python(dir.path(), &[invoice.clone(), first, rest]),
        ["ok", "ok", "ok"]
    );
    let said = fails(dir.path(), 65, "invoice verify i.json --invoice i.json");
    assert!(said.contains("is an invoice and corrects none"), "{said}");
    let said = fails(dir.path(), 65, "invoice verify n.json --invoice r.json");
    assert!(said.contains("which nothing corrects"), "{said}");
}

/// A note that is right by itself, of an invoice that says something else.
#[test]
fn a_note_of_another_invoice_is_found_although_both_are_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let (invoice, stranger) = (issued(&hours(), &key), issued(&months(), &key));
    let right = note(&invoice, "cn-1", 0, 100, &key);
    let claims: [(&str, Value); 4] = [
        ("invoiceTotalMinor", json!(1_000_000)),
        ("invoiceDigest", json!("ab".repeat(32))),
        ("currency", json!("EUR")),
        ("period", stranger["spec"]["basis"]["period"].clone()),
    ];
    for (field, value) in claims {
        let mut wrong = with(&right, &format!("/spec/credit/{field}"), value);
        let credit: Credit = serde_json::from_value(wrong["spec"]["credit"].clone()).unwrap();
        let bill = credit.bill(parse_date("day", "2026-02-20").unwrap()).unwrap();
        wrong["status"]["summary"] = json!(format!("-1.00 {}", credit.currency));
        wrong["status"]["bill"] = serde_json::to_value(bill).unwrap();
        sign(&mut wrong, &key);
        assert_eq!(found(&wrong), Vec::<String>::new(), "{field}: right by itself");
        fs::write(dir.path().join("i.json"), invoice.to_string()).unwrap();
        fs::write(dir.path().join("n.json"), wrong.to_string()).unwrap();
        let said = fails(dir.path(), 65, "invoice verify n.json --invoice i.json");
        assert!(said.contains(&format!("spec.credit.{field}")), "{field}: {said}");
        let verdicts = python(dir.path(), &[invoice.clone(), wrong]);
        assert!(verdicts[1].starts_with("of another invoice"), "{verdicts:?}");
    }
    let mut early = right;
    early["status"]["bill"]["issuedOn"] = json!("2026-02-10");
    early["status"]["bill"]["dueOn"] = json!("2026-02-10");
    sign(&mut early, &key);
    fs::write(dir.path().join("n.json"), early.to_string()).unwrap();
    let said = fails(dir.path(), 65, "invoice verify n.json --invoice i.json");
    assert!(said.contains("before the invoice was issued"), "{said}");
    assert_ne!(python(dir.path(), &[invoice, early])[1], "ok");
}

#[test]
fn every_single_change_of_a_credit_note_is_found_by_both_verifiers() {
    let seed = 20_260_213;
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let right = note(&issued(&hours(), &key), "cn-1", 100, 215, &key);
    assert_eq!(found(&right), Vec::<String>::new());
    let mut changed = single_changes(&right, &mut random);
    for more in [json!({"resolution": {"reason": "x"}}), json!({"basis": hours()})] {
        let mut both = right.clone();
        let spec = both["spec"].as_object_mut().unwrap();
        spec.extend(more.as_object().unwrap().clone());
        changed.push((format!("{:?} added", more.as_object().unwrap().keys()), both));
    }
    both_find(dir.path(), &changed, seed);
    println!(
        "{} single changes of a credit note, each found in Rust and in Python; seed {seed}",
        changed.len()
    );
}

/// Who has a key can sign anything: then what the credit comes to speaks alone.
#[test]
fn credits_that_do_not_follow_are_found_although_they_are_signed() {
    let seed = 20_260_214;
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let right = note(&issued(&hours(), &key), "cn-1", 100, 215, &key);
    let (mut paths, mut changed) = (Vec::new(), Vec::new());
    leaves(&right, "/status/bill", &mut paths);
    paths.retain(|path| !path.ends_with("issuedOn"));
    paths.extend(
        ["invoice", "amountMinor", "earlierMinor", "period/fromMs"].map(|f| format!("/spec/credit/{f}")),
    );
    for path in paths {
        let mut wrong = with(&right, &path, other(right.pointer(&path).unwrap(), &mut random));
        if path.ends_with("earlierMinor") {
            // Enough that nothing is left.
            wrong = with(&right, &path, json!(100_000 + random.below(9_000)));
        }
        sign(&mut wrong, &key);
        changed.push((path, wrong));
    }
    for amount in [0, -215] {
        let mut charge = with(&right, "/spec/credit/amountMinor", json!(amount));
        for (path, value) in [
            ("/status/bill/totalMinor", -amount),
            ("/status/bill/lines/0/amountMinor", -amount),
            ("/status/bill/lines/0/rateMicros", -amount * 10_000),
        ] {
            charge = with(&charge, path, json!(value));
        }
        charge["status"]["summary"] = json!(format!("{} USD", minor_to_decimal(-amount)));
        sign(&mut charge, &key);
        changed.push((format!("a charge of {}", -amount), charge));
    }
    both_find(dir.path(), &changed, seed);
    println!(
        "{} signed credit notes that do not follow, each found in Rust and in Python; seed {seed}",
        changed.len()
    );
}
