//! Orders that changed on the way: lines that end and begin within a period, and a promise that goes on.

use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use trustbridge_domain::invoice::{Basis, terms};
use trustbridge_domain::phase::ChangeOrderPhase;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::rating::terms::{Change, Charge, Commitment, TermLine, in_force};

use super::changes::{Random, both_find, leaves, other, with};
use super::{at, found, issued_on, line, python, sign};

const DAY: &str = "2026-03-05";

fn sold(lines: &[Value]) -> Vec<QuoteLine> {
    lines
        .iter()
        .map(|l| serde_json::from_value(l.clone()).unwrap())
        .collect()
}

/// A line that a change adds; its time is set where it is applied.
fn adds(key: &str, sku: &str, charge: Charge, days: Option<u32>) -> TermLine {
    TermLine {
        key: key.to_owned(),
        sku: sku.to_owned(),
        quantity: 1,
        charge,
        from_ms: 0,
        until_ms: None,
        commitment: days.map(|days| Commitment {
            id: "base".to_owned(),
            days,
        }),
    }
}

fn applied(moment: &str, ends: &[&str], adds: Vec<TermLine>) -> Change {
    Change {
        id: "chg-1".to_owned(),
        phase: ChangeOrderPhase::Applied,
        applied_ms: Some(at(moment)),
        ends: ends.iter().map(|key| (*key).to_owned()).collect(),
        adds,
    }
}

fn basis(
    schedule: &str,
    span: [&str; 2],
    ended: Option<&str>,
    lines: &[TermLine],
    intervals: &Value,
) -> Basis {
    let mut basis = json!({
        "org": "acme", "order": "order-1", "orderUid": "o-1", "quoteDigest": "ab".repeat(32), "currency": "USD",
        "schedule": schedule, "period": {"fromMs": at(span[0]), "toMs": at(span[1])},
        "policy": {"finalizeAfterDays": 4, "netDays": 0}, "lines": lines,
        "instances": [{"name": "order-1-0", "uid": "t-1", "intervals": intervals}],
    });
    if let Some(ended) = ended {
        basis["endedMs"] = json!(at(ended));
        basis["instances"][0]["endedMs"] = json!(at(ended));
    }
    serde_json::from_value(basis).unwrap()
}

/// Two GPUs to 11 February and four from then on, better support with them, and 30 days more promised.
fn upgraded(ended: Option<&str>) -> Basis {
    let begin = "2026-02-01T00:00:00Z";
    let bought = sold(&[
        line("TunePod-2GPU", BillingModel::Monthly, 580_000),
        line("Support-Standard", BillingModel::Monthly, 60_000),
    ]);
    let bought = terms(&bought, "TunePod-2GPU", 30, at(begin)).unwrap();
    let month = |price_minor| Charge::Monthly { price_minor };
    let change = applied(
        "2026-02-11T00:00:00Z",
        &["base", "Support-Standard"],
        vec![
            adds("base-2", "TunePod-4GPU", month(935_000), Some(60)),
            adds("Support-Premium", "Support-Premium", month(100_000), None),
        ],
    );
    let lines = in_force(&bought, &[change]).unwrap();
    let served = json!([{"seq": 0, "fromMs": at(begin), "kind": "Serving", "gpus": 2, "nvmeGb": 4000,
        "rateKey": "base", "openedBy": "Ready"}]);
    basis(
        "recurring",
        [begin, "2026-03-01T00:00:00Z"],
        ended,
        &lines,
        &served,
    )
}

/// One GPU to noon and two from then on, by the hour, with a minimum that was not reached.
fn scaled() -> Basis {
    let (begin, noon, end) = (
        "2026-02-10T10:00:00Z",
        "2026-02-10T12:00:00Z",
        "2026-02-10T12:30:00Z",
    );
    let bought = sold(&[line("StudioGen-1GPU", BillingModel::Hourly, 175)]);
    let bought = terms(&bought, "StudioGen-1GPU", 0, at(begin)).unwrap();
    let rate_micros = trustbridge_domain::money::Rate::from_minor(320).unwrap();
    let hour = Charge::Hourly {
        rate_micros,
        min_hours: 4,
    };
    let change = applied(noon, &["base"], vec![adds("gen-2", "StudioGen-2GPU", hour, None)]);
    let lines = in_force(&bought, &[change]).unwrap();
    let stretch = |seq: u32, from: &str, to: &str, gpus: u32, key: &str| {
        json!({"seq": seq, "fromMs": at(from), "toMs": at(to), "kind": "Serving", "gpus": gpus, "nvmeGb": 1000,
            "rateKey": key, "openedBy": "Ready", "closedBy": "Change"})
    };
    let used = json!([
        stretch(0, begin, noon, 1, "base"),
        stretch(1, noon, end, 2, "gen-2")
    ]);
    let span = ["2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z"];
    basis("metered-daily", span, Some(end), &lines, &used)
}

