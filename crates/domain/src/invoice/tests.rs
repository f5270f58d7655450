//! A basis is rated to what the documents say, and a verdict finds every change.

use super::*;
use crate::calendar::{DAY_MS, day_period, parse_date, parse_instant};
use crate::canonical::signed_text;
use crate::intervals::{Interval, IntervalKind};
use crate::pricing::{BillingModel, QuoteLine};
use crate::rating::Doubt;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const H: i64 = 3_600_000;

fn at(text: &str) -> i64 {
    parse_instant("at", text).unwrap()
}

fn line(sku: &str, model: BillingModel, unit_price_minor: i64, min_hours: u32) -> QuoteLine {
    QuoteLine {
        sku: sku.to_owned(),
        quantity: 1,
        model,
        unit_price_minor,
        min_hours,
    }
}

fn interval(seq: u32, from_ms: i64, to_ms: Option<i64>) -> Interval {
    Interval {
        seq,
        from_ms,
        to_ms,
        kind: IntervalKind::Serving,
        gpus: 1,
        nvme_gb: 1000,
        rate_key: BASE.to_owned(),
        opened_by: "Ready".to_owned(),
        closed_by: to_ms.map(|_| "Draining".to_owned()),
        evidence: None,
    }
}

/// The day of the document: 18 hours at 1.75, and a disk by the month that another schedule bills.
fn studio() -> Basis {
    let day = day_period(parse_date("day", "2026-01-15").unwrap()).unwrap();
    let start = day.from_ms;
    let sold = [
        line("StudioGen-1GPU", BillingModel::Hourly, 175, 2),
        line("NVMe-AddOn-2TB", BillingModel::Monthly, 25_000, 0),
    ];
    let intervals = [interval(0, start + 2 * H, Some(start + 20 * H))];
    Basis {
        org: "acme".to_owned(),
        order: "order-1".to_owned(),
        order_uid: "uid-1".to_owned(),
        quote_digest: "ab".repeat(32),
        currency: "USD".to_owned(),
        schedule: "metered-daily".to_owned(),
        period: day,
        ended_ms: None,
        policy: Policy::default(),
        lines: terms(&sold, "StudioGen-1GPU", 0, start).unwrap(),
        instances: vec![BilledInstance {
            name: "order-1-0".to_owned(),
            uid: "uid-2".to_owned(),
            ended_ms: None,
            intervals: cut(&intervals, day.to_ms),
        }],
        records: vec![CountedDay {
            record: "order-1-0-2026-01-15-x".to_owned(),
            instance: "order-1-0".to_owned(),
            day: "2026-01-15".to_owned(),
            digest: "cd".repeat(32),
            complete: true,
            total: [("requests".to_owned(), 12)].into(),
        }],
        doubts: Vec::new(),
    }
}

fn issued(basis: &Basis, key: &Ed25519KeyPair) -> Value {
    let bill = basis.bill(parse_date("day", "2026-01-20").unwrap()).unwrap();
    let name = basis.name();
    let document = Document {
        namespace: "tb-acme",
        name: &name,
        basis,
        settled: "",
        bill: &bill,
    };
    let digest = document.digest().unwrap();
    let public = key.public_key().as_ref();
    let signature = key.sign(signed_text(SIGNED_KIND, &digest).as_bytes());
    json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Invoice",
        "metadata": {"name": name, "namespace": "tb-acme"},
        "spec": {"orderRef": {"name": "order-1"}, "basis": basis},
        "status": {
            "phase": "Issued", "bill": bill, "digest": digest,
            "summary": format!("{} USD", crate::money::minor_to_decimal(bill.total_minor)),
            "publicKey": HEXLOWER.encode(public),
            "signature": {
                "keyId": &HEXLOWER.encode(&Sha256::digest(public))[..16],
                "algorithm": "Ed25519",
                "value": HEXLOWER.encode(signature.as_ref()),
            },
        },
    })
}

