//! Credit notes: what one follows from, frozen, and what it says.
//!
//! A credit note is a document of its own with the form of an invoice: a frozen cause, a bill, a digest and a
//! signature. It names the invoice by digest, so that it cannot be read as one of another, and what was taken back
//! before, so that it shows by itself that it takes back no more than was left.

use super::balance::{BalanceError, allow};
use super::basis::Bill;
use crate::calendar::Period;
use crate::canonical::{CanonicalError, digest};
use crate::money::Rate;
use crate::names::readable_name;
use crate::rating::RatedLine;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The kind that a signature of a credit note names, see [`crate::canonical::signed_text`].
pub const SIGNED_CREDIT_KIND: &str = "credit-note";
/// SKU of the one line of a credit note.
pub const CREDIT_SKU: &str = "Credit";

/// Everything that a credit note follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Credit {
    /// The buyer organisation. Example: `acme`.
    pub org: String,
    /// The order. Example: `order-1`.
    pub order: String,
    /// UID of the order: a later one of that name is another one.
    pub order_uid: String,
    /// ISO 4217 code of all amounts. Example: `USD`.
    pub currency: String,
    /// Name of the invoice that it corrects.
    pub invoice: String,
    /// Digest of that invoice, 64 hex digits.
    #[cfg_attr(feature = "schema", schemars(length(min = 64, max = 64)))]
    pub invoice_digest: String,
    /// What that invoice asked for, in minor units. Example: `3150` is 31.50 USD.
    pub invoice_total_minor: i64,
    /// What that invoice was for, POSIX milliseconds UTC.
    pub period: Period,
    /// The seller's own id of the credit, once for each invoice. Example: `cn-1`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub id: String,
    /// What earlier credit notes of that invoice took back, in minor units, at least 0.
    pub earlier_minor: i64,
    /// What this one takes back, in minor units, above 0. Example: `175` is 1.75 USD.
    pub amount_minor: i64,
    /// Why, in words for the buyer.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub reason: String,
}

/// What is signed of a credit note.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CreditDocument<'a> {
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// What it follows from.
    pub credit: &'a Credit,
    /// What it says.
    pub bill: &'a Bill,
}

impl CreditDocument<'_> {
    /// SHA-256 of its canonical JSON (RFC 8785), lower-case hex.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        digest(self)
    }
}

impl Credit {
    /// Name of the credit note, see [`credit_name`].
    #[must_use]
    pub fn name(&self) -> String {
        credit_name(&self.org, &self.order_uid, &self.invoice, &self.id)
    }

    /// The bill of this credit, issued on that day: one line below nothing. Refused is what takes back nothing, or more
    /// than earlier credit notes left of the invoice.
    pub fn bill(&self, issued_on: Date) -> Result<Bill, BalanceError> {
        let out_of_range = || BalanceError::OutOfRange(self.order.clone());
        if self.earlier_minor < 0 {
            return Err(BalanceError::NotACredit(self.earlier_minor));
        }
        let left = self.invoice_total_minor.checked_sub(self.earlier_minor);
        allow(&self.invoice, left.ok_or_else(out_of_range)?, self.amount_minor)?;
        let amount_minor = self.amount_minor.checked_neg().ok_or_else(out_of_range)?;
        Ok(Bill {
            lines: vec![RatedLine {
                sku: CREDIT_SKU.to_owned(),
                line: self.invoice.clone(),
                instance: None,
                quantity: "1".to_owned(),
                unit: "credit".to_owned(),
                rate_micros: Rate::from_minor(amount_minor).ok_or_else(out_of_range)?,
                period: self.period,
                amount_minor,
            }],
            total_minor: amount_minor,
            issued_on: issued_on.to_string(),
            // Nothing is to be paid: what it takes back counts from the day of issue.
            due_on: issued_on.to_string(),
            is_sent: true,
            tax: "not_included".to_owned(),
        })
    }
}

/// Name of a credit note: from organisation, order, invoice and the seller's id of the credit, so that a second one
/// cannot exist.
#[must_use]
pub fn credit_name(org: &str, order_uid: &str, invoice: &str, id: &str) -> String {
    // The invoice's own name ends in a hash, and may fill a label: the readable part is cut before the id is lost.
    let readable: String = invoice.chars().take(32).collect();
    readable_name(
        &format!("{readable}-credit-{id}"),
        &[org, "CreditNote", order_uid, invoice, id],
    )
}
