//! What becomes of an invoice that is issued: payments and what is taken out of them again, credit notes, the due day.
//! Pure.
//!
//! | In `spec.credits` | In `status.creditNotes` | The credit note | What is done |
//! |---|---|---|---|
//! | yes | no | no | the intent is written: name, amount, and what the ones before it take back |
//! | yes | without digest | no | it is made from the intent; its name is the lock |
//! | yes | without digest | Draft | it is waited for |
//! | yes | without digest | Issued | its digest is written; from then on it counts |
//! | yes | with digest | Issued | nothing |
//! | yes | without digest | another has its name | it is never taken for the note, and `Settled` says so |
//!
//! So a crash between any two of these repeats a create without effect, or a status that says the same. That all of
//! them take back no more than the invoice asked for is a rule of the one object that asks for them.

use super::basis::labelled;
use crate::controllers::execute::{Plan, Write};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::invoice::{Balance, CreditNoteProgress, PaymentRecord, PaymentReversal};
use trustbridge_api::{Invoice, InvoiceSpec, InvoiceStatus, InvoiceType};
use trustbridge_domain::calendar::{date_of_ms, midnight_ms, parse_date};
use trustbridge_domain::invoice::{
    Basis, Bill, Credit, Owed, Payment, Reversal, balance, credit_name, phase_of,
};
use trustbridge_domain::money::minor_to_decimal;
use trustbridge_domain::phase::InvoicePhase;
use trustbridge_kit::apply::{Built, FieldManager};
use trustbridge_kit::conditions::{Statement, set};

/// Pause before a credit note that was made is looked for again.
const NOTE: Duration = Duration::from_secs(5);
/// Longest pause before an invoice that is not paid is looked at again, should a clock have been set.
const UNPAID: Duration = Duration::from_hours(6);

/// Names of the credit notes that are intended and do not count yet.
pub(super) fn awaited(invoice: &Invoice) -> impl Iterator<Item = &str> {
    let all = invoice.status.iter().flat_map(|s| &s.credit_notes);
    all.filter(|n| n.digest.is_none()).map(|n| n.name.as_str())
}

/// Whether nothing becomes of it by itself any more, given the status that was written. What somebody adds to its spec
/// is looked at then.
pub(super) fn is_over(invoice: &Invoice, status: &InvoiceStatus) -> bool {
    let counts = status.credit_notes.iter().filter(|n| n.digest.is_some()).count();
    status.phase.is_terminal() && counts == invoice.spec.credits.len()
}

/// Phase, balance and credit notes of an issued invoice. `notes` are those of [`awaited`] that exist.
pub(super) fn decide(invoice: &Invoice, notes: &[Invoice], now: Timestamp) -> Plan<InvoiceStatus> {
    let old = invoice.status.clone().unwrap_or_default();
    let (Some(basis), Some(bill)) = (&invoice.spec.basis, &old.bill) else {
        // The API server refuses an issued invoice without them; nothing is made of it.
        return Plan::rest(old);
    };
    let mut status = InvoiceStatus {
        observed_generation: invoice.metadata.generation,
        credit_notes: progress(invoice, basis, bill, &old.credit_notes, notes),
        ..old.clone()
    };
    let mistaken = mistaken(invoice, basis, bill, &old.credit_notes, notes);
    let (statement, pause) = match stands(invoice, basis, bill, &status.credit_notes, now) {
        Ok((owed, wanted)) => {
            status.balance = Some(told(bill, owed, &basis.currency));
            if status.phase.may_become(wanted) {
                status.phase = wanted;
            }
            let statement = mistaken.unwrap_or_else(|| statement(status.phase, bill, owed, &basis.currency));
            (statement, until_late(bill, now))
        }
        Err(words) => {
            let no = Statement::no(ConditionType::Settled, Reason::InvoiceUnratable, words);
            (no, UNPAID)
        }
    };
    set(
        &mut status.conditions,
        &statement,
        invoice.metadata.generation,
        now,
    );
    let missing = old.credit_notes.iter().filter(|n| {
        let is_there = notes.iter().any(|note| note.name_any() == n.name);
        n.digest.is_none() && !is_there
    });
    let writes = missing
        .filter_map(|n| credit_note(invoice, basis, bill, n))
        .map(|built| Write::Create(FieldManager::INVOICE, built))
        .collect();
    let is_awaited = status.credit_notes.iter().any(|n| n.digest.is_none());
    Plan {
        writes,
        requeue: if is_awaited { NOTE } else { pause },
        ..Plan::rest(status)
    }
}

