//! A model provider's encrypted asset, as the seller's cluster knows it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An encrypted model; its name is the asset's id.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "ModelAsset",
    plural = "modelassets",
    shortname = "masset",
    category = "trustbridge",
    status = "ModelAssetStatus",
    doc = "An encrypted model of a provider: where its control plane and blobs are, and the digest of its manifest.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".spec.plaintextBytes"),
    printcolumn(name = "Fine-Tune", type_ = "boolean", json_path = ".spec.allowFinetune"),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".spec.endpoint",
        priority = 1
    ),
    printcolumn(
        name = "Manifest",
        type_ = "string",
        json_path = ".spec.manifestSha256",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ModelAssetSpec {
    /// Control plane that licenses the asset, HTTPS, without a path. Example: `https://edc.example.com`.
    #[schemars(length(min = 9, max = 512))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https'").message("`endpoint` must be an https URL, e.g. 'https://edc.example.com'"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('@')").message("`endpoint` must not hold a query or credentials"))]
    pub endpoint: String,
    /// Where the blobs are, HTTPS, without a SAS. Example: `https://acct.blob.core.windows.net/models/models/tb-asset-1`.
    #[schemars(length(min = 9, max = 1024))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https'").message("`blobBaseUrl` must be an https URL"))]
    #[x_kube(validation = Rule::new("!self.contains('?')").message("`blobBaseUrl` must not hold a query: a SAS is a secret and comes from the control plane"))]
    pub blob_base_url: String,
    /// SHA-256 of the manifest, 64 lower-case hex digits; the anchor of every later check.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub manifest_sha256: String,
    /// Bytes of the plaintext over all files.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub plaintext_bytes: i64,
    /// Files in the order in which a loader reads; empty for a single-file asset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub files: Vec<AssetFile>,
    /// Whether buyers may fine-tune it. Default true.
    #[serde(default = "yes")]
    pub allow_finetune: bool,
    /// GPUs that it needs at least. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub min_gpu: i64,
}

const fn yes() -> bool {
    true
}
const fn one() -> i64 {
    1
}

/// A file of a directory asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetFile {
    /// Path relative to the model directory. Example: `model-00001-of-00002.safetensors`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
    /// Bytes of the plaintext.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub plaintext_bytes: i64,
    /// SHA-256 of the encrypted file, lower-case hex.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256_ciphertext: String,
}

/// Phase of a ModelAsset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ModelAssetPhase {
    /// Not compared with the control plane yet, or it cannot be reached.
    #[default]
    Pending,
    /// The control plane holds the same manifest.
    Ready,
    /// The control plane contradicts the spec.
    Rejected,
}

impl ModelAssetPhase {
    /// The word in `status.phase`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Ready => "Ready",
            Self::Rejected => "Rejected",
        }
    }
}

/// Observed state of a ModelAsset.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelAssetStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Pending`, `Ready` or `Rejected`.
    #[serde(default)]
    pub phase: ModelAssetPhase,
    /// Manifest digest that the control plane holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_manifest_sha256: Option<String>,
    /// When the control plane last gave a usable answer that changed this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
