//! What a buyer asks of the seller's people, and what became of it.

#[cfg(test)]
mod tests;

use crate::reference::NameRef;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::phase::TicketPhase;
use trustbridge_domain::support::{Severity, Side};

/// A ticket: asked by a buyer, answered by the seller's people.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "SupportTicket",
    plural = "supporttickets",
    namespaced,
    shortname = "tbticket",
    category = "trustbridge",
    status = "SupportTicketStatus",
    doc = "What a buyer asks of the seller's people. The buyer makes it; the seller answers in `spec.updates`, each of which says the phase that it leaves the ticket in. The times that were promised are frozen when it is taken.",
    validation = Rule::new("self.spec.severity == oldSelf.spec.severity && self.spec.subject == oldSelf.spec.subject && has(self.spec.tunePodRef) == has(oldSelf.spec.tunePodRef) && (!has(self.spec.tunePodRef) || self.spec.tunePodRef == oldSelf.spec.tunePodRef) && has(self.spec.details) == has(oldSelf.spec.details) && (!has(self.spec.details) || self.spec.details == oldSelf.spec.details)").message("what was asked must not change: say more in `spec.updates`, or make another ticket").field_path(".spec"),
    validation = Rule::new("!has(self.spec.updates) || size(self.spec.updates) == 0 || (has(self.status) && has(self.status.phase))").message("`spec.updates` must be empty in a new ticket: the operator takes it first, then it is answered").field_path(".spec.updates"),
    validation = Rule::new("!has(oldSelf.spec.updates) || (has(self.spec.updates) && oldSelf.spec.updates.all(o, self.spec.updates.exists(n, n.seq == o.seq && n.from == o.from && n.phase == o.phase && n.text == o.text)))").message("`spec.updates` must keep every update as it was written: add to the list").field_path(".spec.updates"),
    validation = Rule::new("!has(self.spec.updates) || self.spec.updates.all(n, n.seq <= size(self.spec.updates))").message("`spec.updates` must be numbered from 1 without a gap: `seq` of the next one is their number and one").field_path(".spec.updates"),
    validation = Rule::new(legal()).message("`phase` of each update must be one that may follow the phase before it; a new ticket is `Open`").field_path(".spec.updates"),
    validation = Rule::new(bought()).message("`phase` of an update from the buyer must be the one before it, `Closed`, or `InProgress` of what waits for the buyer or is solved").field_path(".spec.updates"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase != 'Closed' || !has(self.spec.updates) || (has(oldSelf.spec.updates) && size(self.spec.updates) == size(oldSelf.spec.updates))").message("`spec.updates` must not grow once the ticket is `Closed`: make another ticket").field_path(".spec.updates"),
    selectable = ".spec.severity",
    selectable = ".spec.tunePodRef.name",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".spec.subject"),
    printcolumn(name = "TunePod", type_ = "string", json_path = ".spec.tunePodRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Answer-Until", type_ = "string", json_path = ".status.responseDueAt"),
    printcolumn(name = "Solve-Until", type_ = "string", json_path = ".status.resolutionDueAt"),
    printcolumn(name = "Breached", type_ = "string", json_path = ".status.conditions[?(@.type==\"Breached\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SupportTicketSpec {
    /// How bad it is: `S1` (nothing works) to `S4` (a question). Must not change.
    pub severity: Severity,
    /// The TunePod that it is about, one of this namespace; unset: none in particular. Must not change.
    /// Example: `order-1-0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune_pod_ref: Option<NameRef>,
    /// What it is about, in a line. Must not change. Example: `OOM during training`.
    #[schemars(length(min = 1, max = 256))]
    pub subject: String,
    /// What happened and what is wanted. No secret, no prompt. Must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub details: Option<String>,
    /// What was said since, written by the seller's people, also what they heard from the buyer. The list only grows.
    /// The key is `seq`. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[schemars(length(max = 64))]
    pub updates: Vec<TicketUpdate>,
}

/// CEL: each update's phase may follow the one before it.
fn legal() -> String {
    let pair = TicketPhase::succession_rule("o.phase", "n.phase");
    let first: Vec<String> = std::iter::once(TicketPhase::default())
        .chain(TicketPhase::default().next().iter().copied())
        .map(|phase| format!("'{phase}'"))
        .collect();
    let first = first.join(", ");
    format!(
        "!has(self.spec.updates) || self.spec.updates.all(n, n.seq == 1 ? n.phase in [{first}] : self.spec.updates.exists(o, o.seq == n.seq - 1 && ({pair})))"
    )
}

/// CEL: what is said for the buyer moves a ticket only where the buyer decides.
fn bought() -> String {
    let before =
        "o.phase == n.phase || (n.phase == 'InProgress' && o.phase in ['WaitingForCustomer', 'Resolved'])";
    format!(
        "!has(self.spec.updates) || self.spec.updates.all(n, n.from != 'buyer' || n.phase == 'Closed' || (n.seq == 1 ? n.phase == 'Open' : self.spec.updates.exists(o, o.seq == n.seq - 1 && ({before}))))"
    )
}

/// Something that was said in a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketUpdate {
    /// Its number, from 1: two people cannot say the same next thing. Example: `1`.
    #[schemars(range(min = 1, max = 64))]
    pub seq: i64,
    /// Whose words they are: `seller` or `buyer`. Default `seller`.
    #[serde(default)]
    pub from: Side,
    /// The phase that it leaves the ticket in; the one before it where nothing but words is added.
    pub phase: TicketPhase,
    /// What was said. No secret, no prompt. Example: `a batch of 4 fits; see the log line`.
    #[schemars(length(min = 1, max = 2048))]
    pub text: String,
}

/// Observed state of a ticket.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.promise) || has(self.promise)").message("`promise` is frozen when the ticket is taken and must not change"),
    validation = Rule::new("!has(oldSelf.moves) || (has(self.moves) && oldSelf.moves.all(o, self.moves.exists(n, n.seq == o.seq && n.at == o.at && n.phase == o.phase)))").message("`moves` must keep every move as it was seen")
)]
pub struct SupportTicketStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(TicketPhase::transition_rule()).message("`phase` must follow the ticket's state machine"))]
    pub phase: TicketPhase,
    /// What the order of its TunePod was promised; frozen when the ticket is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`promise` is frozen when the ticket is taken and must not change"))]
    pub promise: Option<SupportPromise>,
    /// When the operator saw each update. Times of promises are counted from these, and from the ticket's creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[schemars(length(max = 64))]
    pub moves: Vec<TicketMove>,
    /// When the operator closed it, because it stayed `Resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// Until when the seller's first word is owed; absent: it came, or none is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_due_at: Option<Time>,
    /// Until when it is to be solved; absent: it is, or the buyer is waited for, or no time is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_due_at: Option<Time>,
    /// `Accepted`; `ResponseDue`: whether the seller's first word is owed; `Breached`: whether a time that was promised
    /// was missed, which stays so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// What was promised for a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportPromise {
    /// The order of the TunePod; unset: the ticket is about none in particular. Example: `order-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub order: Option<String>,
    /// The support SKU of that order with a target for this severity; unset: nothing is promised.
    /// Example: `Support-Premium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub sku: Option<String>,
    /// Minutes until the seller's first word; unset: none are promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub response_minutes: Option<u32>,
    /// Minutes of the seller's until it is solved; unset: none are promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub resolution_minutes: Option<u32>,
}

/// An update as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketMove {
    /// Number of the update.
    #[schemars(range(min = 1, max = 64))]
    pub seq: i64,
    /// When the operator saw it.
    pub at: Time,
    /// The phase that it left the ticket in.
    pub phase: TicketPhase,
}