/// The credit notes, with those that were asked for since, and the digests of those that were issued since.
fn progress(
    invoice: &Invoice,
    basis: &Basis,
    bill: &Bill,
    old: &[CreditNoteProgress],
    notes: &[Invoice],
) -> Vec<CreditNoteProgress> {
    let mut all = old.to_vec();
    for known in all.iter_mut().filter(|n| n.digest.is_none()) {
        let note = notes.iter().find(|note| note.name_any() == known.name);
        let note = note.filter(|note| is_of_intent(note, invoice, basis, bill, known));
        known.digest = note.and_then(|n| n.status.as_ref()?.digest.clone());
    }
    for credit in &invoice.spec.credits {
        if all.iter().any(|known| known.id == credit.id) {
            continue;
        }
        // The API server holds each amount and their number down: the sum fits.
        let earlier = all.iter().map(|n| n.amount_minor).fold(0, i64::saturating_add);
        all.push(CreditNoteProgress {
            name: credit_name(&basis.org, &basis.order_uid, &invoice.name_any(), &credit.id),
            id: credit.id.clone(),
            earlier_minor: earlier,
            amount_minor: credit.amount_minor,
            digest: None,
        });
    }
    all
}

/// Whether `note` is the credit note of that intent, to the last amount.
fn is_of_intent(
    note: &Invoice,
    invoice: &Invoice,
    basis: &Basis,
    bill: &Bill,
    intent: &CreditNoteProgress,
) -> bool {
    let wanted = credit(invoice, basis, bill, intent);
    note.spec.of == InvoiceType::CreditNote && wanted.is_some() && note.spec.credit == wanted
}

/// What is said of an object that has the name of a credit note and is not the one that was intended.
fn mistaken(
    invoice: &Invoice,
    basis: &Basis,
    bill: &Bill,
    intents: &[CreditNoteProgress],
    notes: &[Invoice],
) -> Option<Statement> {
    let mut awaited = intents.iter().filter(|intent| intent.digest.is_none());
    let intent = awaited.find(|intent| {
        let mut named = notes.iter().filter(|note| note.name_any() == intent.name);
        named.any(|note| !is_of_intent(note, invoice, basis, bill, intent))
    })?;
    let text = format!(
        "Invoice '{}' has the name of credit note '{}' and is not the one that was intended ({} after {}, of this invoice's digest), so it takes nothing back; find out who made it, and take the amount back under another `id`",
        intent.name,
        intent.id,
        amount(intent.amount_minor, &basis.currency),
        amount(intent.earlier_minor, &basis.currency),
    );
    Some(Statement::no(ConditionType::Settled, Reason::CreditRefused, text))
}

/// What is owed after payments and the credit notes that count, and the phase that this asks for.
fn stands(
    invoice: &Invoice,
    basis: &Basis,
    bill: &Bill,
    notes: &[CreditNoteProgress],
    now: Timestamp,
) -> Result<(Owed, InvoicePhase), String> {
    let payment = |p: &PaymentRecord| Payment {
        reference: p.reference.clone(),
        amount_minor: p.amount_minor,
    };
    let payments: Vec<Payment> = invoice.spec.payments.iter().map(payment).collect();
    let reversal = |r: &PaymentReversal| Reversal {
        payment: r.payment.clone(),
        amount_minor: r.amount_minor,
    };
    let reversals: Vec<Reversal> = invoice.spec.reversals.iter().map(reversal).collect();
    let counted = notes.iter().filter(|n| n.digest.is_some());
    let credits = counted.map(|n| n.amount_minor.saturating_neg());
    let owed = balance(&basis.order, bill.total_minor, credits, &payments, &reversals);
    let owed = owed.map_err(|error| error.to_string())?;
    let due_on = parse_date("status.bill.dueOn", &bill.due_on).map_err(|error| error.to_string())?;
    // Beyond the calendar's end every due day is over.
    let today = date_of_ms(now.as_millisecond()).unwrap_or(Date::MAX);
    Ok((owed, phase_of(bill.total_minor, due_on, owed, today)))
}

