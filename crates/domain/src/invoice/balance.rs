//! What is owed after credits and payments, and whether all invoices together are what the ledger says.

use super::{CreditNote, Invoice};
use crate::calendar::{Period, date_of_ms};
use crate::money::{minor_to_decimal, sum};
use crate::names::readable_name;
use crate::phase::InvoicePhase;
use crate::rating::{Account, Doubt, Schedule, rate};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A payment that was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Payment {
    /// The payer's or the bank's reference; the same one is counted once. No card numbers.
    pub reference: String,
    /// Amount in minor units, above 0.
    pub amount_minor: i64,
}

/// A payment, or a part of one, that was taken out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// Reference of the payment.
    pub payment: String,
    /// Amount in minor units, above 0; all of a payment together are at most the payment.
    pub amount_minor: i64,
}

/// What remains of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its total less credits, in minor units.
    pub credited_total: i64,
    /// What was paid, less what was taken out again.
    pub paid: i64,
    /// What was taken out again.
    pub reversed: i64,
    /// What is still to be paid; negative when too much was.
    pub open: i64,
}

/// A credit, a payment or a sum of invoices is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError {
    /// A credit of nothing, or a charge in disguise.
    #[error(
        "`amountMinor` {0}: a credit takes back at least one minor unit; give what is taken back as a positive number"
    )]
    NotACredit(i64),
    /// More is taken back than is left.
    #[error(
        "`amountMinor` {wanted}: invoice '{invoice}' has {left} minor units left to credit; take back at most that"
    )]
    TooMuch {
        /// The invoice.
        invoice: String,
        /// What was asked for.
        wanted: i64,
        /// What is left.
        left: i64,
    },
    /// A credit note of another invoice or currency.
    #[error("credit note '{0}' is about another invoice or currency")]
    Foreign(String),
    /// A payment of nothing.
    #[error("payment '{0}': its amount must be above 0")]
    NotAPayment(String),
    /// A reversal of nothing, or of no payment.
    #[error("a reversal of payment '{0}': name a payment of this invoice, and an amount above 0")]
    NotAReversal(String),
    /// More is taken out of a payment than it was.
    #[error(
        "reversals take {wanted} minor units out of payment '{payment}' of {paid}; take out at most the payment"
    )]
    TooMuchReversed {
        /// Reference of the payment.
        payment: String,
        /// What is taken out of it.
        wanted: i64,
        /// What it was recorded with.
        paid: i64,
    },
    /// An amount does not fit 64 bits.
    #[error("a sum of order '{0}' does not fit 64 bits of minor units")]
    OutOfRange(String),
    /// Invoices and credits are not what the ledger and the terms come to.
    #[error("order '{order}': invoices and credits sum to {} and the ledger to {}; stop billing it and look", minor_to_decimal(*.billed), minor_to_decimal(*.rated))]
    NotZero {
        /// The order.
        order: String,
        /// Sum of all invoices and credit notes, in minor units.
        billed: i64,
        /// Sum of all lines, rated again from the ledger, in minor units.
        rated: i64,
    },
    /// The ledger cannot be rated.
    #[error(transparent)]
    Doubt(#[from] Doubt),
}

/// A credit note that takes back `amount_minor` of an invoice, or the reason why not.
pub fn credit(
    invoice: &Invoice,
    earlier: &[CreditNote],
    amount_minor: i64,
    reason: &str,
    today: Date,
) -> Result<CreditNote, BalanceError> {
    let left = owed(invoice, earlier, &[])?.credited_total;
    allow(&invoice.name, left, amount_minor)?;
    let number = (earlier.len() + 1).to_string();
    let identity = ["CreditNote", invoice.name.as_str(), number.as_str()];
    Ok(CreditNote {
        name: readable_name(&format!("{}-credit-{number}", invoice.name), &identity),
        invoice: invoice.name.clone(),
        currency: invoice.currency.clone(),
        amount_minor: -amount_minor,
        reason: reason.to_owned(),
        issued_on: today,
    })
}

/// Whether `wanted` minor units may be taken back of an invoice of which `left` are left.
pub(super) fn allow(invoice: &str, left: i64, wanted: i64) -> Result<(), BalanceError> {
    if wanted <= 0 {
        return Err(BalanceError::NotACredit(wanted));
    }
    if wanted > left {
        return Err(BalanceError::TooMuch {
            invoice: invoice.to_owned(),
            wanted,
            left,
        });
    }
    Ok(())
}

/// What remains of an invoice after `credits` and `payments`. A payment reference counts once.
pub fn owed(invoice: &Invoice, credits: &[CreditNote], payments: &[Payment]) -> Result<Owed, BalanceError> {
    let foreign = |c: &&CreditNote| c.invoice != invoice.name || c.currency != invoice.currency;
    if let Some(note) = credits.iter().find(foreign) {
        return Err(BalanceError::Foreign(note.name.clone()));
    }
    let back = credits.iter().map(|c| c.amount_minor);
    balance(&invoice.order, invoice.total_minor, back, payments, &[])
}

