//! What becomes of an issued invoice as tables, and credit notes through every crash.

mod reversals;

use super::super::settlement::{self, awaited, is_over};
use super::*;
use crate::controllers::execute::{Write, status_write};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use std::collections::BTreeMap;
use std::time::Duration;
use trustbridge_api::invoice::{CreditRequest, PaymentRecord};
use trustbridge_api::{InvoiceStatus, InvoiceType};
use trustbridge_domain::invoice::{Printed, corrects, verify};

/// Issued over 31.50 USD on 20 January, due the same day.
fn issued() -> Invoice {
    let (store, _) = settled(&running(), "2026-01-20T00:00:00Z");
    store.0.into_values().next().unwrap()
}

fn paid(amount_minor: i64, reference: &str) -> PaymentRecord {
    PaymentRecord {
        reference: reference.to_owned(),
        amount_minor,
        received_on: "2026-01-20".to_owned(),
    }
}

fn credit(id: &str, amount_minor: i64) -> CreditRequest {
    CreditRequest {
        id: id.to_owned(),
        amount_minor,
        reason: "an hour was ours".to_owned(),
    }
}

fn with(invoice: &Invoice, payments: &[PaymentRecord], credits: &[CreditRequest]) -> Invoice {
    let mut invoice = invoice.clone();
    invoice.spec.payments = payments.to_vec();
    invoice.spec.credits = credits.to_vec();
    invoice
}

fn stands(status: &InvoiceStatus) -> (InvoicePhase, i64, String) {
    let said = find(&status.conditions, ConditionType::Settled).unwrap();
    let open = status.balance.as_ref().unwrap().open_minor;
    (status.phase, open, format!("{}/{}", said.status, said.reason))
}

#[test]
fn payments_and_the_due_day_lead_through_the_phases() {
    let (on_time, late) = ("2026-01-20T23:59:59Z", "2026-01-21T00:00:00Z");
    let (waits, over, done) = (
        "False/AwaitingPayment",
        "False/PaymentOverdue",
        "True/AsSpecified",
    );
    let rows: [(&[i64], &str, InvoicePhase, i64, &str); 7] = [
        (&[], on_time, InvoicePhase::Issued, 3_150, waits),
        (&[], late, InvoicePhase::Overdue, 3_150, over),
        (&[1_000], on_time, InvoicePhase::PartiallyPaid, 2_150, waits),
        (&[1_000], late, InvoicePhase::Overdue, 2_150, over),
        (&[1_000, 2_150], on_time, InvoicePhase::Paid, 0, done),
        (&[3_150], late, InvoicePhase::Paid, 0, done),
        (&[3_150, 50], late, InvoicePhase::Paid, -50, "True/Overpaid"),
    ];
    for (amounts, now, phase, open, said) in rows {
        let payments: Vec<PaymentRecord> = amounts
            .iter()
            .enumerate()
            .map(|(n, amount)| paid(*amount, &format!("trx-{n}")))
            .collect();
        let invoice = with(&issued(), &payments, &[]);
        let plan = settlement::decide(&invoice, &[], at(now));
        let right = (phase, open, said.to_owned());
        assert_eq!(stands(&plan.status), right, "{amounts:?} at {now}");
        assert_eq!(is_over(&invoice, &plan.status), phase == InvoicePhase::Paid);
        assert!(plan.writes.is_empty());
        // What was signed is as it was.
        let old = invoice.status.clone().unwrap();
        assert_eq!((&plan.status.bill, &plan.status.digest), (&old.bill, &old.digest));
        let mut again = invoice.clone();
        again.status = Some(plan.status.clone());
        let rest = settlement::decide(&again, &[], at(now));
        assert_eq!(rest.status, plan.status, "at rest");
    }
}

