//! A priced answer to what a buyer asked for.

use crate::reference::{Mode, NameRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::pricing::{BillingModel, QuoteLine};

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
    doc = "A request for a price and the price: lines, totals, how long it is valid, and a digest that an order freezes.",
    validation = Rule::new("self.spec == oldSelf.spec").message("`spec` must not change: ask for a new quote instead").field_path(".spec"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Offer", type_ = "string", json_path = ".spec.offerRef.name"),
    printcolumn(name = "Instances", type_ = "integer", json_path = ".spec.instances"),
    printcolumn(name = "Total", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Valid-Until", type_ = "string", json_path = ".status.validUntil"),
    printcolumn(name = "Order", type_ = "string", json_path = ".status.orderRef.name", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct QuoteSpec {
    /// The offer that is asked for.
    pub offer_ref: NameRef,
    /// The mode that it is asked for in. Default `protectedModel`.
    #[serde(default)]
    pub mode: Mode,
    /// Number of instances. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub instances: u32,
    /// Billing model; unset takes the offer's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_model: Option<BillingModel>,
}

const fn one() -> u32 {
    1
}

/// Observed state of a Quote.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuoteStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(QuotePhase::transition_rule()).message("`phase` must follow the quote's state machine"))]
    pub phase: QuotePhase,
    /// Priced lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub lines: Vec<QuoteLine>,
    /// Totals in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// The totals for people. Example: `1.75 USD/h`. Clients must not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Until when it may be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    /// SHA-256 over the canonical lines, currency and `validUntil`, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
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

/// Totals of a quote, in minor units of its currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// Sum of the hourly lines for one hour.
    pub hourly_minor: i64,
    /// Sum of the monthly lines for one month.
    pub monthly_minor: i64,
}
