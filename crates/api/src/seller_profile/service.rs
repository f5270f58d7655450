//! What a seller promises about help, and when a loss of service is told by itself.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::support::Severity;

/// How support is given.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportTerms {
    /// Days after which a ticket that stays `Resolved` is closed by the operator; until then it can be taken up again.
    /// Unset: the seller's people close by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub close_resolved_after_days: Option<u32>,
    /// Times that were promised. Without an entry nothing is. The key is `useCase`, `sku` and `severity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["useCase".into(), "sku".into(), "severity".into()]))]
    #[schemars(length(max = 128))]
    pub targets: Vec<SupportTarget>,
}

/// Times that a support SKU promises for tickets of one severity. Minutes of the clock on the wall: an office that is
/// closed at night promises more of them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.responseMinutes) || has(self.resolutionMinutes)").message("`responseMinutes` or `resolutionMinutes` must be set: a target without a time promises nothing"))]
pub struct SupportTarget {
    /// The use case that the SKU is sold for. Example: `image_studio_sd`.
    #[schemars(length(min = 1, max = 64))]
    pub use_case: String,
    /// The support SKU, as the order's lines have it. Example: `Support-Premium`.
    #[schemars(length(min = 1, max = 128))]
    pub sku: String,
    /// The severity of the ticket.
    pub severity: Severity,
    /// Minutes until the seller's first word; unset: none are promised. Example: `240`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 525_600))]
    pub response_minutes: Option<u32>,
    /// Minutes of the seller's until it is solved; those in which the buyer is waited for do not count. Unset: none are
    /// promised. Example: `2880`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 525_600))]
    pub resolution_minutes: Option<u32>,
}

/// When the operator declares an Incident by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentTerms {
    /// Minutes for which a TunePod that was Ready may be without it before an Incident is declared. Example: `10`.
    #[schemars(range(min = 0, max = 10_080))]
    pub declare_after_minutes: u32,
    /// The severity of such an Incident. Example: `S1`.
    pub severity: Severity,
    /// Minutes within which a person of the seller says more; unset: nothing is promised. Example: `30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_080))]
    pub eta_update_minutes: Option<u32>,
}
