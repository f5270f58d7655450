//! GPU nodes of a buyer's own, and the model server on them.

use crate::readiness::{ReadinessLine, ReadinessState};
use crate::reference::{Access, Mode, NameRef, RuntimeSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::usage::Interval;

/// One instance of an order.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "TunePod",
    plural = "tunepods",
    namespaced,
    shortname = "tpod",
    category = "trustbridge",
    status = "TunePodStatus",
    doc = "One instance of an order: its GPU nodes and, on them, the guarded model server. Written by the operator.",
    validation = Rule::new("self.spec.mode != 'protectedModel' || (has(self.spec.modelAssetRef) && has(self.spec.contractId))").message("`spec.modelAssetRef` and `spec.contractId` must be set with mode 'protectedModel'").field_path(".spec"),
    validation = Rule::new("self.spec.mode == oldSelf.spec.mode && self.spec.orderRef == oldSelf.spec.orderRef && self.spec.gpus == oldSelf.spec.gpus && self.spec.vmSize == oldSelf.spec.vmSize").message("`spec.mode`, `spec.orderRef`, `spec.gpus` and `spec.vmSize` must not change").field_path(".spec"),
    validation = Rule::new("has(self.spec.contractId) == has(oldSelf.spec.contractId) && (!has(self.spec.contractId) || self.spec.contractId == oldSelf.spec.contractId) && has(self.spec.modelAssetRef) == has(oldSelf.spec.modelAssetRef) && (!has(self.spec.modelAssetRef) || self.spec.modelAssetRef == oldSelf.spec.modelAssetRef)").message("`spec.contractId` and `spec.modelAssetRef` must not change").field_path(".spec"),
    validation = Rule::new("!has(oldSelf.spec.termination) || (has(self.spec.termination) && self.spec.termination == oldSelf.spec.termination)").message("`spec.termination` is set once and must not change").field_path(".spec.termination"),
    validation = Rule::new("has(self.spec.readiness) == has(oldSelf.spec.readiness) && (!has(self.spec.readiness) || self.spec.readiness == oldSelf.spec.readiness)").message("`spec.readiness` must not change: it is what was quoted").field_path(".spec.readiness"),
    selectable = ".spec.orderRef.name",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name"),
    printcolumn(name = "GPUs", type_ = "integer", json_path = ".spec.gpus"),
    printcolumn(name = "Node-Pool", type_ = "string", json_path = ".status.nodePool.name"),
    printcolumn(name = "Pool-State", type_ = "string", json_path = ".status.nodePool.state", priority = 1),
    printcolumn(name = "Asset", type_ = "string", json_path = ".spec.modelAssetRef.name", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TunePodSpec {
    /// The order that it belongs to.
    pub order_ref: NameRef,
    /// Product mode.
    #[serde(default)]
    pub mode: Mode,
    /// The encrypted model (`protectedModel`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_asset_ref: Option<NameRef>,
    /// Licence contract (`protectedModel`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub contract_id: Option<String>,
    /// Whole GPUs. Example: `1`.
    #[schemars(range(min = 1, max = 16))]
    pub gpus: i64,
    /// SKU that it was sold as. Example: `StudioGen-1GPU`.
    #[schemars(length(min = 1, max = 128))]
    pub gpu_sku: String,
    /// Azure VM size of the node pool. Example: `Standard_NC24ads_A100_v4`.
    #[schemars(length(min = 1, max = 128))]
    pub vm_size: String,
    /// Local disk in GB (10^9 bytes).
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub nvme_gb: i64,
    /// The model server; unset takes the seller's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeSpec>,
    /// What must hold before it counts as ready, as it was quoted; the key is `id`. What the operator checks of its own
    /// accord comes besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 32))]
    pub readiness: Vec<ReadinessLine>,
    /// Set once by the order to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<TunePodTermination>,
}

/// The end of a TunePod, asked for once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunePodTermination {
    /// Why. Example: `OrderTerminated`.
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// Observed state of a TunePod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.phase != 'Ready' || !has(self.readiness) || self.readiness.all(r, r.met == 'True')").message("`phase` must not be Ready while a line of `readiness` is not met"))]
#[x_kube(validation = Rule::new("!has(oldSelf.folded) || (has(self.folded) && self.folded.count >= oldSelf.folded.count && self.folded.meteredMs >= oldSelf.folded.meteredMs && self.folded.from == oldSelf.folded.from)").message("`folded` must not go or fall: what is in UsageRecords stays there"))]
#[x_kube(validation = Rule::new("!has(oldSelf.intervals) || has(self.intervals)").message("`intervals` must keep every interval, and closed ones must not change"))]
pub struct TunePodStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state machine's word.
    #[serde(default)]
    #[x_kube(validation = Rule::new(TunePodPhase::transition_rule()).message("`phase` must follow the TunePod's state machine"))]
    pub phase: TunePodPhase,
    /// Metered intervals: opened in the write that says Ready, closed in the write that leaves it. The first ones of closed
    /// days go to UsageRecords, see `folded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[x_kube(validation = Rule::new("oldSelf.all(o, (has(o.to) && size(self) > 0 && self.all(n, o.seq < n.seq)) || self.exists(n, n.seq == o.seq && n.from == o.from && (!has(o.to) || (has(n.to) && n.to == o.to))))").message("`intervals` must keep every interval, and closed ones must not change"))]
    #[schemars(length(max = 128))]
    pub intervals: Vec<MeteredInterval>,
    /// What is not in `intervals` any more: closed days lie in UsageRecords, so that a TunePod may live for years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<FoldedIntervals>,
    /// The node pool: what is intended is written before it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_pool: Option<NodePoolStatus>,
    /// The pod in the protected namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodReference>,
    /// Base URL inside the cluster, once ready. Example: `https://tp-order-1-0.tb-acme.svc:8000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How to call the model, while it has a `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Each line of the definition of ready and whether it holds; nothing while it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 40))]
    pub readiness: Vec<ReadinessState>,
    /// How far the usage of its pod is in UsageRecords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageProgress>,
    /// What was observed of its end so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wipe: Option<WipeProgress>,
    /// `Ready`, `Provisioned`, `Serving`, `UsageRecorded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// Metered intervals that are over and lie in UsageRecords, in `status.intervals` of the day on which they began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoldedIntervals {
    /// How many: those with the numbers below this one.
    #[schemars(range(min = 1))]
    pub count: i64,
    /// Milliseconds of all of them.
    #[schemars(range(min = 0))]
    pub metered_ms: i64,
    /// First metered instant of the first.
    pub from: Time,
}

/// A stretch of metered time, half open.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.to) || self.to >= self.from").message("`to` must not be before `from`"))]
pub struct MeteredInterval {
    /// Position in the ledger, from 0.
    #[schemars(range(min = 0))]
    pub seq: i64,
    /// First metered instant.
    pub from: Time,
    /// First instant that is no longer metered; unset while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// GPUs held.
    pub gpus: i64,
    /// What opened it. Example: `Ready`.
    pub opened_by: String,
    /// What closed it. Example: `OrderTerminated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
}

impl MeteredInterval {
    /// The interval as the usage rules take it.
    #[must_use]
    pub fn as_interval(&self) -> Interval {
        Interval {
            from_ms: self.from.0.as_millisecond(),
            to_ms: self.to.as_ref().map(|t| t.0.as_millisecond()),
        }
    }
}

/// Where a node pool is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NodePoolState {
    /// The name is fixed; nothing was asked for, or it is not known whether the request arrived.
    #[default]
    Intended,
    /// The provider accepted the request and works on it.
    Creating,
    /// Its nodes are there.
    Ready,
    /// Deletion is intended or under way.
    Deleting,
    /// The provider says that it does not exist.
    Deleted,
}

