//! What a buyer owes for a period, with everything that it follows from.

use crate::reference::NameRef;
use crate::seller_profile::Signature;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::invoice::{Basis, Bill};
use trustbridge_domain::phase::InvoicePhase;

/// The invoice of one order, schedule and period. It stays when order and TunePods go.
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
    doc = "What a buyer owes for one order, schedule and period, with everything that it follows from: whoever holds it can rate it again. Written by the operator; a seller settles its doubts by `spec.resolution`.",
    validation = Rule::new("self.spec.orderRef == oldSelf.spec.orderRef").message("`spec.orderRef` must not change: an invoice is of one order").field_path(".spec.orderRef"),
    validation = Rule::new("!has(oldSelf.spec.resolution) || (has(self.spec.resolution) && self.spec.resolution == oldSelf.spec.resolution)").message("`spec.resolution` is set once and must not change").field_path(".spec.resolution"),
    validation = Rule::new("has(oldSelf.spec.resolution) || !has(self.spec.resolution) || !has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase == 'Draft'").message("`spec.resolution` must not be set once the invoice is issued: what was signed stays").field_path(".spec.resolution"),
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.basis.schedule"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Total", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Due", type_ = "string", json_path = ".status.bill.dueOn"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceSpec {
    /// The order that it bills. Example: `order-1`.
    pub order_ref: NameRef,
    /// Everything that it follows from, frozen.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`basis` is frozen when the invoice is written down and must not change"))]
    pub basis: Basis,
    /// Set once by a person of the seller, to bill in spite of `basis.doubts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<InvoiceResolution>,
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
    /// For people. Example: `31.50 USD`. Clients must not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// SHA-256 of the canonical JSON (RFC 8785) of namespace, name, basis, settled doubts and bill; 64 hex digits.
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
    /// `Succeeded`: whether it is issued, and if not, why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
