//! Invoices of an order that was changed while it ran.

use super::*;
use trustbridge_api::order::OrderChange;
use trustbridge_domain::change::KeyedLine;
use trustbridge_domain::rating::Schedule;

/// The running order with premium support since that moment, and a disk that ended then.
fn changed(at: Option<&str>) -> Account {
    let mut account = running();
    let status = account.order.status.as_mut().unwrap();
    status.changes = vec![OrderChange {
        uid: "c".to_owned(),
        name: "more".to_owned(),
        digest: "d".repeat(64),
        by_limit: false,
        accepted_at: time("2026-01-15T03:00:00Z"),
        ends: vec!["NVMe-AddOn-2TB".to_owned()],
        adds: vec![KeyedLine {
            key: "Support-Premium".to_owned(),
            line: line("Support-Premium", BillingModel::Monthly, 60_000),
        }],
        extend_term_days: 0,
        add_nvme_gb: 0,
        applied_at: at.map(time),
        rolled_back_at: None,
    }];
    account
}

fn month(account: &Account) -> Basis {
    let january = Schedule::Recurring
        .period_of("2026-01-15".parse().unwrap())
        .unwrap();
    basis(account, Schedule::Recurring, january, at("2026-02-05T00:00:00Z"))
}

fn amounts(basis: &Basis) -> Vec<(String, i64)> {
    let bill = basis.bill("2026-02-05".parse().unwrap()).unwrap();
    bill.lines.into_iter().map(|l| (l.line, l.amount_minor)).collect()
}

#[test]
fn a_month_is_billed_in_parts_that_meet_where_the_change_was_applied() {
    let basis = month(&changed(Some("2026-01-23T14:00:00Z")));
    // 204 hours of the disk from the first use at 02:00 on the 15th, and 202 of the tier to the end of the month of 744.
    let all = [("NVMe-AddOn-2TB", 6_855), ("Support-Premium", 16_290)];
    let all = all.map(|(line, minor)| (line.to_owned(), minor));
    assert_eq!(amounts(&basis), all);
    let again: Basis = serde_json::from_value(serde_json::to_value(&basis).unwrap()).unwrap();
    assert_eq!(amounts(&again), all, "whoever holds the document rates the same");
}

#[test]
fn what_was_not_applied_by_the_end_of_the_period_is_not_in_it() {
    let before = month(&running());
    for later in [None, Some("2026-02-01T00:00:00Z")] {
        assert_eq!(month(&changed(later)), before, "{later:?}");
    }
}

#[test]
fn months_are_billed_since_a_change_brought_the_first_price_by_the_month() {
    let mut account = changed(Some("2026-02-10T00:00:00Z"));
    let status = account.order.status.as_mut().unwrap();
    status.changes[0].ends.clear();
    status.pricing_snapshot.as_mut().unwrap().lines.truncate(1);
    let months = |account: &Account| -> Vec<i64> {
        let due = due::periods(account, at("2026-03-06T00:00:00Z"));
        let months = due
            .iter()
            .filter(|(schedule, _)| *schedule == Schedule::Recurring);
        months.map(|(_, period)| period.from_ms).collect()
    };
    assert_eq!(months(&account), [at("2026-02-01T00:00:00Z").as_millisecond()]);
    account.order.status.as_mut().unwrap().changes.clear();
    assert!(months(&account).is_empty());
}