fn amounts(invoice: &Value) -> Vec<(&str, i64)> {
    let lines = invoice["status"]["bill"]["lines"].as_array().unwrap();
    let one = |l: &'_ Value| l["amountMinor"].as_i64().unwrap();
    lines
        .iter()
        .map(|l| (l["sku"].as_str().unwrap(), one(l)))
        .collect()
}

#[test]
fn a_period_that_is_split_by_a_change_is_rated_alike_by_both_verifiers() {
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let (runs, ended) = (upgraded(None), upgraded(Some("2026-02-28T23:00:00Z")));
    let all = [runs, ended, scaled()].map(|basis| issued_on(DAY, &basis, &key));
    // The number of the documents: 2071.43 + 6010.71, and support of both kinds beside it.
    let month = amounts(&all[0]);
    let base: i64 = month
        .iter()
        .filter(|(sku, _)| sku.starts_with("TunePod"))
        .map(|(_, minor)| minor)
        .sum();
    assert_eq!((base, month.len()), (808_214, 4), "{month:?}");
    // 30 days at 5800 and 30 more at 9350, less what the lines of the promise came to.
    let term = amounts(&all[1]);
    let (promised, last) = (580_000 + 935_000, term[4]);
    let billed: i64 = term
        .iter()
        .filter(|(sku, _)| sku.starts_with("TunePod"))
        .map(|(_, minor)| minor)
        .sum();
    assert_eq!(last, ("MinTerm-Adjustment", promised - billed), "{term:?}");
    // Two hours at 1.75, half an hour at 3.20, and the hour and a half to the minimum at the last price.
    assert_eq!(
        amounts(&all[2]),
        [
            ("StudioGen-1GPU", 350),
            ("StudioGen-2GPU", 160),
            ("Min-Hours", 480)
        ]
    );
    for invoice in &all {
        assert_eq!(found(invoice), Vec::<String>::new());
    }
    assert_eq!(python(dir.path(), &all), ["ok", "ok", "ok"]);
}

#[test]
fn amounts_of_changed_terms_that_do_not_follow_are_found_although_they_are_signed() {
    let seed = 20_260_215;
    let mut random = Random(seed);
    let dir = tempfile::tempdir().unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let mut changed = Vec::new();
    for basis in [upgraded(Some("2026-02-28T23:00:00Z")), scaled()] {
        let right = issued_on(DAY, &basis, &key);
        let mut paths = Vec::new();
        leaves(&right, "/status/bill", &mut paths);
        paths.retain(|path| !path.ends_with("issuedOn"));
        for path in paths {
            let value = other(right.pointer(&path).unwrap(), &mut random);
            let mut wrong = with(&right, &path, value);
            sign(&mut wrong, &key);
            changed.push((path, wrong));
        }
    }
    // When the change was applied, and the days that it added: an hour or a day more is seen in the amounts of months.
    // Hours follow from intervals; that these lie in the time of their line is asked in Rust alone.
    let right = issued_on(DAY, &upgraded(Some("2026-02-28T23:00:00Z")), &key);
    for (path, more) in [
        ("0/untilMs", 3_600_000),
        ("2/fromMs", 3_600_000),
        ("2/commitment/days", 1),
    ] {
        let path = format!("/spec/basis/lines/{path}");
        let old = right.pointer(&path).and_then(Value::as_i64).unwrap();
        let mut wrong = with(&right, &path, json!(old + more));
        sign(&mut wrong, &key);
        changed.push((path, wrong));
    }
    both_find(dir.path(), &changed, seed);
    println!(
        "{} signed invoices of changed terms, each found in Rust and in Python; seed {seed}",
        changed.len()
    );
}
