//! What a seller sells: an Offer of the catalog.

mod promises;

pub use crate::readiness::ReadinessLine;
pub use promises::{Network, OutboundMode, Security, Sla, Throughput};

use crate::reference::Mode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::quote::{CatalogOffer, CatalogPrice, Source, StorageFit};
use trustbridge_domain::vm_size::{Allowance, Demand, SIZES};

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
        json_path = ".status.vmSize",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Capacity", type_ = "string", json_path = ".status.capacity.summary"),
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
    /// Bundles of one kind in several sizes; unset: the SKU without what follows its last `-`. Example: `StudioGen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub family: Option<String>,
    /// Regions that it is sold in, best first; a request that names a region is met by an offer that names it too.
    /// Example: `westeurope`.
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
    #[serde(default)]
    pub node_class: NodeClass,
    /// What is promised about time.
    #[serde(default)]
    pub sla: Sla,
    /// What is promised about neighbours.
    #[serde(default)]
    pub security: Security,
    /// Ways out that it is sold with.
    #[serde(default)]
    pub network: Network,
    /// How a request for more local disk than it has is met: `strict` adds until it is met, `bestEffort` adds what fits
    /// below it and warns. Default `strict`.
    #[serde(default)]
    pub storage_fit: StorageFit,
    /// What was measured.
    #[serde(default)]
    pub throughput: Throughput,
    /// What must hold before an instance counts as ready; it is part of every quote, and each line is checked. With a
    /// protected model the operator's own four checks come besides; a workspace without lines has those of SSH, GPU and
    /// container engine. The key is `id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 32))]
    pub readiness: Vec<ReadinessLine>,
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
    /// Days billed at least (monthly). Default 0. Example: `30`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3660))]
    pub min_term_days: u32,
}

/// Which machine carries an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeClass {
    /// Azure VM size; unset: the smallest one that carries the offer. Example: `Standard_NC40ads_H100_v5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub vm_size: Option<String>,
    /// What is second best and may be used all the same: `idleGpus`, `preview`, `managedDisk`. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub allow: Vec<Allowance>,
}

impl OfferSpec {
    /// The bundle under `offer_id` for one use case, as the quote engine takes it.
    #[must_use]
    pub fn catalog_offer(&self, offer_id: &str, use_case: &str) -> CatalogOffer {
        // The schema bounds these numbers between 0 and a million.
        let small = |number: i64| u32::try_from(number).unwrap_or(0);
        let price = |m: &BillingPrice| CatalogPrice {
            model: m.model,
            price_minor: m.price_minor,
            min_hours: m.min_hours,
            min_term_days: m.min_term_days,
        };
        let modes = self.network.outbound_modes.iter();
        CatalogOffer {
            offer_id: offer_id.to_owned(),
            sku: self.sku.clone(),
            title: self.title.clone().unwrap_or_default(),
            use_case: use_case.to_owned(),
            family: self.family().to_owned(),
            regions: self.regions.clone(),
            gpus: small(self.resources.gpus),
            vram_gb: small(self.gpu.vram_gb),
            vcpus: small(self.resources.vcpus),
            ram_gb: small(self.resources.ram_gb),
            nvme_gb: small(self.resources.nvme_gb),
            prices: self.billing.models.iter().map(price).collect(),
            single_tenant: self.security.single_tenant,
            outbound_modes: modes.map(|mode| mode.as_str().to_owned()).collect(),
            provision_p90_hours: self.sla.provision_p90_hours,
            support: self.sla.support.clone(),
            storage_fit: self.storage_fit,
            images_per_gpu_hour: self.throughput.images_per_gpu_hour,
            available: None,
            source: Source::Seller,
        }
    }

    /// The family that it belongs to.
    #[must_use]
    pub fn family(&self) -> &str {
        let named = self.family.as_deref();
        named.unwrap_or_else(|| self.sku.rsplit_once('-').map_or(&*self.sku, |(family, _)| family))
    }

    /// What it demands of a machine, with this much local disk in GB.
    #[must_use]
    pub fn demand(&self, nvme_gb: u32) -> Demand {
        let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        // A model that no known machine has is a name for people: memory decides.
        let model = Some(&self.gpu.model).filter(|model| SIZES.iter().any(|size| size.gpu == **model));
        Demand {
            gpus: small(self.resources.gpus),
            vram_gb: small(self.gpu.vram_gb),
            gpu_models: model.cloned().into_iter().collect(),
            vcpus: small(self.resources.vcpus),
            ram_gb: small(self.resources.ram_gb),
            nvme_gb,
            allowed: self.node_class.allow.clone(),
            ..Demand::default()
        }
    }
}

/// What of an offer can be had now. Nothing is kept free for anybody: an order that comes first has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferCapacity {
    /// In a word. Examples: `3`, `0 (QuotaFamily)`, `unknown`.
    #[schemars(length(min = 1, max = 64))]
    pub summary: String,
    /// Instances for which there is room; unset: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub instances: Option<i64>,
    /// One word of the reference page of reasons. Examples: `AsSpecified` (it was counted), `QuotaFamily` (the last attempt
    /// was refused so), `CapacityUnknown`.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// For people: the provider's words of a refusal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Since when this is so.
    pub since: Time,
    /// Until when a refusal counts, unless it is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Observed state of an Offer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The machine that carries it, add-ons aside. Example: `Standard_NC40ads_H100_v5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// What of it can be had now, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<OfferCapacity>,
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
