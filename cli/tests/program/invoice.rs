//! `invoice verify`: invoices of the rating that the operator calls, whole and touched, and the Python of the reference
//! page beside it.

mod changed_terms;
mod changes;
mod credits;

use std::fs;
use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use trustbridge_domain::calendar::{parse_date, parse_instant};
use trustbridge_domain::canonical::signed_text;
use trustbridge_domain::invoice::{Basis, Printed, SIGNED_CREDIT_KIND, SIGNED_KIND, terms, verify};
use trustbridge_domain::money::minor_to_decimal;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};

use self::changes::{with, without};
use crate::support::{fails, json as told, ok, page_program};

fn at(text: &str) -> i64 {
    parse_instant("at", text).unwrap()
}

fn line(sku: &str, model: BillingModel, unit_price_minor: i64) -> Value {
    let line = QuoteLine {
        sku: sku.to_owned(),
        quantity: 1,
        model,
        unit_price_minor,
        min_hours: 4,
    };
    serde_json::to_value(line).unwrap()
}

/// The basis of an order's last invoice: two instances, used for some hours of two days of February, ended on the second.
fn basis(schedule: &str, from: &str, to: &str, sold: &[Value]) -> Basis {
    let (begin, end) = (at("2026-02-09T22:30:00Z"), at("2026-02-10T02:00:00Z"));
    let sold: Vec<QuoteLine> = sold
        .iter()
        .map(|l| serde_json::from_value(l.clone()).unwrap())
        .collect();
    let stretch = |seq: u32, from: i64, to: i64| {
        json!({"seq": seq, "fromMs": from, "toMs": to, "kind": "Serving", "gpus": 1, "nvmeGb": 1000,
            "rateKey": "base", "openedBy": "Ready", "closedBy": "OrderTerminated"})
    };
    let instance = |name: &str, intervals: Value| json!({"name": name, "uid": format!("uid-{name}"), "endedMs": end, "intervals": intervals});
    let half = begin + 3_600_000;
    serde_json::from_value(json!({
        "org": "acme", "order": "order-1", "orderUid": "o-1", "quoteDigest": "ab".repeat(32), "currency": "USD",
        "schedule": schedule, "period": {"fromMs": at(from), "toMs": at(to)}, "endedMs": end,
        "policy": {"finalizeAfterDays": 4, "netDays": 14},
        "lines": terms(&sold, &sold[0].sku, 30, begin).unwrap(),
        "instances": [
            instance("order-1-0", json!([stretch(0, begin, half), stretch(1, half + 61_000, end)])),
            instance("order-1-1", json!([stretch(0, half, end - 7_200_000)])),
        ],
        "records": [{"record": "order-1-0-2026-02-10-x", "instance": "order-1-0", "day": "2026-02-10",
            "digest": "cd".repeat(32), "complete": false, "total": {"requests": 12}}],
        "doubts": ["UsageRecord order-1-0-2026-02-10-x of 2026-02-10 is not complete (UsageLost)"],
    }))
    .unwrap()
}

fn hours() -> Basis {
    let sold = [
        line("StudioTune-1GPU", BillingModel::Hourly, 215),
        line("NVMe-AddOn-2TB", BillingModel::Monthly, 25_000),
    ];
    basis(
        "metered-daily",
        "2026-02-10T00:00:00Z",
        "2026-02-11T00:00:00Z",
        &sold,
    )
}

fn months() -> Basis {
    let sold = [
        line("TunePod-1GPU", BillingModel::Monthly, 320_000),
        line("Support-Standard", BillingModel::Monthly, 60_000),
        line("Support-Standard", BillingModel::Monthly, 60_000),
    ];
    basis("recurring", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", &sold)
}

/// The invoice as the API server prints it.
fn issued(basis: &Basis, key: &Ed25519KeyPair) -> Value {
    issued_on("2026-02-11", basis, key)
}

fn issued_on(day: &str, basis: &Basis, key: &Ed25519KeyPair) -> Value {
    let bill = basis.bill(parse_date("day", day).unwrap()).unwrap();
    let summary = format!("{} USD", minor_to_decimal(bill.total_minor));
    let mut invoice = json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Invoice",
        "metadata": {"name": basis.name(), "namespace": "tb-acme", "uid": "i-1", "generation": 2,
            "creationTimestamp": "2026-02-11T00:00:00Z"},
        "spec": {"orderRef": {"name": "order-1"}, "basis": basis, "resolution": {"reason": "requests cost nothing: ä \"€\""}},
        "status": {"phase": "Issued", "observedGeneration": 2, "bill": bill, "summary": summary, "conditions": []},
    });
    sign(&mut invoice, key);
    invoice
}

