//! What a buyer ordered, and how it is going.

mod change;

pub use change::{Answer, ChangeDecision, OrderChange};

use crate::readiness::ReadinessLine;
use crate::reference::{Access, Mode, NameRef};
use crate::seller_profile::{Invoicing, Signature};
use crate::tunepod::{FoldedIntervals, MeteredInterval};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trustbridge_domain::money::Money;
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_domain::pricing::{BillingModel, QuoteLine};
use trustbridge_domain::quote::{Resources, Terms};
use trustbridge_domain::termination::TerminationStep;

/// A buyer's order: by `offerRef` at list price, or by `quoteRef`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "Order",
    plural = "orders",
    namespaced,
    shortname = "tbo",
    category = "trustbridge",
    status = "OrderStatus",
    doc = "A buyer's order. By `offerRef` it is quoted and accepted at list price; by `quoteRef` it takes an issued quote. It ends by `spec.termination`.",
    validation = Rule::new("has(self.spec.offerRef) != has(self.spec.quoteRef)").message("exactly one of `spec.offerRef` and `spec.quoteRef` must be set").field_path(".spec"),
    validation = Rule::new("self.spec.mode != 'protectedModel' || has(self.spec.modelAssetRef)").message("`spec.modelAssetRef` must be set with mode 'protectedModel'").field_path(".spec.mode"),
    validation = Rule::new("self.spec.mode != 'protectedModel' || has(self.spec.contractId)").message("`spec.contractId` must be set with mode 'protectedModel': it is the licence contract that the control plane checks").field_path(".spec.mode"),
    validation = Rule::new("self.spec.mode != 'protectedModel' || !has(self.spec.sshKeys) || size(self.spec.sshKeys) == 0").message("`spec.sshKeys` must be empty with mode 'protectedModel': a protected model is called, not logged into").field_path(".spec.sshKeys"),
    validation = Rule::new("self.spec.mode != 'byoWorkspace' || !has(self.spec.modelAssetRef)").message("`spec.modelAssetRef` must not be set with mode 'byoWorkspace'").field_path(".spec.mode"),
    validation = Rule::new("self.spec.mode == oldSelf.spec.mode && self.spec.instances == oldSelf.spec.instances && has(self.spec.offerRef) == has(oldSelf.spec.offerRef) && (!has(self.spec.offerRef) || self.spec.offerRef == oldSelf.spec.offerRef) && has(self.spec.quoteRef) == has(oldSelf.spec.quoteRef) && (!has(self.spec.quoteRef) || self.spec.quoteRef == oldSelf.spec.quoteRef) && has(self.spec.modelAssetRef) == has(oldSelf.spec.modelAssetRef) && (!has(self.spec.modelAssetRef) || self.spec.modelAssetRef == oldSelf.spec.modelAssetRef) && has(self.spec.contractId) == has(oldSelf.spec.contractId) && (!has(self.spec.contractId) || self.spec.contractId == oldSelf.spec.contractId) && has(self.spec.billing) == has(oldSelf.spec.billing) && (!has(self.spec.billing) || self.spec.billing == oldSelf.spec.billing) && has(self.spec.sshKeys) == has(oldSelf.spec.sshKeys) && (!has(self.spec.sshKeys) || self.spec.sshKeys == oldSelf.spec.sshKeys)").message("the terms of an order must not change: end it by `spec.termination` or ask for a change order").field_path(".spec"),
    validation = Rule::new("!has(oldSelf.spec.termination) || (has(self.spec.termination) && has(self.spec.termination.reason) == has(oldSelf.spec.termination.reason) && (!has(self.spec.termination.reason) || self.spec.termination.reason == oldSelf.spec.termination.reason) && (self.spec.termination.dataExportConfirmed || !oldSelf.spec.termination.dataExportConfirmed))").message("`spec.termination` is set once and must not change; `dataExportConfirmed` alone may become true later").field_path(".spec.termination"),
    validation = Rule::new("!has(oldSelf.spec.changeDecisions) || !has(oldSelf.status) || !has(oldSelf.status.changes) || oldSelf.status.changes.all(c, !(c.name in oldSelf.spec.changeDecisions) || (has(self.spec.changeDecisions) && c.name in self.spec.changeDecisions && self.spec.changeDecisions[c.name] == oldSelf.spec.changeDecisions[c.name]))").message("`spec.changeDecisions` must keep the decision about a change that was accepted").field_path(".spec.changeDecisions"),
    selectable = ".spec.contractId",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Offer", type_ = "string", json_path = ".spec.offerRef.name"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Asset", type_ = "string", json_path = ".spec.modelAssetRef.name"),
    printcolumn(name = "Price", type_ = "string", json_path = ".status.pricingSnapshot.summary"),
    printcolumn(name = "Cost", type_ = "string", json_path = ".status.cost.summary"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].message", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct OrderSpec {
    /// Offer to order at list price; the operator quotes and accepts. Exactly one of this and `quoteRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ref: Option<NameRef>,
    /// Issued quote to accept. Exactly one of this and `offerRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_ref: Option<QuoteReference>,
    /// Product mode. Default `protectedModel`.
    #[serde(default)]
    pub mode: Mode,
    /// Number of TunePods; with `quoteRef`, as many as were quoted. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub instances: u32,
    /// Licence contract with the model provider (`protectedModel`). Example: `contract-123`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub contract_id: Option<String>,
    /// The encrypted model (`protectedModel`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_asset_ref: Option<NameRef>,
    /// Public keys for the workspace (`byoWorkspace`), in OpenSSH's one-line format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ssh_keys: Vec<String>,
    /// Billing choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<OrderBilling>,
    /// What the buyer says to priced changes, by the name of the ChangeOrder. Once a change was accepted, its entry stays.
    /// At most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub change_decisions: BTreeMap<String, ChangeDecision>,
    /// Set once to end the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<Termination>,
}

