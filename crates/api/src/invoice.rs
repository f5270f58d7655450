//! What a buyer owes for a period, with everything that it follows from, what was paid, and what was taken back.

mod settlement;
#[cfg(test)]
mod tests;

pub use settlement::{Balance, CreditNoteProgress, CreditRequest, PaymentRecord, PaymentReversal};

use crate::reference::NameRef;
use crate::seller_profile::Signature;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::invoice::{Basis, Bill, Credit};
use trustbridge_domain::phase::InvoicePhase;

/// The invoice of one order, schedule and period, or a credit note of one. It stays when order and TunePods go.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "Invoice",
    plural = "invoices",
    namespaced,
    shortname = "tbinv",
    category = "trustbridge",
    status = "InvoiceStatus",
    doc = "What a buyer owes for one order, schedule and period, with everything that it follows from: whoever holds it can rate it again. Or a credit note, which takes back of one. Written by the operator; a seller settles its doubts by `spec.resolution`, records payments in `spec.payments`, takes them out again in `spec.reversals`, and asks for credit notes in `spec.credits`.",
    validation = Rule::new("self.spec.orderRef == oldSelf.spec.orderRef").message("`spec.orderRef` must not change: an invoice is of one order").field_path(".spec.orderRef"),
    validation = Rule::new("self.spec.type == oldSelf.spec.type").message("`spec.type` must not change: an invoice never becomes a credit note").field_path(".spec.type"),
    validation = Rule::new("self.spec.type == 'creditNote' ? has(self.spec.credit) && !has(self.spec.basis) : has(self.spec.basis) && !has(self.spec.credit)").message("`spec.basis` must be set of an invoice and `spec.credit` of a credit note, and never both").field_path(".spec"),
    validation = Rule::new("self.spec.type != 'creditNote' || !(has(self.spec.resolution) || has(self.spec.payments) || has(self.spec.reversals) || has(self.spec.credits))").message("`spec.resolution`, `spec.payments`, `spec.reversals` and `spec.credits` must not be set of a credit note: it has no doubts, and nothing is paid or taken back of it").field_path(".spec"),
    validation = Rule::new("!has(oldSelf.spec.resolution) || (has(self.spec.resolution) && self.spec.resolution == oldSelf.spec.resolution)").message("`spec.resolution` is set once and must not change").field_path(".spec.resolution"),
    validation = Rule::new("has(oldSelf.spec.resolution) || !has(self.spec.resolution) || !has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase == 'Draft'").message("`spec.resolution` must not be set once the invoice is issued: what was signed stays").field_path(".spec.resolution"),
    validation = Rule::new("!(has(self.spec.payments) || has(self.spec.credits)) || (has(self.status) && has(self.status.bill))").message("`spec.payments` and `spec.credits` must not be set before the invoice is issued: there is nothing to pay or to take back").field_path(".spec"),
    validation = Rule::new("!has(oldSelf.spec.payments) || (has(self.spec.payments) && oldSelf.spec.payments.all(o, self.spec.payments.exists(n, n.reference == o.reference && n.amountMinor == o.amountMinor && n.receivedOn == o.receivedOn)))").message("`spec.payments` must keep every payment as it was recorded: add to the list").field_path(".spec.payments"),
    validation = Rule::new("!has(oldSelf.spec.reversals) || (has(self.spec.reversals) && oldSelf.spec.reversals.all(o, self.spec.reversals.exists(n, n.id == o.id && n.payment == o.payment && n.amountMinor == o.amountMinor && n.reversedOn == o.reversedOn && n.reason == o.reason)))").message("`spec.reversals` must keep every reversal as it was recorded: add to the list").field_path(".spec.reversals"),
    validation = Rule::new("!has(self.spec.reversals) || size(self.spec.reversals) == 0 || (has(self.spec.payments) && self.spec.reversals.all(r, self.spec.payments.exists(p, p.reference == r.payment)))").message("`payment` of a reversal must be the `reference` of a payment of this invoice").field_path(".spec.reversals"),
    validation = Rule::new("!has(self.spec.reversals) || !has(self.spec.payments) || self.spec.payments.all(p, !self.spec.reversals.exists(r, r.payment == p.reference) || self.spec.reversals.filter(r, r.payment == p.reference).map(r, r.amountMinor).sum() <= p.amountMinor)").message("`spec.reversals` must not take more out of a payment than it was recorded with").field_path(".spec.reversals"),
    validation = Rule::new("!has(oldSelf.spec.credits) || (has(self.spec.credits) && oldSelf.spec.credits.all(o, self.spec.credits.exists(n, n.id == o.id && n.amountMinor == o.amountMinor && n.reason == o.reason)))").message("`spec.credits` must keep every credit as it was asked for: add to the list").field_path(".spec.credits"),
    validation = Rule::new("!has(self.spec.credits) || !has(self.status) || !has(self.status.bill) || self.spec.credits.map(c, c.amountMinor).sum() <= self.status.bill.totalMinor").message("`spec.credits` must not take back more than the invoice asks for").field_path(".spec.credits"),
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.basis.schedule"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Total", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Open", type_ = "string", json_path = ".status.balance.summary"),
    printcolumn(name = "Due", type_ = "string", json_path = ".status.bill.dueOn"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceSpec {
    /// The order that it bills. Example: `order-1`.
    pub order_ref: NameRef,
    /// `invoice` or `creditNote`. Default `invoice`.
    #[serde(default, rename = "type")]
    pub of: InvoiceType,
    /// Everything that an invoice follows from, frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`basis` is frozen when the invoice is written down and must not change"))]
    pub basis: Option<Basis>,
    /// Everything that a credit note follows from, frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`credit` is frozen when the credit note is written down and must not change"))]
    pub credit: Option<Credit>,
    /// Set once by a person of the seller, to bill in spite of `basis.doubts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<InvoiceResolution>,
    /// Payments that arrived, recorded by the seller; the list only grows. The key is `reference`. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reference".into()]))]
    #[schemars(length(max = 64))]
    pub payments: Vec<PaymentRecord>,
    /// Payments, or parts of them, that were recorded wrongly or bounced; the list only grows. The key is `id`. At most
    /// 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 64))]
    pub reversals: Vec<PaymentReversal>,
    /// What the seller takes back; the operator writes a credit note for each. The list only grows. The key is `id`.
    /// At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 64))]
    pub credits: Vec<CreditRequest>,
}

/// Which of the two documents it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InvoiceType {
    /// What is owed for a period.
    #[default]
    Invoice,
    /// What is taken back of an invoice.
    CreditNote,
}

