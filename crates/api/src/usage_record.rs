//! What one TunePod used on one day.

use crate::reference::NameRef;
use crate::tunepod::MeteredInterval;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

/// Starts of sentinels that a record holds at most; older ones fold into `startsFolded`.
pub const MAX_STARTS: usize = 128;
/// Metered intervals that a record holds at most.
pub const MAX_INTERVALS: usize = 512;
/// Losses that a record holds at most; older ones fold into `lossesFolded`.
pub const MAX_LOSSES: usize = 64;

/// What one TunePod used on one UTC day. It stays when the TunePod goes.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "UsageRecord",
    plural = "usagerecords",
    namespaced,
    shortname = "tbusage",
    category = "trustbridge",
    status = "UsageRecordStatus",
    doc = "What one TunePod used on one UTC day, by the hour, as its sentinels counted it. Written by the operator; it stays when the TunePod goes.",
    validation = Rule::new("self.spec == oldSelf.spec").message("`spec` must not change: a usage record is of one TunePod and one day").field_path(".spec"),
    validation = Rule::new("self.spec.day.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')").message("`spec.day` must be a UTC date, e.g. '2026-01-07'").field_path(".spec.day"),
    selectable = ".spec.tunePodRef.name",
    selectable = ".spec.orderRef.name",
    printcolumn(name = "TunePod", type_ = "string", json_path = ".spec.tunePodRef.name"),
    printcolumn(name = "Day", type_ = "string", json_path = ".spec.day"),
    printcolumn(name = "Requests", type_ = "integer", json_path = ".status.total.requests"),
    printcolumn(name = "Prompt-Tokens", type_ = "integer", json_path = ".status.total.promptTokens"),
    printcolumn(name = "Completion-Tokens", type_ = "integer", json_path = ".status.total.completionTokens"),
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.orderRef.name", priority = 1),
    printcolumn(name = "Complete", type_ = "boolean", json_path = ".status.complete"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct UsageRecordSpec {
    /// The TunePod that was used. Example: `order-1-0`.
    pub tune_pod_ref: NameRef,
    /// UID of that TunePod: a later one of the same name is another one.
    #[schemars(length(min = 1, max = 64))]
    pub tune_pod_uid: String,
    /// The order that it belongs to. Example: `order-1`.
    pub order_ref: NameRef,
    /// The UTC day. Example: `2026-01-07`.
    #[schemars(length(min = 10, max = 10))]
    pub day: String,
}

/// What was used so far.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.intervals) || has(self.intervals)").message("`intervals` must not be taken away: what was metered stays"),
    validation = Rule::new("!has(oldSelf.hours) || has(self.hours)").message("`hours` must not be taken away: what was counted stays"),
    validation = Rule::new("!has(oldSelf.complete) || oldSelf.complete || !self.complete").message("`complete` must not become true again: what was lost stays lost"),
    validation = Rule::new("!has(self.losses) || size(self.losses) == 0 || !self.complete").message("`complete` must be false where `losses` names one")
)]
pub struct UsageRecordStatus {
    /// Hours with use; an interval belongs to the hour in which it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["hour".into()]))]
    #[x_kube(validation = Rule::new(kept()).message("`hours` must keep what was counted: no hour goes and no quantity falls"))]
    #[schemars(length(max = 24))]
    pub hours: Vec<HourUsage>,
    /// The sum of all hours.
    #[serde(default)]
    pub total: Quantities,
    /// How far the outbox of each start of a sentinel is in here: what is counted once is not counted again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["boot".into()]))]
    #[schemars(length(max = 128))]
    pub starts: Vec<SentinelStart>,
    /// Starts that were too many for `starts`; their quantities are in `hours`. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub starts_folded: i64,
    /// Usage that nobody has any more, or that could not be read before its pod went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pod".into(), "after".into()]))]
    #[schemars(length(max = 64))]
    pub losses: Vec<UsageLoss>,
    /// Losses that were too many for `losses`. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub losses_folded: i64,
    /// Metered intervals that began on this day and were folded out of the TunePod's status. Their number never changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["seq".into()]))]
    #[x_kube(validation = Rule::new("oldSelf.all(o, self.exists(n, n.seq == o.seq))").message("`intervals` must keep every interval"))]
    #[schemars(length(max = 512), transform = each_stays)]
    pub intervals: Vec<MeteredInterval>,
    /// False once usage of this day is known to be missing; then the quantities are a lower bound. Default true.
    #[serde(default = "yes")]
    pub complete: bool,
}

impl Default for UsageRecordStatus {
    fn default() -> Self {
        Self {
            hours: Vec::new(),
            total: Quantities::default(),
            starts: Vec::new(),
            starts_folded: 0,
            losses: Vec::new(),
            losses_folded: 0,
            intervals: Vec::new(),
            complete: true,
        }
    }
}

