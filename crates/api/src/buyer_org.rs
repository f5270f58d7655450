//! A buyer organisation: its namespaces, rights and limits.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A buyer organisation. Its name is the organisation's id; `tb-<name>` and `tb-<name>-protected` are its namespaces.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "trustbridge.io",
    version = "v1alpha1",
    kind = "BuyerOrg",
    plural = "buyerorgs",
    shortname = "tborg",
    category = "trustbridge",
    status = "BuyerOrgStatus",
    doc = "A buyer organisation: the operator makes its two namespaces with quota, default-deny policies, service accounts and roles.",
    validation = Rule::new("size(self.metadata.name) <= 40").message("`metadata.name` must be at most 40 characters, because namespaces are made from it"),
    validation = Rule::new("!self.metadata.name.endsWith('-protected')").message("`metadata.name` must not end in '-protected', because protected namespaces do"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace"),
    printcolumn(name = "Protected", type_ = "string", json_path = ".status.protectedNamespace", priority = 1),
    printcolumn(name = "GPUs", type_ = "integer", json_path = ".spec.limits.gpus"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct BuyerOrgSpec {
    /// Name for people. Example: `Acme Studios`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub display_name: Option<String>,
    /// Users and groups who get the buyer's rights in `tb-<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub members: Vec<Member>,
    /// What the organisation may have at once.
    #[serde(default)]
    pub limits: Limits,
    /// What is accepted without asking the buyer; unset: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_accept: Option<AutoAccept>,
}

/// What is accepted without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoAccept {
    /// Changes that cost at most so many minor units more a month are accepted as they are priced. An hour more counts 744
    /// times, as if it were used all month. A longer term is always asked for. Example: `50000` is 500.00 USD.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub max_monthly_delta_minor: i64,
}

/// A user or group of the cluster's identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// `User` or `Group`.
    pub kind: MemberKind,
    /// Name as the API server sees it. Example: `purchasing@acme.example`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Kind of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberKind {
    /// One identity.
    User,
    /// A group of identities.
    Group,
}

/// Limits of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// GPUs that protected pods may hold at once. Default 8.
    #[serde(default = "Limits::default_gpus")]
    #[schemars(range(min = 0, max = 1024))]
    pub gpus: i64,
    /// Pods that may exist at once in each namespace. Default 64.
    #[serde(default = "Limits::default_pods")]
    #[schemars(range(min = 1, max = 4096))]
    pub pods: i64,
}

impl Limits {
    const fn default_gpus() -> i64 {
        8
    }
    const fn default_pods() -> i64 {
        64
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gpus: Self::default_gpus(),
            pods: Self::default_pods(),
        }
    }
}

/// Observed state of a BuyerOrg.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuyerOrgStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The organisation's own namespace. Example: `tb-acme`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The namespace of its protected pods. Example: `tb-acme-protected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_namespace: Option<String>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}
