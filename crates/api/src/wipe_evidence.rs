//! What was observed of a TunePod's wipe, signed.

use crate::reference::NameRef;
use crate::seller_profile::Signature;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use trustbridge_domain::wipe::WipeRecord;

/// The evidence of one TunePod. Written once, before the TunePod counts as wiped; it stays when everything else goes.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "WipeEvidence",
    plural = "wipeevidences",
    namespaced,
    shortname = "tbwipe",
    category = "trustbridge",
    doc = "What was observed of a TunePod's wipe: each step with time, observer, question and answer, the method that follows from the steps, and what was not observed; signed by the seller. Written once by the operator, never changed.",
    validation = Rule::new("self.spec == oldSelf.spec").message("`spec` must not change: evidence is written once").field_path(".spec"),
    validation = Rule::new("self.spec.tunePodRef.name == self.spec.record.tunePod && self.spec.orderRef.name == self.spec.record.order").message("`spec.tunePodRef` and `spec.orderRef` must name what `spec.record` is about").field_path(".spec"),
    validation = Rule::new("self.spec.record.method == 'None' || self.spec.record.steps.filter(s, s.step == 'PoolAbsent').size() >= 2").message("`spec.record.method` must follow from the steps: nothing counts as cleared unless the node pool was seen as absent twice").field_path(".spec.record.method"),
    selectable = ".spec.orderRef.name",
    printcolumn(name = "TunePod", type_ = "string", json_path = ".spec.tunePodRef.name"),
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name"),
    printcolumn(name = "Method", type_ = "string", json_path = ".spec.record.method"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.record.provider"),
    printcolumn(name = "Node-Pool", type_ = "string", json_path = ".spec.record.nodePool"),
    printcolumn(name = "Key", type_ = "string", json_path = ".spec.signature.keyId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WipeEvidenceSpec {
    /// The order that the TunePod was of. Example: `order-1`.
    pub order_ref: NameRef,
    /// The TunePod. Example: `order-1-0`.
    pub tune_pod_ref: NameRef,
    /// What was observed.
    pub record: WipeRecord,
    /// SHA-256 of the canonical JSON (RFC 8785) of namespace, name and record; 64 hex digits.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,
    /// Ed25519 key that signed it, 64 hex digits. Who it belongs to, the SellerProfile says.
    #[schemars(length(min = 64, max = 64))]
    pub public_key: String,
    /// The seller's signature of `trustbridge/wipe-evidence/v1 <digest>`.
    pub signature: Signature,
}
