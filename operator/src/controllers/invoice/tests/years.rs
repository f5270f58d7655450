//! Three years of days of use: what is billed is what was consumed, wherever the intervals lie by then.

use super::*;
use crate::controllers::order::ledger;
use crate::controllers::tunepod::tests::folding::lived;
use trustbridge_domain::calendar::Period;
use trustbridge_domain::money::hourly_amount;

/// The account of that life, ended the day after its last.
fn account(mut tunepod: TunePod, records: Vec<UsageRecord>) -> Account {
    let mut account = ended();
    account.order.status.as_mut().unwrap().termination_steps[0].started_at = time("2029-01-02T00:00:00Z");
    let status = tunepod.status.as_mut().unwrap();
    status.phase = TunePodPhase::Wiped;
    status.usage = None;
    account.tunepods = vec![tunepod];
    account.records = records;
    account
}

/// What was consumed, as (first, end) in milliseconds: counted from the days that were lived, not from any ledger.
fn consumed(lengths: &[i64]) -> Vec<(i64, i64)> {
    const DAY_MS: i64 = 86_400_000;
    let begin = at("2026-01-01T08:00:00Z").as_millisecond();
    let days = (0_i64..).zip(lengths);
    days.map(|(day, length)| (begin + day * DAY_MS, begin + day * DAY_MS + length))
        .collect()
}

fn within(consumed: &[(i64, i64)], period: Period) -> i64 {
    let part = |(from, to): &(i64, i64)| ((*to).min(period.to_ms) - (*from).max(period.from_ms)).max(0);
    consumed.iter().map(part).sum()
}

#[test]
fn three_years_are_billed_as_they_were_consumed() {
    let (tunepod, records, lengths) = lived(3 * 365);
    let consumed = consumed(&lengths);
    let mut account = account(tunepod, records);
    let due = due::periods(&account, at("2029-02-01T00:00:00Z"));
    let metered: Vec<_> = due
        .into_iter()
        .filter(|(schedule, _)| schedule.word() != "recurring")
        .collect();
    assert!(metered.len() > 30, "{}", metered.len());
    account.tunepods = ledger::with_folded(account.tunepods, &account.records);
    let mut ms = 0;
    // Some are rated: each rates the whole life up to it. All of them add up.
    for (index, (schedule, period)) in metered.iter().enumerate() {
        let part = within(&consumed, *period);
        ms += part;
        if index % 97 != 0 && index + 1 != metered.len() {
            continue;
        }
        let basis = basis(&account, *schedule, *period, at("2029-02-01T00:00:00Z"));
        assert_eq!(basis.doubts, Vec::<String>::new());
        let bill = basis.bill("2029-02-01".parse().unwrap()).unwrap();
        assert_eq!(
            Some(bill.total_minor),
            hourly_amount(175, part.into()),
            "{period:?}"
        );
    }
    assert_eq!(ms, lengths.iter().sum::<i64>(), "the periods hold all of it");
}

#[test]
fn a_record_that_is_missing_is_a_doubt_and_not_a_smaller_bill() {
    let (tunepod, mut records, _) = lived(60);
    let holding = records.iter().position(|record| {
        record
            .status
            .as_ref()
            .is_some_and(|status| !status.intervals.is_empty())
    });
    records.remove(holding.unwrap());
    let mut account = account(tunepod, records);
    let first = due::periods(&account, at("2029-02-01T00:00:00Z"))[0];
    account.tunepods = ledger::with_folded(account.tunepods, &account.records);
    let basis = basis(&account, first.0, first.1, at("2029-02-01T00:00:00Z"));
    assert!(
        basis.doubts.iter().any(|doubt| doubt.contains("missing records")),
        "{:?}",
        basis.doubts
    );
}

#[test]
fn what_is_folded_counts_for_the_first_day_and_for_the_cost_of_the_order() {
    let (tunepod, records, lengths) = lived(100);
    let mut account = account(tunepod, records);
    assert_eq!(
        super::super::basis::first_ready_ms(&account),
        Some(consumed(&lengths)[0].0)
    );
    let status = account.order.status.as_mut().unwrap();
    let folded = account.tunepods[0].status.as_ref().unwrap().folded.clone();
    assert!(folded.is_some());
    // Deleted by hand: the order keeps what was not folded, and the count of what was.
    account.tunepods[0].metadata.deletion_timestamp = Some(time("2026-06-01T00:00:00Z"));
    account.tunepods[0].metadata.uid = Some("uid-1".to_owned());
    status.instances = ledger::instances(status, &account.tunepods);
    assert_eq!(status.instances[0].earlier_folded, folded);
    let gone = ledger::with_earlier(status, &[]);
    assert_eq!(ledger::folded(&gone[0]), folded.as_ref());
    let all = ledger::with_folded(gone, &account.records);
    let seqs: Vec<i64> = ledger::intervals(&all[0]).iter().map(|one| one.seq).collect();
    assert_eq!(seqs, (0..100).collect::<Vec<i64>>());
}