fn judged(invoice: &Value, keys: &[String]) -> Vec<String> {
    let is_signed = |key: &[u8; 32], text: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(text, signature)
            .is_ok()
    };
    match serde_json::from_value::<Printed>(invoice.clone()) {
        Ok(printed) => verify(&printed, keys, is_signed).findings,
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn eighteen_hours_at_one_seventy_five_are_31_50_whenever_it_is_written() {
    let basis = studio();
    let bill = basis.bill(parse_date("day", "2026-01-20").unwrap()).unwrap();
    assert_eq!((bill.total_minor, bill.lines.len()), (3_150, 1));
    assert_eq!((bill.due_on.as_str(), bill.is_sent), ("2026-01-20", true));
    // Written a month later, when the interval of the next day is known: the same document.
    let mut later = basis.clone();
    let next = basis.period.to_ms;
    let all = [
        interval(0, next - 22 * H, Some(next - 4 * H)),
        interval(1, next + H, Some(next + 2 * H)),
    ];
    later.instances[0].intervals = cut(&all, next);
    assert_eq!(later, basis);
}

#[test]
fn what_goes_on_is_billed_to_the_end_of_the_period_and_again_in_the_next() {
    let mut basis = studio();
    let day = basis.period;
    let long = [interval(0, day.from_ms + 12 * H, Some(day.to_ms + 12 * H))];
    basis.instances[0].intervals = cut(&long, day.to_ms);
    assert_eq!(basis.instances[0].intervals[0].to_ms, None);
    let amount = |basis: &Basis| basis.bill(parse_date("day", "2026-02-20").unwrap()).unwrap();
    assert_eq!(amount(&basis).total_minor, 12 * 175);
    // The last one: the order ended, so the minimum is compared with all of its hours.
    let mut last = basis.clone();
    last.period.from_ms += DAY_MS;
    last.period.to_ms += DAY_MS;
    last.instances[0].intervals = cut(&long, last.period.to_ms);
    last.ended_ms = Some(day.to_ms + 12 * H);
    last.instances[0].ended_ms = last.ended_ms;
    last.lines[0].charge = crate::rating::terms::Charge::Hourly {
        rate_micros: crate::money::Rate::from_minor(175).unwrap(),
        min_hours: 30,
    };
    assert_eq!(amount(&last).total_minor, 12 * 175 + 6 * 175);
    assert_ne!(last.name(), basis.name());
}

#[test]
fn the_order_s_uid_is_in_the_name() {
    let (one, mut other) = (studio(), studio());
    other.order_uid = "uid-9".to_owned();
    assert_ne!(one.name(), other.name());
    assert!(one.name().starts_with("order-1-metered-daily-2026-01-15-"));
}

#[test]
fn hours_that_nobody_meters_are_no_terms() {
    let sold = [
        line("A", BillingModel::Monthly, 100, 0),
        line("B", BillingModel::Hourly, 5, 0),
    ];
    assert!(matches!(terms(&sold, "A", 30, 0), Err(Doubt::Terms { key, .. }) if key == "B"));
    let twice = [
        line("A", BillingModel::Monthly, 100, 0),
        line("A", BillingModel::Monthly, 100, 0),
        line("A", BillingModel::Monthly, 100, 0),
    ];
    let lines = terms(&twice, "A", 30, 7).unwrap();
    let keys: Vec<&str> = lines.iter().map(|l| l.key.as_str()).collect();
    assert_eq!(keys, ["base", "A", "A-2"]);
    assert_eq!(lines.iter().filter(|l| l.commitment.is_some()).count(), 1);
}

#[test]
fn a_schedule_or_period_of_nobody_is_in_doubt() {
    let today = parse_date("day", "2026-02-20").unwrap();
    let mut odd = studio();
    odd.schedule = "hourly".to_owned();
    assert!(odd.bill(today).is_err());
    let mut shifted = studio();
    shifted.period.from_ms += H;
    assert!(shifted.bill(today).is_err());
}

#[test]
fn a_verdict_says_which_line_differs() {
    let key = Ed25519KeyPair::generate().unwrap();
    let public = HEXLOWER.encode(key.public_key().as_ref());
    let right = issued(&studio(), &key);
    assert_eq!(judged(&right, &[]), Vec::<String>::new());
    assert_eq!(judged(&right, &[public]), Vec::<String>::new());
    assert!(judged(&right, &["00".repeat(32)])[0].contains("none of the keys"));
    let mut wrong = right.clone();
    wrong["status"]["bill"]["lines"][0]["amountMinor"] = json!(3151);
    let findings = judged(&wrong, &[]).join("\n");
    assert!(
        findings.contains("status.bill.lines[0].amountMinor"),
        "{findings}"
    );
    let mut early = right;
    early["status"]["bill"]["issuedOn"] = json!("2026-01-15");
    assert!(
        judged(&early, &[])
            .join("\n")
            .contains("before the period could be billed")
    );
    let another = Ed25519KeyPair::generate().unwrap();
    let mut forged = issued(&studio(), &another);
    forged["status"]["publicKey"] = issued(&studio(), &key)["status"]["publicKey"].clone();
    assert!(judged(&forged, &[]).join("\n").contains("is not the signature"));
}

#[test]
fn doubts_are_settled_or_held() {
    let key = Ed25519KeyPair::generate().unwrap();
    let mut basis = studio();
    basis.doubts.push("UsageRecord x is not complete".to_owned());
    let held = judged(&issued(&basis, &key), &[]).join("\n");
    assert!(held.contains("`spec.resolution` is absent"), "{held}");
    assert!(judged(&json!({"kind": "Invoice"}), &[])[0].contains("metadata"));
    assert_eq!(at("2026-01-15T00:00:00Z"), studio().period.from_ms);
}

#[test]
fn a_credit_is_one_line_below_nothing_and_never_above_what_is_left() {
    let today = parse_date("day", "2026-02-20").unwrap();
    let credit = |earlier_minor, amount_minor| Credit {
        org: "acme".to_owned(),
        order: "order-1".to_owned(),
        order_uid: "uid-1".to_owned(),
        currency: "USD".to_owned(),
        invoice: studio().name(),
        invoice_digest: "ab".repeat(32),
        invoice_total_minor: 3_150,
        period: studio().period,
        id: "CN_1".to_owned(),
        earlier_minor,
        amount_minor,
        reason: "an hour was ours".to_owned(),
    };
    let bill = credit(0, 175).bill(today).unwrap();
    assert_eq!((bill.total_minor, bill.lines.len()), (-175, 1));
    assert_eq!(
        (bill.lines[0].amount_minor, bill.lines[0].rate_micros.micros()),
        (-175, -1_750_000)
    );
    assert_eq!(
        (bill.issued_on.as_str(), bill.due_on.as_str()),
        ("2026-02-20", "2026-02-20")
    );
    assert!(credit(0, 3_150).bill(today).is_ok() && credit(3_149, 1).bill(today).is_ok());
    for (earlier, amount) in [(0, 3_151), (3_150, 1), (1, 3_150), (i64::MAX, 1)] {
        let refused = credit(earlier, amount).bill(today);
        assert!(
            matches!(refused, Err(BalanceError::TooMuch { .. })),
            "{earlier} {amount}: {refused:?}"
        );
    }
    for (earlier, amount) in [(0, 0), (0, -1), (-1, 1), (i64::MIN, 1), (0, i64::MIN)] {
        let refused = credit(earlier, amount).bill(today);
        assert!(
            matches!(refused, Err(BalanceError::NotACredit(_))),
            "{earlier} {amount}: {refused:?}"
        );
    }
    let (one, mut other) = (credit(0, 1), credit(0, 1));
    assert!(one.name().contains("-credit-cn-1-"), "{}", one.name());
    other.id = "cn-1".to_owned();
    assert_ne!(one.name(), other.name());
    other = one.clone();
    other.order_uid = "uid-2".to_owned();
    assert_ne!(one.name(), other.name());
}

#[test]
fn a_payment_is_taken_out_by_a_reversal_of_it_and_never_by_more_than_it_was() {
    let paid = |reference: &str, amount_minor| Payment {
        reference: reference.to_owned(),
        amount_minor,
    };
    let out = |payment: &str, amount_minor| Reversal {
        payment: payment.to_owned(),
        amount_minor,
    };
    let payments = [paid("a", 1_000), paid("b", 2_150)];
    let stands = |reversals: &[Reversal]| {
        let owed = balance("order-1", 3_150, [-50], &payments, reversals);
        owed.map(|owed| (owed.paid, owed.reversed, owed.open))
    };
    assert_eq!(stands(&[]), Ok((3_150, 0, -50)));
    assert_eq!(stands(&[out("a", 400)]), Ok((2_750, 400, 350)));
    assert_eq!(stands(&[out("a", 400), out("a", 600)]), Ok((2_150, 1_000, 950)));
    assert_eq!(stands(&[out("a", 1_000), out("b", 2_150)]), Ok((0, 3_150, 3_100)));
    for reversals in [vec![out("c", 1)], vec![out("a", 0)], vec![out("a", -1)]] {
        let refused = stands(&reversals);
        assert!(
            matches!(refused, Err(BalanceError::NotAReversal(_))),
            "{refused:?}"
        );
    }
    let refused = stands(&[out("a", 999), out("a", 2)]);
    assert_eq!(
        refused,
        Err(BalanceError::TooMuchReversed {
            payment: "a".to_owned(),
            wanted: 1_001,
            paid: 1_000
        })
    );
}