fn told(bill: &Bill, owed: Owed, currency: &str) -> Balance {
    Balance {
        credited_minor: bill.total_minor.saturating_sub(owed.credited_total),
        paid_minor: owed.paid,
        reversed_minor: owed.reversed,
        open_minor: owed.open,
        summary: amount(owed.open, currency),
    }
}

fn amount(minor: i64, currency: &str) -> String {
    format!("{} {currency}", minor_to_decimal(minor))
}

fn statement(phase: InvoicePhase, bill: &Bill, owed: Owed, currency: &str) -> Statement {
    let open = amount(owed.open, currency);
    let yes = |text: &str| Statement::yes(ConditionType::Settled, Reason::AsSpecified, text.to_owned());
    if owed.open < 0 {
        let back = amount(owed.open.saturating_neg(), currency);
        let text = format!("{back} more was paid than is owed; return it");
        return Statement::yes(ConditionType::Settled, Reason::Overpaid, text);
    }
    match phase {
        InvoicePhase::Paid | InvoicePhase::Credited if owed.open > 0 => {
            let back = amount(owed.reversed, currency);
            let text = format!(
                "{back} of what was paid was taken out again, and {open} is open; the phase stays, because nothing follows it"
            );
            Statement::no(ConditionType::Settled, Reason::PaymentReversed, text)
        }
        InvoicePhase::Credited => yes("credit notes took all of it back"),
        InvoicePhase::Paid if bill.total_minor == 0 => yes("nothing is owed"),
        InvoicePhase::Paid => yes("paid in full"),
        InvoicePhase::Overdue => {
            let text = format!("{open} was due on {} and is open", bill.due_on);
            Statement::no(ConditionType::Settled, Reason::PaymentOverdue, text)
        }
        InvoicePhase::Draft | InvoicePhase::Issued | InvoicePhase::PartiallyPaid => {
            let text = format!("{open} is open until {}", bill.due_on);
            Statement::no(ConditionType::Settled, Reason::AwaitingPayment, text)
        }
    }
}

/// The pause until the due day is over, if that is soon.
fn until_late(bill: &Bill, now: Timestamp) -> Duration {
    let due = parse_date("status.bill.dueOn", &bill.due_on).ok();
    let late = due.and_then(|day| midnight_ms(day.tomorrow().ok()?));
    let left = late.map(|ms| SignedDuration::from_millis(ms.saturating_sub(now.as_millisecond())));
    let left = left.and_then(|left| Duration::try_from(left).ok());
    left.filter(|left| !left.is_zero())
        .map_or(UNPAID, |left| left.min(UNPAID))
}

/// What the credit note of an intent follows from; `None`: nobody asks for it, or the invoice has no digest.
fn credit(invoice: &Invoice, basis: &Basis, bill: &Bill, of: &CreditNoteProgress) -> Option<Credit> {
    let asked = invoice.spec.credits.iter().find(|c| c.id == of.id)?;
    Some(Credit {
        org: basis.org.clone(),
        order: basis.order.clone(),
        order_uid: basis.order_uid.clone(),
        currency: basis.currency.clone(),
        invoice: invoice.name_any(),
        invoice_digest: invoice.status.as_ref()?.digest.clone()?,
        invoice_total_minor: bill.total_minor,
        period: basis.period,
        id: of.id.clone(),
        earlier_minor: of.earlier_minor,
        amount_minor: of.amount_minor,
        reason: asked.reason.clone(),
    })
}

/// The credit note of an intent; `None`: see [`credit`].
fn credit_note(invoice: &Invoice, basis: &Basis, bill: &Bill, of: &CreditNoteProgress) -> Option<Built> {
    let credit = credit(invoice, basis, bill, of)?;
    let spec = InvoiceSpec {
        order_ref: invoice.spec.order_ref.clone(),
        of: InvoiceType::CreditNote,
        basis: None,
        credit: Some(credit),
        resolution: None,
        payments: Vec::new(),
        reversals: Vec::new(),
        credits: Vec::new(),
    };
    let mut note = Invoice::new(&of.name, spec);
    note.metadata.namespace = invoice.namespace();
    note.metadata.labels = Some(labelled(&basis.org, &basis.order));
    Some(Built::of(&note))
}
