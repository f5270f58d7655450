//! Invoices of an order as tables, and through every crash.

mod changes;
mod crashes;
mod moments;
mod settlement;
mod years;

use super::basis::{basis, ended_ms, invoice};
use super::decide::{decide, is_open};
use super::due::is_billed_to_the_end;
use super::{Account, due};
use crate::seller::tests::seller;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::BTreeSet;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::invoice::InvoiceResolution;
use trustbridge_api::order::{OrderInstance, PricingSnapshot, TerminationProgress};
use trustbridge_api::tunepod::{MeteredInterval, UsageProgress};
use trustbridge_api::usage_record::{Quantities, UsageLoss};
use trustbridge_api::{
    Invoice, NameRef, Order, OrderSpec, OrderStatus, TunePod, TunePodSpec, TunePodStatus, UsageRecord,
    UsageRecordSpec, UsageRecordStatus,
};
use trustbridge_domain::invoice::Basis;
use trustbridge_domain::phase::{InvoicePhase, OrderPhase, TunePodPhase};
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::termination::TerminationStep;
use trustbridge_kit::conditions::{Statement, find, set};

use crashes::{Store, settled};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn time(text: &str) -> Time {
    Time(at(text))
}

fn interval(seq: i64, from: &str, to: Option<&str>) -> MeteredInterval {
    MeteredInterval {
        seq,
        from: time(from),
        to: to.map(time),
        gpus: 1,
        opened_by: "Ready".to_owned(),
        closed_by: to.map(|_| "OrderTerminated".to_owned()),
    }
}

fn line(sku: &str, model: BillingModel, unit_price_minor: i64) -> QuoteLine {
    QuoteLine {
        sku: sku.to_owned(),
        quantity: 1,
        model,
        unit_price_minor,
        min_hours: 2,
    }
}

/// An order by the hour with a disk by the month; its one TunePod was of use for 18 hours of 15 January, and again
/// from the 16th on.
fn running() -> Account {
    let mut order = Order::new("order-1", OrderSpec::default());
    order.metadata.namespace = Some("tb-acme".to_owned());
    order.metadata.uid = Some("o".to_owned());
    order.status = Some(OrderStatus {
        phase: OrderPhase::Active,
        pricing_snapshot: Some(PricingSnapshot {
            digest: "d".repeat(64),
            currency: "USD".to_owned(),
            lines: vec![
                line("StudioGen-1GPU", BillingModel::Hourly, 175),
                line("NVMe-AddOn-2TB", BillingModel::Monthly, 25_000),
            ],
            ..PricingSnapshot::default()
        }),
        instances: vec![OrderInstance {
            name: "order-1-0".to_owned(),
            phase: TunePodPhase::Ready,
            ..OrderInstance::default()
        }],
        ..OrderStatus::default()
    });
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        ..TunePodSpec::default()
    };
    let mut tunepod = TunePod::new("order-1-0", spec);
    tunepod.metadata.uid = Some("t".to_owned());
    tunepod.status = Some(TunePodStatus {
        phase: TunePodPhase::Ready,
        intervals: vec![
            interval(0, "2026-01-15T02:00:00Z", Some("2026-01-15T20:00:00Z")),
            interval(1, "2026-01-16T00:00:00Z", None),
        ],
        usage: Some(UsageProgress {
            pod: "pod-1".to_owned(),
            ..UsageProgress::default()
        }),
        ..TunePodStatus::default()
    });
    Account {
        order,
        org: "acme".to_owned(),
        tunepods: vec![tunepod],
        invoices: BTreeSet::new(),
        records: vec![record("t", "2026-01-15", true)],
    }
}

/// The same order, ended on 16 January at noon and wiped.
fn ended() -> Account {
    let mut account = running();
    let status = account.order.status.as_mut().unwrap();
    status.phase = OrderPhase::Terminating;
    status.termination_steps = vec![TerminationProgress {
        step: TerminationStep::Draining,
        started_at: time("2026-01-16T11:59:58Z"),
        finished_at: None,
    }];
    let status = account.tunepods[0].status.as_mut().unwrap();
    status.phase = TunePodPhase::Wiped;
    status.intervals[1] = interval(1, "2026-01-16T00:00:00Z", Some("2026-01-16T12:00:00Z"));
    status.usage.as_mut().unwrap().closed = true;
    account
}

fn record(uid: &str, day: &str, complete: bool) -> UsageRecord {
    let spec = UsageRecordSpec {
        tune_pod_ref: NameRef::new("order-1-0"),
        tune_pod_uid: uid.to_owned(),
        order_ref: NameRef::new("order-1"),
        day: day.to_owned(),
    };
    let mut record = UsageRecord::new(&format!("order-1-0-{day}-{uid}"), spec);
    let loss = UsageLoss {
        pod: "pod-1".to_owned(),
        after: 3,
        to: None,
        recorded_until: None,
        noticed: time("2026-01-16T12:00:00Z"),
        reason: "UsageLost".to_owned(),
    };
    record.status = Some(UsageRecordStatus {
        total: Quantities {
            requests: Some(12),
            ..Quantities::default()
        },
        losses: if complete { vec![] } else { vec![loss] },
        complete,
        ..UsageRecordStatus::default()
    });
    record
}