#[test]
fn an_overdue_invoice_is_paid_in_the_end_and_never_goes_back() {
    let mut invoice = issued();
    let phases = [
        (0, "2026-01-21T00:00:00Z", InvoicePhase::Overdue),
        (1_000, "2026-01-22T00:00:00Z", InvoicePhase::Overdue),
        // A clock that was set back makes nothing undone.
        (1_000, "2026-01-20T12:00:00Z", InvoicePhase::PartiallyPaid),
        (1_000, "2026-01-23T00:00:00Z", InvoicePhase::Overdue),
        (3_150, "2026-01-24T00:00:00Z", InvoicePhase::Paid),
        (3_150, "2026-01-20T00:00:00Z", InvoicePhase::Paid),
    ];
    for (sum, now, phase) in phases {
        let mut payments = invoice.spec.payments.clone();
        let before: i64 = payments.iter().map(|p| p.amount_minor).sum();
        if sum > before {
            payments.push(paid(sum - before, now));
        }
        invoice = with(&invoice, &payments, &[]);
        let status = settlement::decide(&invoice, &[], at(now)).status;
        assert_eq!(status.phase, phase, "{now}");
        assert!(invoice.status.as_ref().unwrap().phase.may_become(status.phase));
        invoice.status = Some(status);
    }
}

#[test]
fn an_unpaid_invoice_is_looked_at_again_when_its_day_is_over() {
    let pause = |now: &str| settlement::decide(&issued(), &[], at(now)).requeue;
    assert_eq!(pause("2026-01-20T23:59:00Z"), Duration::from_mins(1));
    assert_eq!(pause("2026-01-20T01:00:00Z"), Duration::from_hours(6));
    assert_eq!(pause("2026-02-20T01:00:00Z"), Duration::from_hours(6));
}

#[test]
fn an_invoice_over_nothing_is_settled_at_once() {
    let mut free = issued();
    let bill = free.status.as_mut().unwrap().bill.as_mut().unwrap();
    (bill.total_minor, bill.lines) = (0, Vec::new());
    let plan = settlement::decide(&free, &[], at("2026-01-20T00:00:01Z"));
    let right = (InvoicePhase::Paid, 0, "True/AsSpecified".to_owned());
    assert_eq!(stands(&plan.status), right);
}

/// Invoices by name, and one loop over all of them; a write can be the last of a process.
#[derive(Clone, Debug, Default)]
struct World(BTreeMap<String, Invoice>);

impl World {
    fn of(invoice: Invoice) -> Self {
        Self([(invoice.name_any(), invoice)].into())
    }

    /// What the server holds, without versions.
    fn held(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap()
    }

    /// Each invoice once; `false`: the process died at the write that `count` came to.
    fn round(&mut self, now: &str, crash: Option<(usize, bool)>, count: &mut usize) -> bool {
        for name in self.0.keys().cloned().collect::<Vec<_>>() {
            let seen = self.0[&name].clone();
            let plan = if is_open(&seen) {
                decide(&seen, Ok(&seller().signer), at(now))
            } else if seen.spec.of == InvoiceType::Invoice {
                let notes: Vec<Invoice> = awaited(&seen)
                    .filter_map(|name| self.0.get(name).cloned())
                    .collect();
                settlement::decide(&seen, &notes, at(now))
            } else {
                continue;
            };
            let creates = plan.writes.iter().map(|write| {
                let Write::Create(_, built) = write else {
                    panic!("{write:?} is no create");
                };
                serde_json::from_value::<Invoice>(built.body.clone()).unwrap()
            });
            for note in creates {
                let make = |world: &mut Self| {
                    world.0.entry(note.name_any()).or_insert(note);
                };
                if !self.write(crash, count, make) {
                    return false;
                }
            }
            if status_write(&seen, seen.status.as_ref(), &plan.status).is_none() {
                continue;
            }
            let status = plan.status.clone();
            let put = |world: &mut Self| world.0.get_mut(&name).unwrap().status = Some(status);
            if !self.write(crash, count, put) {
                return false;
            }
        }
        true
    }

    fn write(
        &mut self,
        crash: Option<(usize, bool)>,
        count: &mut usize,
        effect: impl FnOnce(&mut Self),
    ) -> bool {
        let here = crash.filter(|(write, _)| write == count);
        *count += 1;
        if here.is_none_or(|(_, after)| after) {
            effect(self);
        }
        here.is_none()
    }

    /// Rounds until nothing is written; the number of writes.
    fn rest(&mut self, now: &str) -> usize {
        let mut count = 0;
        for _ in 0..12 {
            let before = count;
            assert!(self.round(now, None, &mut count));
            if count == before {
                return count;
            }
        }
        panic!("it never comes to rest: {:#}", self.held());
    }
}

const NOW: &str = "2026-01-20T12:00:00Z";

