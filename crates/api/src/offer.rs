//! What a seller sells: an Offer of the catalog.

use crate::reference::Mode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::pricing::{BillingModel, ListPrice};

/// An offer of the catalog; its name is the offer's id.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "Offer",
    plural = "offers",
    shortname = "tboffer",
    category = "trustbridge",
    status = "OfferStatus",
    doc = "What a seller sells: GPUs, memory and disk of one instance, the modes it is sold in, and its list prices.",
    selectable = ".spec.sku",
    printcolumn(name = "SKU", type_ = "string", json_path = ".spec.sku"),
    printcolumn(name = "GPUs", type_ = "integer", json_path = ".spec.resources.gpus"),
    printcolumn(name = "GPU", type_ = "string", json_path = ".spec.gpu.model"),
    printcolumn(name = "Modes", type_ = "string", json_path = ".spec.modes"),
    printcolumn(
        name = "Currency",
        type_ = "string",
        json_path = ".spec.billing.currency",
        priority = 1
    ),
    printcolumn(
        name = "VM-Size",
        type_ = "string",
        json_path = ".spec.nodeClass.vmSize",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct OfferSpec {
    /// Stock-keeping unit, the price key. Example: `StudioGen-1GPU`.
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// Title for people. Example: `Image studio, one GPU`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub title: Option<String>,
    /// Use cases that it is sold for. Example: `image_studio_sd`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub use_cases: Vec<String>,
    /// Modes that it is sold in, at least one.
    #[schemars(length(min = 1, max = 2))]
    pub modes: Vec<Mode>,
    /// Regions that it is sold in; empty for the seller's own. Example: `westeurope`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub regions: Vec<String>,
    /// What one instance has.
    pub resources: Resources,
    /// The GPU.
    pub gpu: Gpu,
    /// List prices.
    pub billing: Billing,
    /// Which machine carries it.
    pub node_class: NodeClass,
}

/// Resources of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Whole GPUs. Example: `1`.
    #[schemars(range(min = 1, max = 16))]
    pub gpus: i64,
    /// Virtual CPU cores. Example: `24`.
    #[schemars(range(min = 1, max = 1024))]
    pub vcpus: i64,
    /// Memory in GB (10^9 bytes). Example: `96`.
    #[schemars(range(min = 1, max = 65536))]
    pub ram_gb: i64,
    /// Local disk in GB (10^9 bytes). Example: `1000`.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub nvme_gb: i64,
}

/// The GPU of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gpu {
    /// Model for people. Example: `A100-80GB`.
    #[schemars(length(min = 1, max = 64))]
    pub model: String,
    /// Memory of one GPU in GB (10^9 bytes). Example: `80`.
    #[schemars(range(min = 1, max = 4096))]
    pub vram_gb: i64,
}

/// List prices of an offer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Billing {
    /// ISO 4217 code. Example: `USD`.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
    /// Billing models, the default first.
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(validation = Rule::new("self.all(m, self.exists_one(n, n.model == m.model))").message("`models` must not name a billing model twice"))]
    pub models: Vec<BillingPrice>,
}

/// A billing model with its list price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BillingPrice {
    /// `hourly` or `monthly`.
    pub model: BillingModel,
    /// List price in minor units for one instance and hour or month; unset: a person quotes. Example: `175` is 1.75 USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub price_minor: Option<i64>,
    /// Hours billed at least for each instance (hourly). Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 744))]
    pub min_hours: u32,
}

/// Which machine carries an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeClass {
    /// Azure VM size. Example: `Standard_NC24ads_A100_v4`.
    #[schemars(length(min = 1, max = 128))]
    pub vm_size: String,
}

impl OfferSpec {
    /// The list prices as the quote engine takes them.
    #[must_use]
    pub fn list_prices(&self) -> Vec<ListPrice> {
        let price = |m: &BillingPrice| ListPrice {
            model: m.model,
            minor: m.price_minor,
            min_hours: m.min_hours,
        };
        self.billing.models.iter().map(price).collect()
    }
}

/// Observed state of an Offer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What a careful seller would look at again. Example: `MONTHLY_NEVER_CHEAPER`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub lint: Vec<String>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
