//! Evidence of a wipe: what was observed, what follows from that, and what was not observed.
//!
//! A record lists observations alone. Its method is a function of them ([`method`]), and so is what it must not be read
//! as ([`not_observed`]): whoever holds the record can derive both again. Words for methods are those of NIST SP 800-88.

mod verify;

pub use verify::{Printed, Verdict, verify};

use crate::names::readable_name;
use serde::{Deserialize, Serialize};

/// The kind in the text that is signed, see [`crate::canonical::signed_text`].
pub const SIGNED_KIND: &str = "wipe-evidence";
/// How often the node pool must have been seen as absent before it counts as gone.
pub const LOOKS: usize = 2;

/// What was observed of one TunePod's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WipeRecord {
    /// The buyer's organisation. Example: `acme`.
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    pub org: String,
    /// The order. Example: `order-1`.
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    pub order: String,
    /// The TunePod. Example: `order-1-0`.
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    pub tune_pod: String,
    /// Its UID.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub tune_pod_uid: String,
    /// Product mode. Example: `protectedModel`.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub mode: String,
    /// Who answered for the machines. Examples: `aks`, `static`, `arm-double` (a double of Azure in tests), `none`
    /// (nothing was ever asked for).
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub provider: String,
    /// The node pool's name at the provider. Example: `tbk3v5q2mzna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub node_pool: Option<String>,
    /// The node on which its pod ran last. Example: `aks-tbk3v5q2mzna-12345678-vmss000000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    pub node: Option<String>,
    /// What was observed, in the order of time.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub steps: Vec<WipeStep>,
    /// What these steps come to.
    pub method: WipeMethod,
    /// What was not observed, in words; nobody should read the record as if it had been.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub not_observed: Vec<String>,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WipeStep {
    /// What it was.
    pub step: WipeStepKind,
    /// When it was observed, RFC 3339. Example: `2026-01-07T14:00:00Z`.
    #[cfg_attr(feature = "schema", schemars(length(max = 40)))]
    pub at: String,
    /// Who was asked. Examples: `kubernetes`, `aks`, `arm-double`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub observer: String,
    /// What was asked. Example: `GET agentPools/tbk3v5q2mzna`.
    #[cfg_attr(feature = "schema", schemars(length(max = 512)))]
    pub asked: String,
    /// What was answered. Example: `there is no such node pool`.
    #[cfg_attr(feature = "schema", schemars(length(max = 512)))]
    pub answered: String,
    /// Id of the provider's operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub operation: Option<String>,
}

/// What can be observed of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WipeStepKind {
    /// The API server has no pod of this TunePod any more.
    PodGone,
    /// The provider accepted to make the node pool; its operation came to an end.
    PoolCreationEnded,
    /// The provider accepted to delete the node pool; its operation came to an end.
    PoolDeletionEnded,
    /// The provider accepted a request about the node pool, and nobody could tell for a day how its operation ended.
    PoolOperationUntold,
    /// The provider says that there is no such node pool.
    PoolAbsent,
}

/// What was done to the data, in the words of NIST SP 800-88.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WipeMethod {
    /// Nothing of the media: the machines stay, or there were none.
    None,
    /// Clear: the machines were deleted, so no storage of theirs can be addressed by a user any more. What the provider
    /// does to the media is not part of it.
    Clear,
}

impl WipeMethod {
    /// The word in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Clear => "Clear",
        }
    }
}

fn count(steps: &[WipeStep], kind: WipeStepKind) -> usize {
    steps.iter().filter(|step| step.step == kind).count()
}

/// What the steps come to: an absence that was seen once is not believed.
#[must_use]
pub fn method(steps: &[WipeStep]) -> WipeMethod {
    if count(steps, WipeStepKind::PoolAbsent) >= LOOKS {
        WipeMethod::Clear
    } else {
        WipeMethod::None
    }
}

/// What nobody should read into these steps.
#[must_use]
pub fn not_observed(steps: &[WipeStep]) -> Vec<String> {
    let mut missing = Vec::new();
    if count(steps, WipeStepKind::PodGone) == 0 {
        missing.push("the end of the pod: its object was still there".to_owned());
    }
    if count(steps, WipeStepKind::PoolOperationUntold) > 0 {
        missing.push("the end of each operation that the steps call untold".to_owned());
    }
    match method(steps) {
        WipeMethod::Clear => {
            missing.push("what the provider does to the media of the deleted machines".to_owned());
            missing.push("memory of machine and GPU: it is taken to have ended with the machine".to_owned());
        }
        WipeMethod::None => missing.push("any change of media or memory of a machine".to_owned()),
    }
    missing
}

/// Name of the evidence of a TunePod: it follows from the UID, so that a second one cannot exist.
#[must_use]
pub fn name(org: &str, tune_pod: &str, uid: &str) -> String {
    readable_name(&format!("{tune_pod}-wipe"), &[org, "WipeEvidence", uid])
}

/// What digest and signature are made over, in this order of meaning: where it lies, how it is called, what it says.
#[derive(Serialize)]
pub struct Document<'a> {
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What was observed.
    pub record: &'a WipeRecord,
}

impl Document<'_> {
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub fn digest(&self) -> Result<String, crate::canonical::CanonicalError> {
        crate::canonical::digest(self)
    }
}

#[cfg(test)]
mod tests;
