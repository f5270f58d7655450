//! The catalog: what is sold, at which prices, with which words. All of it is the seller's data.

use crate::decimal::Decimal;
use crate::pricing::BillingModel;
use serde::{Deserialize, Serialize};

/// Hours of the longest month.
const LONGEST_MONTH_HOURS: i64 = 744;

/// Everything that a seller sells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// ISO 4217 code of all prices. Example: `USD`.
    pub currency: String,
    /// Bundles.
    pub offers: Vec<CatalogOffer>,
    /// What can be added; the key is SKU and use case.
    pub add_ons: Vec<AddOn>,
    /// Words and rules of each use case.
    pub use_cases: Vec<UseCase>,
}

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The ACP documents.
    Document,
    /// Ours, so that the documents' examples come out.
    Proposed,
    /// The seller's own price list.
    Seller,
    /// Nowhere: there is none.
    None,
}

/// How a request for more disk than a bundle has is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StorageFit {
    /// Add-ons until it is met.
    #[default]
    Strict,
    /// Whole add-ons below it, and a warning.
    BestEffort,
}

/// A bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogOffer {
    /// Its id. Example: `offer_tunepod_2gpu`.
    pub offer_id: String,
    /// Its SKU. Example: `TunePod-2GPU`.
    pub sku: String,
    /// Title for people.
    pub title: String,
    /// What it is for.
    pub use_case: String,
    /// Bundles of one kind in several sizes. Example: `TunePod`.
    pub family: String,
    /// Where it is sold, best first.
    pub regions: Vec<String>,
    /// GPUs.
    pub gpus: u32,
    /// Memory of one GPU in GB (10^9 bytes).
    pub vram_gb: u32,
    /// Virtual CPU cores.
    pub vcpus: u32,
    /// Memory in GB.
    pub ram_gb: u32,
    /// Local disk in GB.
    pub nvme_gb: u32,
    /// Prices by billing model.
    pub prices: Vec<CatalogPrice>,
    /// Whether nobody else is on the machine.
    pub single_tenant: bool,
    /// Modes of outbound traffic that it is sold with.
    pub outbound_modes: Vec<String>,
    /// Hours within which nine of ten are ready.
    pub provision_p90_hours: u32,
    /// Support that comes with it.
    pub support: String,
    /// Disk beyond its own.
    #[serde(default)]
    pub storage_fit: StorageFit,
    /// Pictures that one GPU makes in an hour; absent: nobody measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_gpu_hour: Option<Decimal>,
    /// Instances that can be had now; absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u32>,
    /// Where its prices come from.
    pub source: Source,
}

/// A price of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogPrice {
    /// By the hour or by the month.
    pub model: BillingModel,
    /// Minor units for one instance and hour or month; absent: a person quotes.
    pub price_minor: Option<i64>,
    /// Hours billed at least for each instance.
    pub min_hours: u32,
    /// Days billed at least.
    pub min_term_days: u32,
}

/// Something that can be added to a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddOn {
    /// Its SKU. Example: `NVMe-AddOn-2TB`.
    pub sku: String,
    /// What it is for.
    pub use_case: String,
    /// What the price is for: `month`, `hour`, `gb`, `gbMonth`.
    pub unit: String,
    /// Minor units for one; absent: a person quotes.
    pub price_minor: Option<i64>,
    /// Local disk that it adds, in GB.
    #[serde(default)]
    pub nvme_gb: u32,
    /// The tier that it is, for support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_tier: Option<String>,
    /// Where its price comes from.
    pub source: Source,
}

/// Words and rules of a use case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UseCase {
    /// Its name. Example: `image_studio_sd`.
    pub use_case: String,
    /// Bundles that are offered for it.
    pub family: String,
    /// Bundles that are offered when nothing but tuning is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning_family: Option<String>,
    /// Assumptions of every quote.
    pub assumptions: Vec<String>,
    /// How fast support answers.
    pub support_response: String,
    /// What logs may hold.
    pub logging_policy: String,
    /// Who owns what comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_policy: Option<String>,
    /// Events that are recorded for the buyer.
    pub audit_events: Vec<String>,
    /// Contracts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_refs: Option<ContractRefs>,
    /// Hours of help at the beginning that cost nothing.
    pub included_onboarding_hours: u32,
    /// Hours within which a change is made.
    pub change_eta_hours: u32,
    /// Whether egress stands on every quote, priced or not.
    pub quotes_egress: bool,
}

/// Contracts that a quote refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContractRefs {
    /// Master services agreement.
    pub msa: String,
    /// Data processing agreement.
    pub dpa: String,
    /// Statement of work.
    pub sow: String,
}

/// The catalog of both ACP documents, with our prices where they have none and `null` where nobody has one.
pub fn documents() -> Result<Catalog, serde_json::Error> {
    serde_json::from_str(include_str!("catalog.json"))
}

impl CatalogOffer {
    /// Its price by a billing model; `None`: it is not sold so.
    #[must_use]
    pub fn price(&self, model: BillingModel) -> Option<&CatalogPrice> {
        self.prices.iter().find(|p| p.model == model)
    }
}

impl Catalog {
    /// An add-on of a use case.
    #[must_use]
    pub fn add_on(&self, sku: &str, use_case: &str) -> Option<&AddOn> {
        self.add_ons
            .iter()
            .find(|a| a.sku == sku && a.use_case == use_case)
    }

    /// The add-on that adds local disk.
    #[must_use]
    pub fn nvme_add_on(&self, use_case: &str) -> Option<&AddOn> {
        self.add_ons
            .iter()
            .find(|a| a.nvme_gb > 0 && a.use_case == use_case)
    }

    /// The add-on that is a tier of support.
    #[must_use]
    pub fn support(&self, tier: &str, use_case: &str) -> Option<&AddOn> {
        let is_it = |a: &&AddOn| a.support_tier.as_deref() == Some(tier) && a.use_case == use_case;
        self.add_ons.iter().find(is_it)
    }
}

/// What a careful seller would look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// The month costs more than all hours of the longest month.
    MonthlyNeverCheaper {
        /// The SKU.
        sku: String,
        /// All hours of the longest month, in minor units.
        longest_month_minor: i64,
        /// The price of a month, in minor units.
        monthly_minor: i64,
    },
    /// There is no price for it.
    Unpriced {
        /// The SKU.
        sku: String,
        /// The use case.
        use_case: String,
    },
}

/// Looks over a catalog.
#[must_use]
pub fn lint(catalog: &Catalog) -> Vec<Lint> {
    let mut all = Vec::new();
    for offer in &catalog.offers {
        let minor = |model| offer.price(model).and_then(|p| p.price_minor);
        let hourly = minor(BillingModel::Hourly).and_then(|h| h.checked_mul(LONGEST_MONTH_HOURS));
        let both = hourly.zip(minor(BillingModel::Monthly));
        if let Some((longest_month_minor, monthly_minor)) = both.filter(|(hours, month)| month >= hours) {
            all.push(Lint::MonthlyNeverCheaper {
                sku: offer.sku.clone(),
                longest_month_minor,
                monthly_minor,
            });
        }
        if offer.prices.iter().any(|p| p.price_minor.is_none()) {
            all.push(unpriced(&offer.sku, &offer.use_case));
        }
    }
    let open = catalog.add_ons.iter().filter(|a| a.price_minor.is_none());
    all.extend(open.map(|a| unpriced(&a.sku, &a.use_case)));
    all
}

fn unpriced(sku: &str, use_case: &str) -> Lint {
    Lint::Unpriced {
        sku: sku.to_owned(),
        use_case: use_case.to_owned(),
    }
}
