//! The rules of invoices: what is held, that all of them are the ledger, credits and payments.

use crate::account::{H, Owned, account, at, day, hourly, intervals, monthly, period};
use trustbridge_domain::intervals::Wide;
use trustbridge_domain::invoice::{
    BalanceError, CreditNote, Decision, Invoice, Payment, Policy, billed_periods, credit, decide, owed,
    phase, zero_sum,
};
use trustbridge_domain::phase::InvoicePhase;
use trustbridge_domain::rating::terms::{Charge, TermLine};
use trustbridge_domain::rating::{Account, Cadence, Doubt, Schedule};

const DAILY: Schedule = Schedule::Metered(Cadence::Daily);

#[test]
fn a_missing_seal_a_broken_chain_and_a_stranger_key_hold_the_invoice() {
    let start = at("2026-02-01");
    let all = intervals("gen", 1, &[(start, start + 30 * H)]);
    let mut owned = Owned::new("inst", &all, None, at("2026-02-02"));
    let lines = [hourly("gen", "StudioGen-1GPU", 175, 0, start)];
    let hold = |owned: &Owned, lines: &[TermLine], of: &str| {
        let instances = [owned.instance()];
        let period = DAILY.period_of(day(at(of))).unwrap();
        match decide(
            &account(lines, &instances, None),
            DAILY,
            period,
            Policy::default(),
            at("2026-03-01"),
        ) {
            Decision::Hold(doubt) => doubt,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        hold(&owned, &lines, "2026-02-02"),
        Doubt::MissingSeal { .. }
    ));
    let stranger = [hourly("other", "StudioGen-1GPU", 175, 0, start)];
    assert!(matches!(
        hold(&owned, &stranger, "2026-02-01"),
        Doubt::UnknownKey { .. }
    ));
    let late = [hourly("gen", "StudioGen-1GPU", 175, 0, start + H)];
    assert!(matches!(
        hold(&owned, &late, "2026-02-01"),
        Doubt::OutsideTerms { .. }
    ));
    owned.records[0].hours[0].usage.nvme_byte_ms = Wide(0);
    assert!(matches!(hold(&owned, &lines, "2026-02-01"), Doubt::Chain(_)));
    owned.first_ready_ms = None;
    owned.records.clear();
    owned.first_ready_ms = Some(start);
    owned.ended_ms = Some(start - 1);
    assert!(matches!(hold(&owned, &lines, "2026-02-01"), Doubt::Life { .. }));
}

#[test]
fn a_period_that_is_not_the_schedules_is_no_invoice() {
    let lines = [monthly("base", "TunePod-1GPU", 320_000, at("2026-02-01"))];
    let half = period("2026-02-01", "2026-02-15");
    let decision = decide(
        &account(&lines, &[], None),
        Schedule::Recurring,
        half,
        Policy::default(),
        at("2026-04-01"),
    );
    assert!(
        matches!(decision, Decision::Hold(Doubt::Terms { .. })),
        "{decision:?}"
    );
}

/// A studio's order of three days with its daily invoices.
fn billed(owned: &Owned, lines: &[TermLine], end: i64) -> Vec<Invoice> {
    let instances = [owned.instance()];
    let account = account(lines, &instances, Some(end));
    let mut all = Vec::new();
    for schedule in [DAILY, Schedule::Recurring] {
        for period in billed_periods(&account, schedule, i64::MAX) {
            match decide(&account, schedule, period, Policy::default(), at("2026-04-01")) {
                Decision::Issue(invoice) => all.push(*invoice),
                other => panic!("{other:?}"),
            }
        }
    }
    all
}

fn story() -> (Owned, [TermLine; 2], i64) {
    let start = at("2026-02-01");
    let end = start + 50 * H;
    let all = intervals("gen", 1, &[(start, start + 7 * H + 1), (start + 30 * H, end)]);
    let owned = Owned::new("inst", &all, Some(end), at("2026-02-04"));
    let lines = [
        hourly("gen", "StudioGen-1GPU", 175, 2, start),
        monthly("nvme", "NVMe-AddOn-2TB", 25_000, start),
    ];
    (owned, lines, end)
}

const BOTH: [Schedule; 2] = [DAILY, Schedule::Recurring];