fn of(invoice: &Invoice) -> &Basis {
    invoice.spec.basis.as_ref().unwrap()
}

fn totals(store: &Store) -> Vec<(String, i64)> {
    let one = |i: &Invoice| {
        let bill = i.status.as_ref().and_then(|s| s.bill.clone());
        (of(i).schedule.clone(), bill.map_or(-1, |b| b.total_minor))
    };
    let mut all: Vec<_> = store.0.values().map(one).collect();
    all.sort();
    all
}

fn reason(status: &trustbridge_api::InvoiceStatus) -> String {
    let said = find(&status.conditions, ConditionType::Succeeded).unwrap();
    format!("{}/{}: {}", said.status, said.reason, said.message)
}

#[test]
fn a_day_is_billed_four_days_after_its_end_and_not_before() {
    let account = running();
    assert!(due::periods(&account, at("2026-01-19T23:59:59Z")).is_empty());
    assert_eq!(due::periods(&account, at("2026-01-20T00:00:00Z")).len(), 1);
    let (store, _) = settled(&account, "2026-01-20T00:00:00Z");
    assert_eq!(totals(&store), [("metered-daily".to_owned(), 3_150)]);
    let invoice = store.0.values().next().unwrap();
    let status = invoice.status.as_ref().unwrap();
    assert_eq!(
        (status.phase, status.summary.as_deref()),
        (InvoicePhase::Issued, Some("31.50 USD"))
    );
    assert_eq!(of(invoice).records[0].total["requests"], 12);
    assert!(!is_billed_to_the_end(&account, &[]), "it runs on");
}

#[test]
fn an_order_that_ended_is_billed_at_once_and_to_its_end() {
    let account = ended();
    let now = "2026-01-16T12:05:00Z";
    let end = at("2026-01-16T12:00:00Z").as_millisecond();
    assert_eq!(ended_ms(&account), Some(end), "use is billed to its end");
    let (store, _) = settled(&account, now);
    // 34 hours of 744 at 250.00, from the first use to the end of use.
    let all = [
        ("metered-daily", 2_100),
        ("metered-daily", 3_150),
        ("recurring", 1_142),
    ];
    assert_eq!(totals(&store), all.map(|(word, minor)| (word.to_owned(), minor)));
    let mut after = account;
    after.invoices = store.0.keys().cloned().collect();
    let left = due::missing(&after, due::periods(&after, at(now)));
    assert!(is_billed_to_the_end(&after, &left) && left.is_empty());
}

/// An end that takes months must not be billed as if the order ran on: what its last day and month come to is known
/// when it is over.
#[test]
fn what_the_end_falls_into_waits_for_it() {
    let mut account = ended();
    account.tunepods[0].status.as_mut().unwrap().phase = TunePodPhase::Wiping;
    let due = |account: &Account| due::periods(account, at("2026-03-20T00:00:00Z"));
    let begins: Vec<i64> = due(&account).iter().map(|(_, period)| period.from_ms).collect();
    assert_eq!(
        begins,
        [at("2026-01-15T00:00:00Z").as_millisecond()],
        "the day before, and neither the day of the end nor its month"
    );
    account.tunepods[0].status.as_mut().unwrap().phase = TunePodPhase::Wiped;
    assert_eq!(due(&account), due::periods(&ended(), at("2026-01-16T12:05:00Z")));
}

/// What the operator issues is what the verifier accepts, also of an order that ended.
#[test]
fn what_is_issued_is_verified() {
    let (store, _) = settled(&ended(), "2026-01-16T12:05:00Z");
    for invoice in store.0.values() {
        let basis = of(invoice);
        let bill = invoice.status.as_ref().and_then(|s| s.bill.as_ref()).unwrap();
        let issued: jiff::civil::Date = bill.issued_on.parse().unwrap();
        let earliest = basis.ended_ms.unwrap_or(basis.period.to_ms);
        let earliest = Timestamp::from_millisecond(earliest).unwrap().to_string();
        assert!(bill.issued_on.as_str() >= &earliest[..10], "{}", bill.issued_on);
        assert_eq!(&basis.bill(issued).unwrap(), bill);
    }
}

#[test]
fn nothing_ends_before_it_is_wiped_and_read() {
    let mut unread = ended();
    unread.tunepods[0]
        .status
        .as_mut()
        .unwrap()
        .usage
        .as_mut()
        .unwrap()
        .closed = false;
    let mut unwiped = ended();
    unwiped.tunepods[0].status.as_mut().unwrap().phase = TunePodPhase::Wiping;
    for account in [unread, unwiped, running()] {
        assert_eq!(ended_ms(&account), None);
        assert!(!is_billed_to_the_end(&account, &[]));
    }
    let mut unused = ended();
    unused.tunepods[0].status.as_mut().unwrap().intervals.clear();
    assert!(
        is_billed_to_the_end(&unused, &[]),
        "what was never of use owes nothing"
    );
}

