//! Invoices: when one is issued, when it is held, what a credit note may take back, and what is owed.
//!
//! The name of an invoice follows from order, schedule and period, so a second one cannot exist. What an issued
//! invoice says never changes; a correction is a [`CreditNote`]. On doubt there is no invoice but a hold, because a
//! wrong invoice is worse than a late one.

mod balance;
mod basis;
mod credit;
mod issue;
#[cfg(test)]
mod tests;
mod verify;

pub use balance::{
    BalanceError, Owed, Payment, Reversal, balance, billed_periods, credit, owed, phase, phase_of, zero_sum,
};
pub(crate) use basis::charge;
pub use basis::{BASE, Basis, Bill, BilledInstance, CountedDay, Document, SIGNED_KIND, cut, name, terms};
pub use credit::{CREDIT_SKU, Credit, CreditDocument, SIGNED_CREDIT_KIND, credit_name};
pub use issue::{Decision, Policy, decide};
pub use verify::{Printed, Verdict, corrects, verify};

use crate::calendar::Period;
use crate::rating::{RatedLine, Schedule};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// An invoice, complete. Immutable once issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invoice {
    /// Name of the object, made from order, schedule and period.
    pub name: String,
    /// The order.
    pub order: String,
    /// Which lines are billed together.
    pub schedule: Schedule,
    /// What it is for.
    pub period: Period,
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// Its lines; each is rounded once.
    pub lines: Vec<RatedLine>,
    /// The sum of the lines in minor units.
    pub total_minor: i64,
    /// Day of issue.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub issued_on: Date,
    /// Day until which it is to be paid.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub due_on: Date,
    /// Whether it goes to the buyer; an invoice over nothing is recorded only.
    pub is_sent: bool,
    /// Taxes are not part of it: always `not_included`.
    pub tax: String,
    /// Hashes of the sealed days that it follows from, in the order of instance and day.
    pub inputs: Vec<String>,
    /// SHA-256 of the canonical JSON of the order's lines in force.
    pub terms_digest: String,
}

/// A correction of an issued invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreditNote {
    /// Name of the object, made from the invoice and its number.
    pub name: String,
    /// Name of the invoice.
    pub invoice: String,
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// What is taken back in minor units, negative.
    pub amount_minor: i64,
    /// Why, in words for the buyer.
    pub reason: String,
    /// Day of issue.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub issued_on: Date,
}
