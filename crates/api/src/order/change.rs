//! Changes of an order: what its buyer decided, and what was done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::change::{Applied, KeyedLine, Swap};

/// The buyer's answer to a priced change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDecision {
    /// `accept` or `decline`.
    pub answer: Answer,
    /// `status.digest` of the ChangeOrder: what the buyer saw is what is done.
    #[schemars(length(min = 64, max = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub digest: String,
}

/// What a buyer says to a priced change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is to be done.
    Accept,
    /// It is not wanted.
    #[default]
    Decline,
}

/// A change that was accepted. It stays, whatever became of it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.appliedAt) && has(self.rolledBackAt))").message("`appliedAt` and `rolledBackAt` of a change must not both be set"),
    validation = Rule::new("self.name == oldSelf.name && self.byLimit == oldSelf.byLimit && self.acceptedAt == oldSelf.acceptedAt && has(self.ends) == has(oldSelf.ends) && (!has(self.ends) || self.ends == oldSelf.ends) && has(self.adds) == has(oldSelf.adds) && (!has(self.adds) || self.adds == oldSelf.adds) && self.extendTermDays == oldSelf.extendTermDays && self.addNvmeGb == oldSelf.addNvmeGb").message("what was accepted must not change: `appliedAt` or `rolledBackAt` is all that comes later")
)]
pub struct OrderChange {
    /// UID of the ChangeOrder.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// Its name. Example: `more-disk`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Digest of what was accepted, 64 hex digits.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,
    /// Whether the organisation's limit let it pass, and nobody was asked. Default false.
    #[serde(default)]
    pub by_limit: bool,
    /// When it was accepted.
    pub accepted_at: Time,
    /// Keys of the lines that end at `appliedAt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 128)))]
    pub ends: Vec<String>,
    /// Lines that begin at `appliedAt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub adds: Vec<KeyedLine>,
    /// Days that are promised on top. Default 0.
    #[serde(default)]
    pub extend_term_days: u32,
    /// Local disk more for each instance that there was, in GB. Default 0.
    #[serde(default)]
    pub add_nvme_gb: u32,
    /// When it was applied: prices change at that moment. Absent: on its way, or rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Time>,
    /// When it was given up: the order is as before, and nothing is billed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_at: Option<Time>,
}

impl OrderChange {
    /// Whether it was neither applied nor given up.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.applied_at.is_none() && self.rolled_back_at.is_none()
    }

    /// What it does to the lines.
    #[must_use]
    pub fn swap(&self) -> Swap {
        Swap {
            ends: self.ends.clone(),
            adds: self.adds.clone(),
        }
    }

    /// What it did, if it was applied.
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        Some(Applied {
            id: self.name.clone(),
            at_ms: self.applied_at.as_ref()?.0.as_millisecond(),
            swap: self.swap(),
            extend_term_days: self.extend_term_days,
        })
    }
}