fn sums(account: &Account<'_>, invoices: &[Invoice], credits: &[CreditNote], corrected: i64) -> bool {
    match zero_sum(account, &BOTH, i64::MAX, (invoices, credits), corrected) {
        Ok(()) => true,
        Err(BalanceError::NotZero { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn all_invoices_are_the_ledger_and_a_missing_doubled_or_changed_one_is_found() {
    let (owned, lines, end) = story();
    let invoices = billed(&owned, &lines, end);
    let instances = [owned.instance()];
    let account = account(&lines, &instances, Some(end));
    assert_eq!(invoices.len(), 4, "three days and a month");
    assert!(sums(&account, &invoices, &[], 0));
    assert!(!sums(&account, &invoices[1..], &[], 0));
    let mut doubled = invoices.clone();
    doubled.push(invoices[0].clone());
    assert!(!sums(&account, &doubled, &[], 0));
    let mut changed = invoices.clone();
    changed[0].total_minor += 1;
    assert!(!sums(&account, &changed, &[], 0));
    let note = credit(
        &invoices[0],
        &[],
        100,
        "an hour was the seller's",
        day(at("2026-03-01")),
    )
    .unwrap();
    assert!(!sums(&account, &invoices, std::slice::from_ref(&note), 0));
    assert!(sums(&account, &invoices, &[note], -100));
}

#[test]
fn the_same_input_gives_the_same_bytes_and_names_never_meet() {
    let (owned, lines, end) = story();
    let text = |all: &[Invoice]| serde_json::to_string(all).unwrap();
    let invoices = billed(&owned, &lines, end);
    assert_eq!(text(&invoices), text(&billed(&owned, &lines, end)));
    let names: std::collections::BTreeSet<&str> = invoices.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names.len(), invoices.len());
    let read: Vec<Invoice> = serde_json::from_str(&text(&invoices)).unwrap();
    assert_eq!(read, invoices);
}

#[test]
fn an_invoice_over_nothing_is_recorded_and_not_sent() {
    let (owned, lines, end) = story();
    let mut longer = lines.clone();
    longer[1].charge = Charge::Monthly { price_minor: 0 };
    let invoices = billed(&owned, &longer, end);
    let zero: Vec<&Invoice> = invoices.iter().filter(|i| i.total_minor == 0).collect();
    assert!(!zero.is_empty() && zero.iter().all(|i| !i.is_sent));
    assert!(invoices.iter().filter(|i| i.total_minor != 0).all(|i| i.is_sent));
}

#[test]
fn credits_take_back_at_most_what_is_there() {
    let (owned, lines, end) = story();
    let invoice = &billed(&owned, &lines, end)[0];
    let today = day(at("2026-03-01"));
    assert!(matches!(
        credit(invoice, &[], 0, "", today),
        Err(BalanceError::NotACredit(0))
    ));
    let half = credit(invoice, &[], invoice.total_minor / 2, "half", today).unwrap();
    let left = invoice.total_minor + half.amount_minor;
    let too_much = credit(invoice, std::slice::from_ref(&half), left + 1, "more", today);
    assert!(matches!(too_much, Err(BalanceError::TooMuch { .. })));
    let rest = credit(invoice, std::slice::from_ref(&half), left, "the rest", today).unwrap();
    assert_ne!(rest.name, half.name);
    let balance = owed(invoice, &[half, rest], &[]).unwrap();
    assert_eq!((balance.credited_total, balance.open), (0, 0));
    assert_eq!(phase(invoice, balance, today), InvoicePhase::Credited);
}

#[test]
fn payments_count_once_and_lead_through_the_phases() {
    let (owned, lines, end) = story();
    let invoice = &billed(&owned, &lines, end)[0];
    let pay = |reference: &str, amount_minor| Payment {
        reference: reference.to_owned(),
        amount_minor,
    };
    let (due, late) = (invoice.due_on, invoice.due_on.tomorrow().unwrap());
    let at_phase = |payments: &[Payment], today| phase(invoice, owed(invoice, &[], payments).unwrap(), today);
    assert_eq!(at_phase(&[], due), InvoicePhase::Issued);
    assert_eq!(at_phase(&[], late), InvoicePhase::Overdue);
    assert_eq!(at_phase(&[pay("a", 1)], due), InvoicePhase::PartiallyPaid);
    let all = invoice.total_minor;
    assert_eq!(at_phase(&[pay("a", all)], late), InvoicePhase::Paid);
    let twice = owed(invoice, &[], &[pay("a", 5), pay("a", 5)]).unwrap();
    assert_eq!(twice.paid, 5);
    assert!(matches!(
        owed(invoice, &[], &[pay("a", 0)]),
        Err(BalanceError::NotAPayment(_))
    ));
}