#[test]
fn a_doubt_holds_the_invoice_until_a_person_settles_it() {
    let mut account = ended();
    account.records[0] = record("t", "2026-01-15", false);
    let now = "2026-01-16T12:05:00Z";
    let (store, _) = settled(&account, now);
    let held = store.0.values().find(|i| !of(i).doubts.is_empty()).unwrap();
    let status = held.status.as_ref().unwrap();
    assert_eq!((status.phase, &status.bill), (InvoicePhase::Draft, &None));
    let said = reason(status);
    assert!(
        said.starts_with("False/BillingHold") && said.contains("UsageLost"),
        "{said}"
    );
    assert_eq!(
        store.0.values().filter(|i| is_open(i)).count(),
        1,
        "the others are issued"
    );
    let mut settled = held.clone();
    settled.spec.resolution = Some(InvoiceResolution {
        reason: "requests cost nothing under this order".to_owned(),
    });
    let status = decide(&settled, Ok(&seller().signer), at(now)).status;
    assert_eq!(status.phase, InvoicePhase::Issued);
    assert_eq!(status.bill.unwrap().total_minor, 3_150);
}

#[test]
fn each_doubt_says_what_it_is() {
    let of = |account: &Account| {
        let now = at("2026-01-20T00:00:00Z");
        let (schedule, period) = due::periods(account, now)[0];
        basis(account, schedule, period, now).doubts.join("\n")
    };
    assert_eq!(of(&running()), "");
    let mut gone = running();
    let status = gone.order.status.as_mut().unwrap();
    status.instances.push(OrderInstance {
        name: "order-1-1".to_owned(),
        phase: TunePodPhase::Ready,
        ..OrderInstance::default()
    });
    assert!(of(&gone).contains("TunePod order-1-1 is gone"));
    let mut earlier = running();
    earlier.records.push(record("t-0", "2026-01-14", true));
    assert!(of(&earlier).contains("UID t-0"), "{}", of(&earlier));
    let mut degraded = running();
    degraded.tunepods[0].status.as_mut().unwrap().phase = TunePodPhase::Degraded;
    assert!(of(&degraded).contains("an interval of it is open"));
    let mut silent = running();
    let usage = silent.tunepods[0]
        .status
        .as_mut()
        .unwrap()
        .usage
        .as_mut()
        .unwrap();
    usage.unanswered_since = Some(time("2026-01-15T12:00:00Z"));
    assert!(of(&silent).contains("does not answer"));
    let mut later = silent.clone();
    let usage = later.tunepods[0].status.as_mut().unwrap().usage.as_mut().unwrap();
    usage.unanswered_since = Some(time("2026-01-17T12:00:00Z"));
    assert_eq!(of(&later), "", "it answered after the period's end");
    let mut forked = running();
    let said = Statement::no(ConditionType::UsageRecorded, Reason::UsageForked, "forked");
    let status = forked.tunepods[0].status.as_mut().unwrap();
    set(&mut status.conditions, &said, None, at("2026-01-15T12:00:00Z"));
    assert!(of(&forked).contains("forked"));
    let mut unmetered = running();
    let snapshot = unmetered.order.status.as_mut().unwrap().pricing_snapshot.as_mut();
    snapshot.unwrap().lines[1].model = BillingModel::Hourly;
    assert!(of(&unmetered).contains("nobody knows the hours"));
}

#[test]
fn without_a_key_nothing_is_issued() {
    let (store, _) = settled(&running(), "2026-01-20T00:00:00Z");
    let mut fresh = store.0.values().next().unwrap().clone();
    fresh.status = None;
    let status = decide(&fresh, Err("no key yet"), at("2026-01-20T00:00:00Z")).status;
    assert_eq!((status.phase, &status.bill), (InvoicePhase::Draft, &None));
    assert!(reason(&status).contains("no key yet"));
}

/// Between two intervals a TunePod was degraded: nothing of that time is billed by the hour, whoever declared what.
#[test]
fn hours_without_ready_are_not_billed() {
    let mut whole = ended();
    let all = |account: &Account| settled(account, "2026-01-16T12:05:00Z").0;
    let hours = |store: &Store| {
        let metered = store.0.values().filter(|i| of(i).schedule == "metered-daily");
        let bills = metered.filter_map(|i| i.status.as_ref()?.bill.clone());
        bills.map(|bill| bill.total_minor).sum::<i64>()
    };
    assert_eq!(hours(&all(&whole)), 5_250, "30 hours at 1.75");
    let status = whole.tunepods[0].status.as_mut().unwrap();
    let mut before = interval(1, "2026-01-16T00:00:00Z", Some("2026-01-16T03:00:00Z"));
    before.closed_by = Some("Degraded".to_owned());
    let after = interval(2, "2026-01-16T07:00:00Z", Some("2026-01-16T12:00:00Z"));
    status.intervals.splice(1.., [before, after]);
    assert_eq!(hours(&all(&whole)), 4_550, "four of them were without Ready");
}