#[test]
fn a_crash_at_any_write_leads_to_the_same_credit_notes() {
    let credits = [credit("cn-1", 150), credit("cn-2", 2_000), credit("cn-3", 1_000)];
    let start = World::of(with(&issued(), &[], &credits));
    let mut wanted = start.clone();
    let writes = wanted.rest(NOW);
    assert!(
        writes >= 8,
        "an intent, three notes made, three issued, one told: {writes}"
    );
    assert_eq!(wanted.0.len(), 4);
    let mut crashes = 0;
    for write in 0..writes {
        for after in [false, true] {
            let (mut world, mut count, mut died) = (start.clone(), 0, false);
            for _ in 0..12 {
                died = died || !world.round(NOW, Some((write, after)), &mut count);
            }
            assert!(died, "write {write} was never reached");
            world.rest(NOW);
            assert_eq!(
                world.held(),
                wanted.held(),
                "crash at write {write}, after: {after}"
            );
            crashes += 1;
        }
    }
    let mut sums: Vec<(i64, i64)> = wanted
        .0
        .values()
        .filter_map(|i| i.spec.credit.as_ref())
        .map(|c| (c.earlier_minor, c.amount_minor))
        .collect();
    sums.sort_unstable();
    assert_eq!(
        sums,
        [(0, 150), (150, 2_000), (2_150, 1_000)],
        "each says what was before"
    );
    println!("{crashes} crashes, the same credit notes");
}

#[test]
fn a_credit_counts_from_the_signature_of_its_note_on() {
    let invoice = with(&issued(), &[], &[credit("cn-1", 3_150)]);
    let mut world = World::of(invoice.clone());
    let own = |world: &World| world.0[&invoice.name_any()].status.clone().unwrap();
    let mut count = 0;
    world.round(NOW, None, &mut count);
    assert_eq!(count, 1, "the intent alone");
    let intent = own(&world).credit_notes[0].clone();
    assert_eq!((intent.digest, own(&world).phase), (None, InvoicePhase::Issued));
    assert_eq!(own(&world).balance.unwrap().credited_minor, 0);
    world.rest(NOW);
    let status = own(&world);
    let note = &world.0[&intent.name];
    let said = note.status.as_ref().unwrap();
    assert_eq!(status.credit_notes[0].digest, said.digest);
    assert_eq!(
        (note.spec.of, said.phase),
        (InvoiceType::CreditNote, InvoicePhase::Issued)
    );
    assert_eq!(said.summary.as_deref(), Some("-31.50 USD"));
    assert_eq!(
        note.spec.credit.as_ref().unwrap().invoice_digest,
        invoice.status.as_ref().unwrap().digest.clone().unwrap()
    );
    assert_eq!(
        stands(&status),
        (InvoicePhase::Credited, 0, "True/AsSpecified".to_owned())
    );
    assert!(is_over(&world.0[&invoice.name_any()], &status));
}

#[test]
fn an_object_that_has_the_name_of_a_credit_note_is_not_taken_for_it() {
    let mut world = World::of(with(&issued(), &[], &[credit("cn-1", 150)]));
    world.rest(NOW);
    let by_type = |of| world.0.values().find(|i| i.spec.of == of).unwrap().clone();
    let (told, note) = (by_type(InvoiceType::Invoice), by_type(InvoiceType::CreditNote));
    let mut invoice = told.clone();
    // As it was before the note was seen: intended, and without digest.
    invoice.status.as_mut().unwrap().credit_notes[0].digest = None;
    let plan = settlement::decide(&invoice, std::slice::from_ref(&note), at(NOW));
    assert_eq!(plan.status, told.status.clone().unwrap(), "the right one counts");
    let rows: [fn(&mut trustbridge_domain::invoice::Credit); 4] = [
        |credit| credit.amount_minor = 151,
        |credit| credit.earlier_minor = 1,
        |credit| credit.invoice_digest = "0".repeat(64),
        |credit| credit.id = "cn-2".to_owned(),
    ];
    let mut others: Vec<Invoice> = Vec::new();
    for change in rows {
        let mut other = note.clone();
        change(other.spec.credit.as_mut().unwrap());
        others.push(other);
    }
    let mut no_note = told.clone();
    no_note.metadata.name.clone_from(&note.metadata.name);
    others.push(no_note);
    for other in others {
        let plan = settlement::decide(&invoice, &[other], at(NOW));
        assert_eq!(plan.status.credit_notes[0].digest, None);
        let open = plan.status.balance.as_ref().unwrap().open_minor;
        assert_eq!(open, 3_150, "nothing is taken back");
        let said = find(&plan.status.conditions, ConditionType::Settled).unwrap();
        assert_eq!(
            (said.status.as_str(), said.reason.as_str()),
            ("False", "CreditRefused")
        );
        assert!(said.message.contains("cn-1"), "{}", said.message);
        assert!(plan.writes.is_empty(), "the name is taken");
    }
}