/// The node pool of a TunePod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolStatus {
    /// Which provider. Example: `aks`.
    pub provider: String,
    /// Name at the provider, made from the TunePod's UID. Example: `tbk3v5q2mzna`.
    pub name: String,
    /// Where it is in its life.
    pub state: NodePoolState,
    /// URL of the provider's running operation. Its query may be signed by the provider: nothing prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_url: Option<String>,
    /// Failed attempts since the last success.
    #[serde(default)]
    pub failures: i64,
    /// Not asked again before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Time>,
    /// The provider's last error, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub last_error: Option<String>,
    /// Operations that the provider accepted, oldest first; the pool is not called absent while one of them runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub operations: Vec<PoolOperation>,
}

/// What was asked of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolRequest {
    /// The pool was asked for.
    #[default]
    Create,
    /// Its end was asked for.
    Delete,
}

/// An operation that a provider accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolOperation {
    /// What was asked.
    pub request: PoolRequest,
    /// The provider's id. Example: `8b7a1d2e-0000-4000-8000-000000000001`.
    #[schemars(length(max = 128))]
    pub id: String,
    /// URL at which it is watched; unset once it ended, and where it is longer than 8192 characters. Its query may be
    /// signed by the provider: nothing prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub url: Option<String>,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// When it was seen at its end; unset: it may still run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// The provider's word for how it ended. Examples: `Succeeded`, `Forgotten` (the provider does not know it any more).
    /// Ours where its end was seen otherwise: `PoolSettled` (the pool that it was to make was there, finished or failed),
    /// `Superseded` (a later deletion ended, and a provider runs one operation on a pool at a time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub outcome: Option<String>,
}

/// What was observed of a TunePod's end so far. The evidence is made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WipeProgress {
    /// UID of the last pod; unset: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod: Option<String>,
    /// The node on which it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// When the API server first had no pod of this TunePod any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_gone_at: Option<Time>,
    /// When the provider first said that there is no such pool, after every operation had ended. One such answer is not
    /// believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Time>,
    /// The WipeEvidence, once it was read back. Example: `order-1-0-wipe-k3v5q2mzna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<NameRef>,
}

/// A pod by name and UID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodReference {
    /// Its namespace. Example: `tb-acme-protected`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: deletes carry it as a precondition.
    pub uid: String,
}

/// How far the usage of a pod is recorded. It is written after the UsageRecord and before the sentinel is told, so
/// that a crash between any two of these neither loses usage nor counts it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageProgress {
    /// UID of the pod whose usage it is.
    #[schemars(length(min = 1, max = 64))]
    pub pod: String,
    /// Id of the outbox that was read; unset before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<String>,
    /// The last record that is stored; 0 before the first. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub seq: i64,
    /// Hash of that record; unset where nobody has it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub hash: Option<String>,
    /// The end of the last interval that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Since when the pod is about to be deleted: from here on its sentinel is drained and read to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_since: Option<Time>,
    /// Since when the sentinel does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered_since: Option<Time>,
    /// Nothing more is expected of this pod: it was drained and read to the end, or it is gone. Default false.
    #[serde(default)]
    pub closed: bool,
    /// How often usage of this TunePod was lost; the UsageRecords say what and when. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub losses: i64,
    /// The UsageRecord that was written last. Example: `order-1-0-2026-01-07-k3v5q2mzna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}
