//! Something that does not work as sold, told to the buyer.

#[cfg(test)]
mod tests;

use crate::reference::NameRef;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::phase::IncidentPhase;
use trustbridge_domain::support::Severity;

/// An incident: declared by the seller, or by the operator where the seller wants that.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "Incident",
    plural = "incidents",
    namespaced,
    shortname = "tbinc",
    category = "trustbridge",
    status = "IncidentStatus",
    doc = "Something that does not work as sold: which TunePods, how bad, since when, and what is said of it. Declared by the seller, or by the operator when a TunePod is without Ready for longer than the SellerProfile says; resolved once.",
    validation = Rule::new("self.spec.severity == oldSelf.spec.severity && self.spec.impact == oldSelf.spec.impact && has(self.spec.etaUpdateMinutes) == has(oldSelf.spec.etaUpdateMinutes) && (!has(self.spec.etaUpdateMinutes) || self.spec.etaUpdateMinutes == oldSelf.spec.etaUpdateMinutes) && has(self.spec.startedAt) == has(oldSelf.spec.startedAt) && (!has(self.spec.startedAt) || self.spec.startedAt == oldSelf.spec.startedAt) && has(self.spec.readyLost) == has(oldSelf.spec.readyLost) && (!has(self.spec.readyLost) || self.spec.readyLost == oldSelf.spec.readyLost)").message("what was declared must not change: say more in `spec.updates`, or declare another incident").field_path(".spec"),
    validation = Rule::new("!has(oldSelf.spec.tunePods) || (has(self.spec.tunePods) && oldSelf.spec.tunePods.all(o, self.spec.tunePods.exists(n, n.name == o.name)))").message("`spec.tunePods` must keep every TunePod that was affected: add to the list").field_path(".spec.tunePods"),
    validation = Rule::new("!has(oldSelf.spec.updates) || (has(self.spec.updates) && oldSelf.spec.updates.all(o, self.spec.updates.exists(n, n.seq == o.seq && n.text == o.text && has(n.etaUpdateMinutes) == has(o.etaUpdateMinutes) && (!has(n.etaUpdateMinutes) || n.etaUpdateMinutes == o.etaUpdateMinutes))))").message("`spec.updates` must keep every word as it was said: add to the list").field_path(".spec.updates"),
    validation = Rule::new("!has(self.spec.updates) || self.spec.updates.all(n, n.seq <= size(self.spec.updates))").message("`spec.updates` must be counted from 1 without a gap: `seq` of the next one is their number and one").field_path(".spec.updates"),
    validation = Rule::new("!has(oldSelf.spec.resolution) || (has(self.spec.resolution) && self.spec.resolution == oldSelf.spec.resolution)").message("`spec.resolution` of an incident is set once and must not change").field_path(".spec.resolution"),
    selectable = ".spec.severity",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Impact", type_ = "string", json_path = ".spec.impact"),
    printcolumn(name = "TunePods", type_ = "string", json_path = ".spec.tunePods[*].name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Next-Word", type_ = "string", json_path = ".status.nextUpdateDueAt"),
    printcolumn(name = "Resolved", type_ = "string", json_path = ".status.resolvedAt"),
    printcolumn(name = "Breached", type_ = "string", json_path = ".status.conditions[?(@.type==\"Breached\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSpec {
    /// How bad it is: `S1` (nothing works) to `S4`. Must not change.
    pub severity: Severity,
    /// What it means for the buyer, in a line. Must not change. Example: `Instance unreachable`.
    #[schemars(length(min = 1, max = 512))]
    pub impact: String,
    /// The TunePods of this namespace that are affected, where it is known; the list only grows. The key is `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub tune_pods: Vec<NameRef>,
    /// Since when it is so; unset: since it was declared. Must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Minutes within which more is said; unset: nothing is promised. Must not change. Example: `30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_080))]
    pub eta_update_minutes: Option<u32>,
    /// Set by the operator where it declared the incident: which loss of Ready it is. Must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_lost: Option<ReadyLost>,
    /// What the seller said since. The list only grows. The key is `seq`. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[schemars(length(max = 64))]
    pub updates: Vec<IncidentUpdate>,
    /// Set once by the seller when it works again. What the operator declared, it resolves itself when the TunePod is
    /// Ready again, or is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<IncidentResolution>,
}

/// The loss of Ready that an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadyLost {
    /// UID of the TunePod, which is the one of `tunePods`. It is without Ready since `startedAt`.
    #[schemars(length(min = 1, max = 64))]
    pub tune_pod_uid: String,
}

/// Something that was said of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentUpdate {
    /// Its number, from 1.
    #[schemars(range(min = 1, max = 64))]
    pub seq: i64,
    /// What was said. Example: `the node is being replaced`.
    #[schemars(length(min = 1, max = 2048))]
    pub text: String,
    /// Minutes within which more is said; unset: nothing is promised. Example: `30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_080))]
    pub eta_update_minutes: Option<u32>,
}

/// The end of an incident, in the seller's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentResolution {
    /// What it was and what was done. Example: `a failed NVLink; the node was replaced`.
    #[schemars(length(min = 1, max = 2048))]
    pub text: String,
}

/// Observed state of an incident.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.resolvedAt) || (has(self.resolvedAt) && self.resolvedAt == oldSelf.resolvedAt)").message("`resolvedAt` is set once and must not change"),
    validation = Rule::new("!has(oldSelf.said) || (has(self.said) && oldSelf.said.all(o, self.said.exists(n, n.seq == o.seq && n.at == o.at)))").message("`said` must keep every word as it was seen")
)]
pub struct IncidentStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(IncidentPhase::transition_rule()).message("`phase` must follow the incident's state machine"))]
    pub phase: IncidentPhase,
    /// When the operator saw each update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[schemars(length(max = 64))]
    pub said: Vec<WordSeen>,
    /// Until when the next word was promised; absent: none is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_due_at: Option<Time>,
    /// Since when it works again, or since when what was affected is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// `Accepted`; `UpdateDue`: whether a next word is owed; `Breached`: whether one came too late, which stays so;
    /// `Succeeded`: whether it is resolved, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// An update as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WordSeen {
    /// Number of the update.
    #[schemars(range(min = 1, max = 64))]
    pub seq: i64,
    /// When the operator saw it.
    pub at: Time,
}
