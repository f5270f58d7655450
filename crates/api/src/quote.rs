//! A priced answer to what a buyer asked for.

use crate::offer::ReadinessLine;
use crate::reference::{Mode, NameRef};
use crate::seller_profile::{Invoicing, Signature};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::canonical::{CanonicalError, digest};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::quote::{OfferRefusal, Rfq, TraceEntry};

/// A request for a price, and the price.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "Quote",
    plural = "quotes",
    namespaced,
    shortname = "tbq",
    category = "trustbridge",
    status = "QuoteStatus",
    doc = "A request for a price and the price: lines, totals, terms, how long it is valid, and a digest that an order freezes.",
    validation = Rule::new("has(self.spec.offerRef) != has(self.spec.rfq)").message("exactly one of `spec.offerRef` and `spec.rfq` must be set").field_path(".spec"),
    validation = Rule::new("!has(self.spec.rfq) || (self.spec.instances == 1 && !has(self.spec.billingModel))").message("`spec.instances` and `spec.billingModel` go with `spec.offerRef`: a request says `requirements.instances` and `commercial.billing_model`").field_path(".spec"),
    validation = Rule::new("self.spec.mode == oldSelf.spec.mode && self.spec.instances == oldSelf.spec.instances && has(self.spec.offerRef) == has(oldSelf.spec.offerRef) && (!has(self.spec.offerRef) || self.spec.offerRef == oldSelf.spec.offerRef) && has(self.spec.rfq) == has(oldSelf.spec.rfq) && (!has(self.spec.rfq) || self.spec.rfq == oldSelf.spec.rfq) && has(self.spec.billingModel) == has(oldSelf.spec.billingModel) && (!has(self.spec.billingModel) || self.spec.billingModel == oldSelf.spec.billingModel)").message("`spec` must not change: ask for a new quote instead").field_path(".spec"),
    validation = Rule::new("!has(self.spec.resolution) || (has(self.status) && has(self.status.phase) && self.status.phase != 'Requested')").message("`spec.resolution` must not be set before a person is needed: the seller answers what is `NeedsHuman`").field_path(".spec.resolution"),
    validation = Rule::new("(has(self.spec.resolution) == has(oldSelf.spec.resolution) && (!has(self.spec.resolution) || self.spec.resolution == oldSelf.spec.resolution)) || (has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase == 'NeedsHuman')").message("`spec.resolution` must not change once the quote is no longer `NeedsHuman`").field_path(".spec.resolution"),
    validation = Rule::new("!has(self.spec.resolution) || self.spec.resolution.decision != 'issue' || has(self.spec.resolution.draftDigest) || (has(oldSelf.spec.resolution) && self.spec.resolution == oldSelf.spec.resolution)").message("`spec.resolution.draftDigest` must be set with decision 'issue': it is the `status.draftDigest` of what was looked at").field_path(".spec.resolution"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Offer", type_ = "string", json_path = ".status.offerId"),
    printcolumn(name = "Instances", type_ = "integer", json_path = ".status.instances"),
    printcolumn(name = "Total", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Valid-Until", type_ = "string", json_path = ".status.validUntil"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].reason"),
    printcolumn(name = "Order", type_ = "string", json_path = ".status.orderRef.name", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct QuoteSpec {
    /// The offer that is asked for, at list price. Exactly one of this and `rfq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ref: Option<NameRef>,
    /// What is needed, in the words of ACP (`rfq.create`): the engine chooses offer and add-ons. Exactly one of this and
    /// `offerRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfq: Option<Rfq>,
    /// The mode that it is asked for in. Default `protectedModel`.
    #[serde(default)]
    pub mode: Mode,
    /// Number of instances, with `offerRef`. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub instances: u32,
    /// Billing model, with `offerRef`; unset takes the offer's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_model: Option<BillingModel>,
    /// The seller's answer to a quote that is `NeedsHuman`. Buyers cannot write it: their role changes no quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
}

const fn one() -> u32 {
    1
}

/// What a person of the seller decided.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// `issue` or `reject`.
    pub decision: Decision,
    /// `status.draftDigest` of the draft that the person saw; needed to issue. An answer to another draft is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub draft_digest: Option<String>,
    /// Prices of lines that have no list price. Each of `status.unpriced` needs one. The key is `sku`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    #[schemars(length(max = 64))]
    pub prices: Vec<PersonsPrice>,
    /// The machine that carries one instance, where none is known to. Example: `Standard_ND96isr_H100_v5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub vm_size: Option<String>,
    /// Why, for the buyer. Example: `egress at cost in the first month`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// The quote is issued, with `prices`.
    Issue,
    /// It cannot be had.
    #[default]
    Reject,
}

/// A price that a person gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonsPrice {
    /// The SKU, as in `status.unpriced`. Example: `Extra-Public-IP`.
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// Minor units for one and for the line's unit of time. Example: `500` is 5.00 USD.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub unit_price_minor: i64,
}

/// Observed state of a Quote. What the digest is made over stands at this level: [`QuoteDocument`].
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(oldSelf.digest) || (has(self.digest) && self.digest == oldSelf.digest && has(self.signature) == has(oldSelf.signature) && (!has(self.signature) || self.signature == oldSelf.signature))").message("`digest` and `signature` must not change: what was issued stays"))]
pub struct QuoteStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(QuotePhase::transition_rule()).message("`phase` must follow the quote's state machine"))]
    pub phase: QuotePhase,
    /// The quote itself; a draft without digest while a person is needed.
    #[serde(flatten)]
    pub document: Option<QuoteDocument>,
    /// The totals for people. Example: `1.75 USD/h`. Clients must not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Why a person must decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub needs_human: Vec<String>,
    /// Digest of the draft that a person is to decide about, without its trace and the time until which it is
    /// valid; 64 hex digits.
    /// `spec.resolution.draftDigest` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_digest: Option<String>,
    /// What spoke against each offer, of a request that was rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub refusals: Vec<OfferRefusal>,
    /// The rules that fired, of a request that was rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub rejection_trace: Vec<TraceEntry>,
    /// SHA-256 over the canonical JSON (RFC 8785) of this status without `observedGeneration`, `phase`, `summary`,
    /// `needsHuman`, `draftDigest`, `refusals`, `rejectionTrace`, `digest`, `signature`, `orderRef`, `orderUid` and
    /// `conditions`; lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The seller's signature of `trustbridge/quote/v1 <digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The order that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_ref: Option<NameRef>,
    /// UID of that order: a later order of the same name is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_uid: Option<String>,
    /// `Accepted`, `Succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// What a quote says; frozen under its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuoteDocument {
    /// What the engine came to.
    #[serde(flatten)]
    pub quote: trustbridge_domain::quote::Quote,
    /// SKU of the offer. Example: `StudioGen-1GPU`.
    pub sku: String,
    /// The mode that it is for.
    pub mode: Mode,
    /// Number of instances.
    pub instances: u32,
    /// The machine that carries one instance. Example: `Standard_NC40ads_H100_v5`.
    pub vm_size: String,
    /// What must hold before an instance counts as ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub readiness: Vec<ReadinessLine>,
    /// When invoices are issued and due.
    pub invoicing: Invoicing,
}

impl QuoteDocument {
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        digest(self)
    }

    /// Digest of it as a draft: the same at every time, as long as it says the same.
    pub fn draft_digest(&self) -> Result<String, CanonicalError> {
        let mut draft = self.clone();
        draft.quote.valid_until.clear();
        draft.quote.trace.clear();
        digest(&draft)
    }
}

#[cfg(test)]
mod tests;