/// Credits that come one after the other, beside payments, in a list that somebody reordered.
#[test]
fn later_credits_follow_earlier_ones_whatever_their_order_in_the_list() {
    let mut world = World::of(with(&issued(), &[paid(1_000, "trx-1")], &[credit("cn-2", 150)]));
    world.rest(NOW);
    let name = world
        .0
        .values()
        .find(|i| i.spec.of == InvoiceType::Invoice)
        .unwrap()
        .name_any();
    let own = world.0.get_mut(&name).unwrap();
    own.spec.credits = vec![credit("cn-1", 2_000), credit("cn-2", 150)];
    world.rest(NOW);
    let status = world.0[&name].status.clone().unwrap();
    let told: Vec<(&str, i64)> = status
        .credit_notes
        .iter()
        .map(|n| (n.id.as_str(), n.earlier_minor))
        .collect();
    assert_eq!(told, [("cn-2", 0), ("cn-1", 150)]);
    assert_eq!(
        stands(&status),
        (InvoicePhase::Paid, 0, "True/AsSpecified".to_owned())
    );
    // What is taken back of a paid invoice is to be returned.
    world
        .0
        .get_mut(&name)
        .unwrap()
        .spec
        .credits
        .push(credit("cn-3", 100));
    world.rest(NOW);
    let status = world.0[&name].status.clone().unwrap();
    assert_eq!(
        stands(&status),
        (InvoicePhase::Paid, -100, "True/Overpaid".to_owned())
    );
}

#[test]
fn more_than_was_left_is_not_taken_back_and_nothing_is_unsigned() {
    let mut world = World::of(with(&issued(), &[], &[credit("cn-1", 3_000)]));
    world.rest(NOW);
    let mut note = world
        .0
        .values()
        .find(|i| i.spec.credit.is_some())
        .unwrap()
        .clone();
    note.status = None;
    let unsigned = decide(&note, Err("no key yet"), at(NOW)).status;
    assert_eq!(unsigned.phase, InvoicePhase::Draft);
    assert!(reason(&unsigned).contains("no key yet"));
    note.spec.credit.as_mut().unwrap().earlier_minor = 151;
    let status = decide(&note, Ok(&seller().signer), at(NOW)).status;
    assert_eq!((status.phase, status.bill.is_none()), (InvoicePhase::Draft, true));
    let said = reason(&status);
    assert!(
        said.starts_with("False/CreditRefused") && said.contains("2999"),
        "{said}"
    );
}

/// What the operator writes is what a stranger accepts, each by itself and both together.
#[test]
fn what_is_written_is_verified() {
    let mut world = World::of(with(
        &issued(),
        &[paid(10, "trx-1")],
        &[credit("cn-1", 150), credit("cn-2", 300)],
    ));
    world.rest(NOW);
    let is_signed = |key: &[u8; 32], text: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(text, signature)
            .is_ok()
    };
    let printed = |i: &Invoice| serde_json::from_value::<Printed>(serde_json::to_value(i).unwrap()).unwrap();
    let (notes, invoices): (Vec<&Invoice>, Vec<&Invoice>) =
        world.0.values().partition(|i| i.spec.credit.is_some());
    assert_eq!((notes.len(), invoices.len()), (2, 1));
    for one in world.0.values() {
        let verdict = verify(&printed(one), &[], is_signed);
        assert_eq!(verdict.findings, Vec::<String>::new(), "{}", one.name_any());
        assert_eq!(verdict.corrects.is_some(), one.spec.credit.is_some());
    }
    for note in notes {
        assert_eq!(
            corrects(&printed(note), &printed(invoices[0])),
            Vec::<String>::new()
        );
    }
}
