//! What became of an invoice after it was issued: payments, credits, and what remains.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A payment that arrived, as the seller records it. No card data is ever part of it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.reference.matches('(^|[^0-9A-Za-z])([0-9]{13,19}|[0-9]{4}([ -][0-9]{4}){3}([ -]?[0-9]{1,3})?|[0-9]{4}[ -][0-9]{6}[ -][0-9]{5})($|[^0-9A-Za-z])')").message("`reference` must not hold what may be the number of a card: give the bank's reference of the transfer"),
    validation = Rule::new("self.receivedOn.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')").message("`receivedOn` must be a UTC date, e.g. '2026-03-04'")
)]
pub struct PaymentRecord {
    /// The bank's or the payer's reference; one reference is one payment. Example: `TRX-2026-03-04-0017`.
    #[schemars(length(min = 1, max = 140))]
    pub reference: String,
    /// What arrived, in minor units of the invoice's currency. Example: `3150` is 31.50 USD.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub amount_minor: i64,
    /// The UTC day on which it arrived. Example: `2026-03-04`.
    #[schemars(length(min = 10, max = 10))]
    pub received_on: String,
}

/// A payment, or a part of one, that is taken out again: it was recorded wrongly, or it bounced.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.reversedOn.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')").message("`reversedOn` must be a UTC date, e.g. '2026-03-06'"))]
pub struct PaymentReversal {
    /// The seller's own id of the reversal; one id is one reversal. Example: `rv-1`.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// `reference` of the payment that is taken out. Example: `TRX-2026-03-04-0017`.
    #[schemars(length(min = 1, max = 140))]
    pub payment: String,
    /// What is taken out of it, in minor units of the invoice's currency; all reversals of a payment together are at
    /// most the payment. Example: `3150` is 31.50 USD.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub amount_minor: i64,
    /// The UTC day on which it was found out. Example: `2026-03-06`.
    #[schemars(length(min = 10, max = 10))]
    pub reversed_on: String,
    /// Why, for people. Example: `recorded at the wrong invoice`.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// What the seller takes back of an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditRequest {
    /// The seller's own id of the credit; one id is one credit note. Example: `cn-1`.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// What is taken back, in minor units of the invoice's currency. Example: `175` is 1.75 USD.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub amount_minor: i64,
    /// Why, in words for the buyer; they are signed with the credit note. Example: `an hour on 15 January was ours`.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// What remains of an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// What issued credit notes took back, in minor units, at least 0.
    pub credited_minor: i64,
    /// What was paid, less what was taken out again, in minor units, at least 0.
    pub paid_minor: i64,
    /// What was taken out of payments again, in minor units, at least 0.
    #[serde(default)]
    pub reversed_minor: i64,
    /// What is still to be paid, in minor units; below 0 when too much was.
    pub open_minor: i64,
    /// What is still to be paid, for people. Example: `31.50 USD`. Clients must not parse it.
    #[schemars(length(max = 64))]
    pub summary: String,
}

/// A credit note on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreditNoteProgress {
    /// The id in `spec.credits`.
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// Name of the credit note, an Invoice of the type `creditNote`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What the credit notes before it take back, in minor units, at least 0.
    pub earlier_minor: i64,
    /// What it takes back, in minor units, above 0.
    pub amount_minor: i64,
    /// Its digest, 64 hex digits, once it is issued; from then on it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub digest: Option<String>,
}
