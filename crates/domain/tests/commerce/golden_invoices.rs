//! The amounts of both ACP documents and of the decided examples, each under its own name.

use crate::account::{H, Owned, account, at, committed, day, hourly, intervals, monthly, period, rate};
use serde_json::Value;
use trustbridge_domain::calendar::Period;
use trustbridge_domain::decimal::Decimal;
use trustbridge_domain::intervals::measure;
use trustbridge_domain::invoice::{Decision, Invoice, Policy, decide};
use trustbridge_domain::money::decimal_to_minor;
use trustbridge_domain::phase::ChangeOrderPhase;
use trustbridge_domain::rating::terms::{Change, in_force};
use trustbridge_domain::rating::{Account, Cadence, MIN_HOURS, MIN_TERM, RatedLine, Schedule};
use trustbridge_domain::rational::Ratio;

macro_rules! document {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("documents/", $path))).unwrap()
    };
}

const DAILY: Schedule = Schedule::Metered(Cadence::Daily);

fn minor(value: &Value) -> i64 {
    let amount: Decimal = serde_json::from_value(value.clone()).unwrap();
    decimal_to_minor(amount).unwrap()
}

/// (sku, amount) of the lines.
fn amounts(lines: &[RatedLine]) -> Vec<(&str, i64)> {
    lines.iter().map(|l| (l.sku.as_str(), l.amount_minor)).collect()
}