const fn one() -> u32 {
    1
}

/// Reference to an issued quote, pinned by its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuoteReference {
    /// Name of the Quote in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its `status.digest`: what the buyer saw is what is bought.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub digest: String,
}

/// Billing choices of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderBilling {
    /// Billing model; unset takes the offer's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<BillingModel>,
}

/// The end of an order, asked for once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    /// Why, for people. Example: `campaign over`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
    /// The buyer has its artifacts (`byoWorkspace`); may be said later than the end was asked for. Default false.
    #[serde(default)]
    pub data_export_confirmed: bool,
}

/// Observed state of an Order.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.pricingSnapshot) || has(self.pricingSnapshot)").message("`pricingSnapshot` is frozen at acceptance and must not change"),
    validation = Rule::new("!has(oldSelf.changes) || (has(self.changes) && oldSelf.changes.all(o, self.changes.exists(n, n.uid == o.uid && n.digest == o.digest && (!has(o.appliedAt) || (has(n.appliedAt) && n.appliedAt == o.appliedAt)) && (!has(o.rolledBackAt) || (has(n.rolledBackAt) && n.rolledBackAt == o.rolledBackAt)))))").message("`changes` must keep every change, and those that are over must not change"),
    validation = Rule::new("!has(self.changes) || self.changes.filter(c, !has(c.appliedAt) && !has(c.rolledBackAt)).size() <= 1").message("`changes` must hold at most one that is on its way")
)]
pub struct OrderStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(OrderPhase::transition_rule()).message("`phase` must follow the order's state machine"))]
    pub phase: OrderPhase,
    /// The quote that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_ref: Option<NameRef>,
    /// What was bought, frozen at acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`pricingSnapshot` is frozen at acceptance and must not change"))]
    pub pricing_snapshot: Option<PricingSnapshot>,
    /// Changes that were accepted: with `pricingSnapshot`, all that prices follow from. The list only grows, and at most
    /// one is on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    #[schemars(length(max = 64))]
    pub changes: Vec<OrderChange>,
    /// The TunePods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub instances: Vec<OrderInstance>,
    /// The steps of the end, in order, each written when it was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["step".into()]))]
    #[schemars(length(max = 16))]
    pub termination_steps: Vec<TerminationProgress>,
    /// How to call the model of the first instance; each TunePod has its own. Present while `Active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// What it cost so far by closed intervals; final once `Terminated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// `Accepted`, `Ready`, `Succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Frozen terms of an order, copied from the quote that it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricingSnapshot {
    /// Digest of the accepted quote.
    pub digest: String,
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// The accepted lines; the first is the bundle.
    #[schemars(length(max = 64))]
    pub lines: Vec<QuoteLine>,
    /// For people. Example: `1.75 USD/h`. Clients must not parse it.
    pub summary: String,
    /// What is bought and how it is invoiced; absent in orders of versions that did not freeze it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<FrozenTerms>,
}

/// What is bought, and how it is invoiced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrozenTerms {
    /// Name of the Offer that was quoted. Example: `studio-gen-1gpu`.
    pub offer_id: String,
    /// Its SKU. Example: `StudioGen-1GPU`.
    pub sku: String,
    /// The use case. Example: `image_studio_sd`.
    pub use_case: String,
    /// How the bundle is billed.
    pub model: BillingModel,
    /// Number of TunePods.
    pub instances: u32,
    /// Days that are billed at least; 0 for none.
    pub min_term_days: u32,
    /// What one TunePod has, add-ons included.
    pub resources: Resources,
    /// The machine that carries one TunePod. Example: `Standard_NC40ads_H100_v5`.
    pub vm_size: String,
    /// What must hold before a TunePod counts as ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub readiness: Vec<ReadinessLine>,
    /// What is agreed besides the price.
    pub agreed: Terms,
    /// When invoices are issued and due.
    pub invoicing: Invoicing,
    /// When the order took the quote: nothing before is billed.
    pub accepted_at: Time,
    /// The seller's signature of the quote.
    pub signature: Signature,
}

/// A TunePod of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderInstance {
    /// Name of the TunePod.
    pub name: String,
    /// Its phase when last seen.
    pub phase: TunePodPhase,
    /// Closed intervals of TunePods of this name that were deleted; the present one goes on from there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub earlier: Vec<MeteredInterval>,
    /// What of them lies in UsageRecords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_folded: Option<FoldedIntervals>,
    /// UIDs of those TunePods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub earlier_uids: Vec<String>,
}

/// A step of the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminationProgress {
    /// Which step.
    pub step: TerminationStep,
    /// When it began.
    pub started_at: Time,
    /// When it was observed as done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// What an order cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// The amount.
    #[serde(flatten)]
    pub amount: MoneyAmount,
    /// Metered milliseconds over all TunePods.
    pub metered_ms: i64,
    /// For people. Example: `3.50 USD`. Clients must not parse it.
    pub summary: String,
}

/// An amount in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoneyAmount {
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// Amount in minor units. Example: `350` is 3.50 USD.
    pub minor: i64,
}

impl From<Money> for MoneyAmount {
    fn from(m: Money) -> Self {
        Self {
            currency: m.currency,
            minor: m.minor,
        }
    }
}