/// What remains of `total_minor` after credit notes over `credits`, which are negative, `payments`, and `reversals` of
/// them. A payment reference counts once; a reversal refers to a payment, and takes no more out of it than it was.
pub fn balance(
    order: &str,
    total_minor: i64,
    credits: impl IntoIterator<Item = i64>,
    payments: &[Payment],
    reversals: &[Reversal],
) -> Result<Owed, BalanceError> {
    if let Some(payment) = payments.iter().find(|p| p.amount_minor <= 0) {
        return Err(BalanceError::NotAPayment(payment.reference.clone()));
    }
    let out_of_range = || BalanceError::OutOfRange(order.to_owned());
    let back = sum(credits).ok_or_else(out_of_range)?;
    let mut once: BTreeMap<&str, i64> = BTreeMap::new();
    for payment in payments {
        once.entry(&payment.reference).or_insert(payment.amount_minor);
    }
    let arrived = sum(once.values().copied()).ok_or_else(out_of_range)?;
    let reversed = reversed(order, &once, reversals)?;
    // Each payment keeps its reversals down: this is at least 0.
    let paid = arrived.checked_sub(reversed).ok_or_else(out_of_range)?;
    let credited_total = total_minor.checked_add(back).ok_or_else(out_of_range)?;
    Ok(Owed {
        credited_total,
        paid,
        reversed,
        open: credited_total.checked_sub(paid).ok_or_else(out_of_range)?,
    })
}

/// What `reversals` take out of payments, by reference.
fn reversed(
    order: &str,
    payments: &BTreeMap<&str, i64>,
    reversals: &[Reversal],
) -> Result<i64, BalanceError> {
    let out_of_range = || BalanceError::OutOfRange(order.to_owned());
    let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
    for reversal in reversals {
        let payment = reversal.payment.as_str();
        let Some(paid) = payments.get(payment).filter(|_| reversal.amount_minor > 0) else {
            return Err(BalanceError::NotAReversal(payment.to_owned()));
        };
        let sum = taken.entry(payment).or_default();
        *sum = sum.checked_add(reversal.amount_minor).ok_or_else(out_of_range)?;
        if *sum > *paid {
            return Err(BalanceError::TooMuchReversed {
                payment: payment.to_owned(),
                wanted: *sum,
                paid: *paid,
            });
        }
    }
    sum(taken.into_values()).ok_or_else(out_of_range)
}

/// The phase that an issued invoice should have on `today`. It may not be reachable in one step from where the
/// invoice is; the state machine decides that.
#[must_use]
pub fn phase(invoice: &Invoice, owed: Owed, today: Date) -> InvoicePhase {
    phase_of(invoice.total_minor, invoice.due_on, owed, today)
}

/// The phase that an issued invoice over `total_minor`, due on `due_on`, should have on `today`, see [`phase`].
#[must_use]
pub fn phase_of(total_minor: i64, due_on: Date, owed: Owed, today: Date) -> InvoicePhase {
    if owed.credited_total == 0 && total_minor != 0 && owed.paid == 0 {
        InvoicePhase::Credited
    } else if owed.open <= 0 {
        InvoicePhase::Paid
    } else if today > due_on {
        InvoicePhase::Overdue
    } else if owed.paid > 0 {
        InvoicePhase::PartiallyPaid
    } else {
        InvoicePhase::Issued
    }
}

/// Rates every period of the order's life that ended by `through_ms` again from the ledger, on each of `schedules`, and
/// compares: all invoices, and all credit notes with the corrections that they answer (`corrected_minor`, negative;
/// 0 for none), must sum to the same. An invoice that is missing, doubled or changed does not pass.
pub fn zero_sum(
    account: &Account<'_>,
    schedules: &[Schedule],
    through_ms: i64,
    documents: (&[Invoice], &[CreditNote]),
    corrected_minor: i64,
) -> Result<(), BalanceError> {
    let out_of_range = || BalanceError::OutOfRange(account.order.to_owned());
    let verified = account.verify()?;
    let mut rated = corrected_minor;
    for schedule in schedules {
        for period in billed_periods(account, *schedule, through_ms) {
            let lines = rate(verified, *schedule, period)?;
            let amount = sum(lines.iter().map(|l| l.amount_minor)).ok_or_else(out_of_range)?;
            rated = rated.checked_add(amount).ok_or_else(out_of_range)?;
        }
    }
    let (invoices, credits) = documents;
    let amounts = invoices.iter().map(|i| i.total_minor);
    let billed = sum(amounts.chain(credits.iter().map(|c| c.amount_minor))).ok_or_else(out_of_range)?;
    if billed != rated {
        return Err(BalanceError::NotZero {
            order: account.order.to_owned(),
            billed,
            rated,
        });
    }
    Ok(())
}

/// The periods of a schedule from the first line or readiness of an order until its end, as far as they ended by
/// `through_ms`.
pub fn billed_periods(
    account: &Account<'_>,
    schedule: Schedule,
    through_ms: i64,
) -> impl Iterator<Item = Period> + use<> {
    let lines = account.lines.iter().map(|l| l.from_ms);
    let ready = account.instances.iter().filter_map(|i| i.first_ready_ms);
    let end = account.ended_ms.unwrap_or(i64::MAX);
    let mut at = lines.chain(ready).min().unwrap_or(end);
    std::iter::from_fn(move || {
        let period = (at < end)
            .then(|| date_of_ms(at).and_then(|day| schedule.period_of(day)))
            .flatten()?;
        at = period.to_ms;
        (period.to_ms <= through_ms).then_some(period)
    })
}
