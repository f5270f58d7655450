//! A change of an order that runs: what is asked for, what it costs, and what became of it.

#[cfg(test)]
mod tests;

use crate::quote::{Decision, PersonsPrice};
use crate::reference::NameRef;
use crate::seller_profile::Signature;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::canonical::{CanonicalError, digest};
use trustbridge_domain::phase::ChangeOrderPhase;
use trustbridge_domain::quote::{ChangeQuote, ChangeRequest};

/// A change of an order: asked for by the buyer, priced here, taken or declined in `spec.changeDecisions` of the Order.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "ChangeOrder",
    plural = "changeorders",
    namespaced,
    shortname = "tbco",
    category = "trustbridge",
    status = "ChangeOrderStatus",
    doc = "A change of an order that runs, and its price. The buyer asks with it and decides by `spec.changeDecisions` of the Order, with the digest that stands here; the seller prices what has no list price by `spec.resolution`. Prices change at `status.appliedAt`.",
    validation = Rule::new("has(self.spec.request.add) && size(self.spec.request.add) > 0 || has(self.spec.request.add_nvme_gb) || has(self.spec.request.upgrade_gpu_count) || has(self.spec.request.extend_term_days) || has(self.spec.request.support_tier)").message("`spec.request` must ask for at least one change").field_path(".spec.request"),
    validation = Rule::new("self.spec.orderRef == oldSelf.spec.orderRef && self.spec.request == oldSelf.spec.request && has(self.spec.reason) == has(oldSelf.spec.reason) && (!has(self.spec.reason) || self.spec.reason == oldSelf.spec.reason)").message("what was asked must not change: make another change order").field_path(".spec"),
    validation = Rule::new("!has(self.spec.resolution) || (has(self.status) && has(self.status.phase) && self.status.phase != 'Requested')").message("`spec.resolution` must not be set before a person is needed: the seller answers a change that is `NeedsHuman`").field_path(".spec.resolution"),
    validation = Rule::new("(has(self.spec.resolution) == has(oldSelf.spec.resolution) && (!has(self.spec.resolution) || self.spec.resolution == oldSelf.spec.resolution)) || (has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase == 'NeedsHuman')").message("`spec.resolution` must not change once the change is no longer `NeedsHuman`").field_path(".spec.resolution"),
    validation = Rule::new("!has(self.spec.resolution) || self.spec.resolution.decision != 'issue' || has(self.spec.resolution.draftDigest) || (has(oldSelf.spec.resolution) && self.spec.resolution == oldSelf.spec.resolution)").message("`spec.resolution.draftDigest` must be set with decision 'issue': it is the `status.draftDigest` of the change that was looked at").field_path(".spec.resolution"),
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Difference", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Valid-Until", type_ = "string", json_path = ".status.validUntil"),
    printcolumn(name = "Applied", type_ = "string", json_path = ".status.appliedAt"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Succeeded\")].message", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ChangeOrderSpec {
    /// The order of this namespace that is to change. Must not change. Example: `order-1`.
    pub order_ref: NameRef,
    /// What is asked for, in the words of ACP (`change_order.create`, field `request`). Must not change.
    pub request: ChangeRequest,
    /// Why, for people. Must not change. Example: `campaign week`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// The seller's answer to a change that is `NeedsHuman`. Buyers cannot write it: their role changes no change order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<ChangeResolution>,
}

/// What a person of the seller decided about a change.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeResolution {
    /// `issue` or `reject`.
    pub decision: Decision,
    /// `status.draftDigest` of the draft that the person saw; needed to issue. An answer to another draft is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64))]
    pub draft_digest: Option<String>,
    /// Prices of lines that have no list price. Each of `status.unpriced` needs one. The key is `sku`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    #[schemars(length(max = 32))]
    pub prices: Vec<PersonsPrice>,
    /// Why, for the buyer. Example: `the disk is there`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// Observed state of a change order. What the digest is made over stands at this level: [`ChangeDocument`].
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.digest) || (has(self.digest) && self.digest == oldSelf.digest && has(self.signature) == has(oldSelf.signature) && (!has(self.signature) || self.signature == oldSelf.signature))").message("`digest` and `signature` of a change must not change: what was priced stays"),
    validation = Rule::new("!has(oldSelf.appliedAt) || (has(self.appliedAt) && self.appliedAt == oldSelf.appliedAt)").message("`appliedAt` is set once and must not change: prices changed then")
)]
pub struct ChangeOrderStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(ChangeOrderPhase::transition_rule()).message("`phase` must follow the change order's state machine"))]
    pub phase: ChangeOrderPhase,
    /// The price; a draft without digest while a person is needed.
    #[serde(flatten)]
    pub document: Option<ChangeDocument>,
    /// The difference for people. Example: `+250.00 USD/month`. Clients must not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Why a person must decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub needs_human: Vec<String>,
    /// Digest of the draft that a person is to decide about, without the time until which it is valid; 64 hex digits.
    /// `spec.resolution.draftDigest` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_digest: Option<String>,
    /// SHA-256 over the canonical JSON (RFC 8785) of this status without `observedGeneration`, `phase`, `summary`,
    /// `needsHuman`, `draftDigest`, `digest`, `signature`, `acceptedAt`, `acceptedBy`, `appliedAt` and `conditions`;
    /// lower-case hex. `spec.changeDecisions` of the Order names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The seller's signature of `trustbridge/change-order/v1 <digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// Who accepted: `buyer`, or `limit` where `spec.autoAccept` of the BuyerOrg let it pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<AcceptedBy>,
    /// When it was applied: prices change at that moment. The Order's `status.changes` says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Time>,
    /// `Accepted`, `Succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Who accepted a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AcceptedBy {
    /// The buyer, in `spec.changeDecisions` of the Order.
    Buyer,
    /// The limit that the organisation has for changes.
    Limit,
}

/// What a priced change says; frozen under its digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDocument {
    /// What the engine came to.
    #[serde(flatten)]
    pub priced: ChangeQuote,
    /// UID of the order: a later one of that name is another one.
    pub order_uid: String,
    /// Changes of the order that were applied before: a price is for the order as it was then. Example: `0`.
    #[schemars(range(min = 0, max = 64))]
    pub revision: u32,
    /// ISO 4217 code of all amounts. Example: `USD`.
    pub currency: String,
    /// First moment at which it can no longer be accepted, RFC 3339. Example: `2026-01-10T12:00:00Z`.
    pub valid_until: String,
}

impl ChangeDocument {
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        digest(self)
    }

    /// Digest of it as a draft: the same at every time, as long as it says the same.
    pub fn draft_digest(&self) -> Result<String, CanonicalError> {
        let mut draft = self.clone();
        draft.valid_until.clear();
        digest(&draft)
    }
}