/// A person looked at the doubts, and bills what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceResolution {
    /// Why it is billed all the same, in words for the buyer; they are signed with the invoice.
    /// Example: `requests of 10 minutes are missing; they cost nothing under this order`.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// What the invoice says.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.bill) || has(self.bill)").message("`bill` must not be taken away: what was issued stays"),
    validation = Rule::new("!has(oldSelf.digest) || (has(self.digest) && self.digest == oldSelf.digest)").message("`digest` must not change: what was issued stays"),
    validation = Rule::new("!has(oldSelf.signature) || (has(self.signature) && self.signature == oldSelf.signature && has(self.publicKey) && self.publicKey == oldSelf.publicKey)").message("`signature` and `publicKey` must not change: what was issued stays"),
    validation = Rule::new("!has(oldSelf.creditNotes) || (has(self.creditNotes) && oldSelf.creditNotes.all(o, self.creditNotes.exists(n, n.id == o.id && n.name == o.name && n.earlierMinor == o.earlierMinor && n.amountMinor == o.amountMinor && (!has(o.digest) || (has(n.digest) && n.digest == o.digest)))))").message("`creditNotes` must keep every credit note as it was written down"),
    validation = Rule::new("!has(self.bill) || (has(self.digest) && has(self.signature) && has(self.publicKey))").message("`bill` must come with `digest`, `signature` and `publicKey`: nothing is issued unsigned")
)]
pub struct InvoiceStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word: `Draft` while a doubt is not settled.
    #[serde(default)]
    #[x_kube(validation = Rule::new(InvoicePhase::transition_rule()).message("`phase` must follow the invoice's state machine"))]
    pub phase: InvoicePhase,
    /// Lines, total and dates; absent while it is a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`bill` must not change: a correction is a credit note"))]
    pub bill: Option<Bill>,
    /// The total, for people. Example: `31.50 USD`. Clients must not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// SHA-256 of the canonical JSON (RFC 8785) of namespace, name, basis, settled doubts and bill, of a credit note of
    /// namespace, name, credit and bill; 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub digest: Option<String>,
    /// Ed25519 key that signed it, 64 hex digits. Who it belongs to, the SellerProfile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub public_key: Option<String>,
    /// The seller's signature of `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// What remains of an issued invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// The credit notes of `spec.credits`, in the order in which they are written. What is intended stands here before
    /// the credit note is made. The key is `id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 64))]
    pub credit_notes: Vec<CreditNoteProgress>,
    /// `Succeeded`: whether it is issued, and if not, why. `Settled`: whether an invoice that is issued is paid or taken
    /// back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