fn issued(account: &Account<'_>, schedule: Schedule, period: Period, now: &str) -> Invoice {
    match decide(account, schedule, period, Policy::default(), at(now)) {
        Decision::Issue(invoice) => *invoice,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tune_meter_is_672_hours_1344_gpu_hours_4000_gb() {
    let seed = document!("tune/meter.report.json");
    let february = period("2026-02-01", "2026-03-01");
    let mut all = intervals("base", 2, &[(at("2026-01-20"), at("2026-03-31"))]);
    all[0].nvme_gb = 4000;
    let usage = measure(&all, february, at("2026-03-05")).unwrap()["base"];
    let whole = |value: &Value| Ratio::whole(value.as_i64().unwrap().into());
    assert_eq!(
        usage.instance_hours().unwrap(),
        whole(&seed["usage"]["instance_hours"])
    );
    assert_eq!(usage.gpu_hours().unwrap(), whole(&seed["usage"]["gpu_hours"]));
    let mean = usage.nvme_gb_mean(february).unwrap();
    assert_eq!(mean, whole(&seed["usage"]["storage_gb_month"]));
    assert_eq!(february.inclusive_end().unwrap().to_string(), "2026-02-28");
}

#[test]
fn tune_invoice_is_6400_issued_and_due_on_03_05() {
    let seed = document!("tune/invoice.issue.json");
    let lines = [
        monthly("base", "TunePod-2GPU", 580_000, at("2026-01-20")),
        monthly("support", "Support-Standard", 60_000, at("2026-01-20")),
    ];
    let account = account(&lines, &[], None);
    let february = period("2026-02-01", "2026-03-01");
    let early = decide(
        &account,
        Schedule::Recurring,
        february,
        Policy::default(),
        at("2026-03-05") - 1,
    );
    assert_eq!(early, Decision::Wait(at("2026-03-05")));
    let invoice = issued(&account, Schedule::Recurring, february, "2026-03-05");
    assert_eq!(invoice.total_minor, minor(&seed["amount_usd"]));
    assert_eq!(invoice.total_minor, 640_000);
    assert_eq!(invoice.due_on.to_string(), seed["due_date"].as_str().unwrap());
    assert_eq!(invoice.issued_on, day(at("2026-03-05")));
    for (line, seed) in invoice.lines.iter().zip(seed["lines"].as_array().unwrap()) {
        assert_eq!(line.sku, seed["sku"]);
        assert_eq!(line.amount_minor, minor(&seed["amount_usd"]));
        assert_eq!(line.quantity, "1.000000");
    }
    assert_eq!(invoice.lines.len(), 2);
}

#[test]
fn studio_invoice_of_a_day_is_18_hours_31_50() {
    let seed = document!("studio/invoice.issue.json");
    let start = at("2026-01-15");
    let all = intervals("gen", 1, &[(start + 2 * H, start + 20 * H)]);
    let owned = Owned::new("inst_sd_01", &all, None, at("2026-01-16"));
    let lines = [
        hourly("gen", "StudioGen-1GPU", 175, 2, start),
        monthly("nvme", "NVMe-AddOn-2TB", 25_000, start),
    ];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, None);
    let invoice = issued(&account, DAILY, period("2026-01-15", "2026-01-16"), "2026-01-20");
    let [line] = &invoice.lines[..] else {
        panic!("one line: {:?}", invoice.lines)
    };
    let seed_line = &seed["lines"][0];
    assert_eq!(line.sku, seed_line["sku"]);
    assert_eq!(line.quantity, "18.0000");
    assert_eq!(
        line.rate_micros.micros(),
        10_000 * minor(&seed_line["rate_usd_per_hour"])
    );
    assert_eq!(line.amount_minor, minor(&seed_line["amount_usd"]));
    assert_eq!(invoice.total_minor, 3_150);
    assert_eq!(invoice.inputs, [owned.records[0].content_hash.clone()]);
}

#[test]
fn twelve_of_31_days_of_5800_are_2245_16() {
    let lines = [monthly("base", "TunePod-2GPU", 580_000, at("2026-01-20"))];
    let account = account(&lines, &[], None);
    let january = period("2026-01-01", "2026-02-01");
    let rated = rate(&account, Schedule::Recurring, january).unwrap();
    assert_eq!(amounts(&rated), [("TunePod-2GPU", 224_516)]);
}

#[test]
fn a_february_that_changes_on_the_11th_is_2071_43_and_6010_71() {
    let base = [monthly("base", "TunePod-2GPU", 580_000, at("2026-01-20"))];
    let change = Change {
        id: "chg_tune_001".to_owned(),
        phase: ChangeOrderPhase::Applied,
        applied_ms: Some(at("2026-02-11")),
        ends: vec!["base".to_owned()],
        adds: vec![monthly("base-2", "TunePod-4GPU", 935_000, 0)],
    };
    let lines = in_force(&base, &[change]).unwrap();
    let account = account(&lines, &[], None);
    let february = period("2026-02-01", "2026-03-01");
    let rated = rate(&account, Schedule::Recurring, february).unwrap();
    assert_eq!(
        amounts(&rated),
        [("TunePod-2GPU", 207_143), ("TunePod-4GPU", 601_071)]
    );
    assert_eq!(rated.iter().map(|l| l.amount_minor).sum::<i64>(), 808_214);
}

#[test]
fn two_and_a_half_hours_of_studio_tune_are_5_38_and_3_22_to_the_minimum() {
    let start = at("2026-01-15T08:00:00Z");
    let end = start + 5 * H / 2;
    let all = intervals("tune", 1, &[(start, end)]);
    let owned = Owned::new("inst", &all, Some(end), at("2026-01-16"));
    let lines = [hourly("tune", "StudioTune-1GPU", 215, 4, start)];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, Some(end));
    let rated = rate(&account, DAILY, period("2026-01-15", "2026-01-16")).unwrap();
    assert_eq!(amounts(&rated), [("StudioTune-1GPU", 538), (MIN_HOURS, 322)]);
    assert_eq!(rated[1].quantity, "1.5000");
    assert_eq!(rated.iter().map(|l| l.amount_minor).sum::<i64>(), 860);
}

#[test]
fn ten_days_of_tunepod_1_are_1142_86_and_2057_14_to_the_term() {
    let (start, end) = (at("2026-02-01"), at("2026-02-11"));
    let lines = [committed(monthly("base", "TunePod-1GPU", 320_000, start), 30)];
    let account = account(&lines, &[], Some(end));
    let rated = rate(&account, Schedule::Recurring, period("2026-02-01", "2026-03-01")).unwrap();
    assert_eq!(amounts(&rated), [("TunePod-1GPU", 114_286), (MIN_TERM, 205_714)]);
    assert_eq!(rated.iter().map(|l| l.amount_minor).sum::<i64>(), 320_000);
}

#[test]
fn an_estimate_of_480_hours_is_what_480_hours_cost() {
    let start = at("2026-01-01");
    let all = intervals("gen", 1, &[(start, start + 480 * H)]);
    let owned = Owned::new("inst", &all, None, at("2026-02-01"));
    let lines = [hourly("gen", "StudioGen-1GPU", 175, 2, start)];
    let instances = [owned.instance()];
    let account = account(&lines, &instances, None);
    let schedule = Schedule::Metered(Cadence::Monthly);
    let rated = rate(&account, schedule, period("2026-01-01", "2026-02-01")).unwrap();
    assert_eq!(amounts(&rated), [("StudioGen-1GPU", 84_000)]);
}