/// Makes digest and signature anew, from what stands there.
fn sign(invoice: &mut Value, key: &Ed25519KeyPair) {
    let is_note = invoice["spec"]["type"] == "creditNote";
    let mut document = json!({
        "namespace": invoice["metadata"]["namespace"], "name": invoice["metadata"]["name"],
        "bill": invoice["status"]["bill"],
    });
    if is_note {
        document["credit"] = invoice["spec"]["credit"].clone();
    } else {
        let settled = invoice.pointer("/spec/resolution/reason");
        document["settled"] = settled.cloned().unwrap_or_else(|| json!(""));
        document["basis"] = invoice["spec"]["basis"].clone();
    }
    let kind = if is_note { SIGNED_CREDIT_KIND } else { SIGNED_KIND };
    let digest = trustbridge_domain::canonical::digest(&document).unwrap();
    let public = key.public_key().as_ref();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public);
    let signature = key.sign(signed_text(kind, &digest).as_bytes());
    invoice["status"]["digest"] = digest.into();
    invoice["status"]["publicKey"] = HEXLOWER.encode(public).into();
    invoice["status"]["signature"] = json!({
        "keyId": HEXLOWER.encode(hash.as_ref())[..16], "algorithm": "Ed25519", "value": HEXLOWER.encode(signature.as_ref()),
    });
}

/// What the Rust verifier finds, in this process.
fn found(invoice: &Value) -> Vec<String> {
    let is_signed = |key: &[u8; 32], text: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(text, signature)
            .is_ok()
    };
    match serde_json::from_value::<Printed>(invoice.clone()) {
        Ok(printed) => verify(&printed, &[], is_signed).findings,
        Err(error) => vec![error.to_string()],
    }
}

/// What the program of the reference page says of each file.
fn python(dir: &Path, invoices: &[Value]) -> Vec<String> {
    let names: Vec<String> = (0..invoices.len())
        .map(|index| format!("py-{index}.json"))
        .collect();
    for (name, invoice) in names.iter().zip(invoices) {
        fs::write(dir.join(name), invoice.to_string()).unwrap();
    }
    let run = page_program("invoices.md")
        .current_dir(dir)
        .args(&names)
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    let verdict = |line: &str| line.split_once(": ").unwrap().1.to_owned();
    let verdicts: Vec<String> = said.lines().map(verdict).collect();
    assert_eq!(verdicts.len(), invoices.len(), "{said}{errors}");
    assert!(
        !said.contains("ModuleNotFound") && errors.is_empty(),
        "{said}{errors}"
    );
    assert_eq!(
        run.status.code(),
        Some(if verdicts.iter().all(|v| v == "ok") { 0 } else { 65 })
    );
    verdicts
}

#[test]
fn an_invoice_is_rated_again_from_its_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let public = HEXLOWER.encode(key.public_key().as_ref());
    let (hours, months) = (issued(&hours(), &key), issued(&months(), &key));
    assert_eq!(hours["status"]["bill"]["lines"][1]["sku"], "Min-Hours");
    assert_eq!(months["status"]["bill"]["lines"][3]["sku"], "MinTerm-Adjustment");
    fs::write(
        dir.path().join("a.yaml"),
        serde_saphyr::to_string(&hours).unwrap(),
    )
    .unwrap();
    fs::write(dir.path().join("b.json"), months.to_string()).unwrap();
    let report = told(
        dir.path(),
        &format!("invoice verify a.yaml --public-key {public}"),
    );
    assert_eq!(
        (&report["result"], &report["public_keys_checked"]),
        (&json!("ok"), &json!(true))
    );
    assert_eq!(report["total"], hours["status"]["summary"]);
    let mut fields: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let page = ok(dir.path(), "man --markdown");
    let row = page
        .lines()
        .find(|line| line.starts_with("| invoice | "))
        .unwrap();
    fields.retain(|field| !row.contains(&format!("`{field}`")));
    assert!(fields.is_empty(), "not in the reference: {fields:?}");
    assert!(ok(dir.path(), "invoice verify b.json").contains("give --public-key"));
    assert_eq!(python(dir.path(), &[hours, months]), ["ok", "ok"]);
}

#[test]
fn refusals_name_the_file_and_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let right = issued(&hours(), &key);
    let put = |invoice: &Value| fs::write(dir.path().join("i.json"), invoice.to_string()).unwrap();
    let refused = |line: &str| fails(dir.path(), 65, &format!("invoice verify i.json {line}"));
    put(&right);
    let said = refused(&format!("--public-key {}", "00".repeat(32)));
    assert!(
        said.contains("i.json") && said.contains("status.publicKey"),
        "{said}"
    );
    let path = "/status/bill/lines/1/amountMinor";
    put(&with(&right, path, json!(1)));
    let said = refused("");
    assert!(said.contains("status.bill.lines[1].amountMinor"), "{said}");
    put(&without(&right, "/status/bill"));
    assert!(refused("").contains("not issued yet"));
    put(&json!({"kind": "Order"}));
    assert!(refused("").contains("no Invoice"));
    assert!(fails(dir.path(), 74, "invoice verify none.yaml").contains("none.yaml"));
    let said = fails(dir.path(), 64, "invoice verify i.json --public-key 00");
    assert!(said.contains("64 hexadecimal"), "{said}");
}
