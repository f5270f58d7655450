//! What a seller sells for one use: words, rules, and the prices of what can be added.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::quote::{AddOn, ContractRefs, Source, UseCase};

/// What is sold for one use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UseCaseTerms {
    /// The use case. Example: `image_studio_sd`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Family of the bundles that are offered for it. Example: `StudioGen`.
    #[schemars(length(min = 1, max = 128))]
    pub family: String,
    /// Family that is offered when nothing but tuning is asked for; unset: the same. Example: `StudioTune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub tuning_family: Option<String>,
    /// Assumptions of every quote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub assumptions: Vec<String>,
    /// How fast support answers. Default `best effort`.
    #[serde(default = "best_effort")]
    #[schemars(length(min = 1, max = 256))]
    pub support_response: String,
    /// What logs may hold. Default `no_training_data_in_logs`.
    #[serde(default = "no_training_data")]
    #[schemars(length(min = 1, max = 128))]
    pub logging_policy: String,
    /// Who owns what comes out. Example: `buyer_owns_outputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub ip_policy: Option<String>,
    /// Events that are recorded for the buyer. Example: `reimage`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub audit_events: Vec<String>,
    /// Contracts that a quote refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_refs: Option<ContractRefs>,
    /// Hours of help at the beginning that cost nothing. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub included_onboarding_hours: u32,
    /// Hours within which a change is made. Default 24.
    #[serde(default = "twenty_four")]
    #[schemars(range(min = 1, max = 8760))]
    pub change_eta_hours: u32,
    /// Whether egress stands on every quote, priced or not. Default false.
    #[serde(default)]
    pub quotes_egress: bool,
    /// What can be added to a bundle, and for how much. The key is `sku`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sku".into()]))]
    #[schemars(length(max = 64))]
    pub add_ons: Vec<AddOnPrice>,
}

/// The unit that the price of an add-on is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AddOnUnit {
    /// A calendar month.
    #[default]
    Month,
    /// An hour.
    Hour,
    /// A GB (10^9 bytes).
    Gb,
    /// A GB for a month.
    GbMonth,
}

/// An add-on with its list price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddOnPrice {
    /// Its SKU. Example: `NVMe-AddOn-2TB`.
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// What the price is for: `month`, `hour`, `gb` or `gbMonth`. Default `month`.
    #[serde(default)]
    pub unit: AddOnUnit,
    /// List price in minor units for one unit; unset: a person quotes. Example: `25000` is 250.00 USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub price_minor: Option<i64>,
    /// Local disk that it adds, in GB (10^9 bytes). Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub nvme_gb: u32,
    /// The tier that it is, for support: `standard` or `premium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub support_tier: Option<String>,
}

impl UseCaseTerms {
    /// Its words and rules as the quote engine takes them.
    #[must_use]
    pub fn engine(&self) -> UseCase {
        UseCase {
            use_case: self.name.clone(),
            family: self.family.clone(),
            tuning_family: self.tuning_family.clone(),
            assumptions: self.assumptions.clone(),
            support_response: self.support_response.clone(),
            logging_policy: self.logging_policy.clone(),
            ip_policy: self.ip_policy.clone(),
            audit_events: self.audit_events.clone(),
            contract_refs: self.contract_refs.clone(),
            included_onboarding_hours: self.included_onboarding_hours,
            change_eta_hours: self.change_eta_hours,
            quotes_egress: self.quotes_egress,
        }
    }

    /// Its add-ons as the quote engine takes them.
    pub fn engine_add_ons(&self) -> impl Iterator<Item = AddOn> {
        self.add_ons.iter().map(|add_on| AddOn {
            sku: add_on.sku.clone(),
            use_case: self.name.clone(),
            unit: add_on.unit.as_str().to_owned(),
            price_minor: add_on.price_minor,
            nvme_gb: add_on.nvme_gb,
            support_tier: add_on.support_tier.clone(),
            source: add_on.price_minor.map_or(Source::None, |_| Source::Seller),
        })
    }
}

impl AddOnUnit {
    /// The word in the API and in the catalog.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Hour => "hour",
            Self::Gb => "gb",
            Self::GbMonth => "gbMonth",
        }
    }
}

fn best_effort() -> String {
    "best effort".to_owned()
}

fn no_training_data() -> String {
    "no_training_data_in_logs".to_owned()
}

const fn twenty_four() -> u32 {
    24
}