const fn yes() -> bool {
    true
}

/// Names of the quantities in the schema.
const NAMES: [&str; 5] = [
    "requests",
    "requestBytes",
    "responseBytes",
    "promptTokens",
    "completionTokens",
];

/// CEL: each old hour is there, with at least its old quantities.
fn kept() -> String {
    let quantity = |name: &&str| {
        format!(
            "(!has(o.quantities.{name}) || (has(n.quantities.{name}) && n.quantities.{name} >= o.quantities.{name}))"
        )
    };
    let all: Vec<String> = NAMES.iter().map(quantity).collect();
    format!(
        "oldSelf.all(o, self.exists(n, n.hour == o.hour && {}))",
        all.join(" && ")
    )
}

/// CEL: each quantity that is there is above zero.
fn positive() -> String {
    let quantity = |name: &&str| format!("(!has(self.{name}) || self.{name} > 0)");
    let all: Vec<String> = NAMES.iter().map(quantity).collect();
    all.join(" && ")
}

/// CEL: at least one quantity is there.
fn any() -> String {
    let quantity = |name: &&str| format!("has(self.quantities.{name})");
    let all: Vec<String> = NAMES.iter().map(quantity).collect();
    all.join(" || ")
}

/// Use in one hour.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(any()).message("`quantities` must hold one at least: an hour without use is absent"))]
pub struct HourUsage {
    /// The hour of the day, UTC, from 0 to 23. Example: `14` is 14:00 to 15:00.
    #[schemars(range(min = 0, max = 23))]
    pub hour: i64,
    /// What was used in it.
    pub quantities: Quantities,
}

/// Quantities that a sentinel counts. What was not counted, or has no source, is absent and never 0.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(positive()).message("a quantity must be above 0: what was not counted is absent"))]
pub struct Quantities {
    /// POST requests that the model server answered with success. Example: `12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<i64>,
    /// Bytes of their bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<i64>,
    /// Bytes of the answers' bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<i64>,
    /// Tokens that the model server says it read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<i64>,
    /// Tokens that the model server says it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<i64>,
}

impl Quantities {
    /// The sum of both, quantity by quantity; what neither has stays absent. At 2^63 - 1 it stays there.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, other) => one.or(other),
        };
        Self {
            requests: sum(self.requests, other.requests),
            request_bytes: sum(self.request_bytes, other.request_bytes),
            response_bytes: sum(self.response_bytes, other.response_bytes),
            prompt_tokens: sum(self.prompt_tokens, other.prompt_tokens),
            completion_tokens: sum(self.completion_tokens, other.completion_tokens),
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far the records of one start of a sentinel are in a usage record.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.lastSeq >= self.firstSeq").message("`lastSeq` must not be below `firstSeq`"))]
pub struct SentinelStart {
    /// Id of the start (UUID).
    #[schemars(length(min = 1, max = 64))]
    pub boot: String,
    /// Id of the outbox, whose numbers go on from start to start (UUID).
    #[schemars(length(min = 1, max = 64))]
    pub outbox: String,
    /// UID of the pod.
    #[schemars(length(min = 1, max = 64))]
    pub pod: String,
    /// The first record of that start in here.
    #[schemars(range(min = 1))]
    pub first_seq: i64,
    /// The last record of that start in here.
    #[schemars(range(min = 1))]
    pub last_seq: i64,
    /// Hash of that record: the head of the chain. 64 hex digits.
    #[schemars(length(min = 64, max = 64))]
    pub hash: String,
    /// The number of its records in here.
    #[schemars(range(min = 1))]
    pub intervals: i64,
}

/// What is metered is the same in the record as it was in the TunePod, for good; invoices are made from it. A rule of
/// each item, since a rule that compares all with all is beyond what the API server lets a rule cost.
fn each_stays(schema: &mut Schema) {
    let rule = serde_json::json!([{
        "rule": "self == oldSelf",
        "message": "a metered interval must not change",
    }]);
    if let Some(items) = schema.get_mut("items").and_then(serde_json::Value::as_object_mut) {
        items.insert("x-kubernetes-validations".to_owned(), rule);
    }
}

/// Usage that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageLoss {
    /// UID of the pod.
    #[schemars(length(min = 1, max = 64))]
    pub pod: String,
    /// The last record before the loss; 0 where there was none.
    #[schemars(range(min = 0))]
    pub after: i64,
    /// The last record that is missing; unset where the number is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// Up to when usage of the pod is recorded; unset where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_until: Option<Time>,
    /// When the loss was noticed: later use is not part of it.
    pub noticed: Time,
    /// A reason of the reference page. Example: `UsageLost`.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
}
