//! The body of an agent pool, as of API version 2026-07-01.
//!
//! A PUT replaces the whole pool. Fields that are not listed here are kept in `extra`, so reading, changing and
//! writing back loses nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tag with the UID of the TunePod that a pool belongs to.
pub const TAG_UID: &str = "trustbridge-tunepod-uid";
/// Tag with the TunePod's namespace and name.
pub const TAG_TUNEPOD: &str = "trustbridge-tunepod";
/// Tag with the order.
pub const TAG_ORDER: &str = "trustbridge-order";

/// An agent pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentPool {
    /// Resource id; the service sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Pool name; the service sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is and shall be.
    #[serde(default)]
    pub properties: Properties,
}

impl AgentPool {
    /// The UID of the TunePod that this pool was made for.
    #[must_use]
    pub fn owner_uid(&self) -> Option<&str> {
        self.properties.tags.get(TAG_UID).map(String::as_str)
    }

    /// Whether it was made for this TunePod; nobody touches a pool for which this is false.
    #[must_use]
    pub fn belongs_to(&self, uid: &str) -> bool {
        self.owner_uid() == Some(uid)
    }

    /// Whether no operation is running on it. A missing state means done.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.properties
            .provisioning_state
            .as_deref()
            .is_none_or(super::operation::is_terminal)
    }

    /// Whether it is there and usable.
    #[must_use]
    pub fn is_succeeded(&self) -> bool {
        self.properties
            .provisioning_state
            .as_deref()
            .is_none_or(|state| state.eq_ignore_ascii_case("succeeded"))
    }
}

/// The pool's properties: those that we set, those that we read, and all others as they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Properties {
    /// Nodes, 0 to 1000 for a user pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// VM size; immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// `User`, or `System` (at least two nodes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `VirtualMachineScaleSets`; Spot requires it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `Linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// `Ubuntu` or `AzureLinux`; the others have no NVIDIA driver.
    #[serde(rename = "osSKU", skip_serializing_if = "Option::is_none")]
    pub os_sku: Option<String>,
    /// Labels of every node; an update overwrites all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_labels: BTreeMap<String, String>,
    /// Taints of every node, `key=value:Effect`. AKS puts them back when somebody removes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_taints: Vec<String>,
    /// Azure tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Availability zones; none means regional.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub availability_zones: Vec<String>,
    /// `Regular` or `Spot`; immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_set_priority: Option<String>,
    /// `Delete` or `Deallocate`, with Spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_set_eviction_policy: Option<String>,
    /// Highest price, -1 for the on-demand price, with Spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_max_price: Option<f64>,
    /// GPU driver; immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_profile: Option<GpuProfile>,
    /// `MIG1g` to `MIG7g`; immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_instance_profile: Option<String>,
    /// How nodes are replaced in an upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_settings: Option<UpgradeSettings>,
    /// Generation of the pool; the service sets it.
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// A free text; only Succeeded, Failed and Canceled are final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Where a failed provisioning says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<PoolStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// GPU settings of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GpuProfile {
    /// `Install` (default) or `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// How nodes are replaced in an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpgradeSettings {
    /// Extra nodes; GPU quota rarely allows one, hence `"0"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<String>,
    /// Nodes that may be missing meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
}

/// The pool's status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolStatus {
    /// The error of the last provisioning; capacity errors sometimes appear only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_error: Option<super::classify::ErrorBody>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_writing_loses_nothing() {
        let wire = serde_json::json!({
            "id": "/x", "name": "tbabc",
            "properties": {
                "count": 1, "vmSize": "Standard_NC40ads_H100_v5", "mode": "User", "osSKU": "Ubuntu",
                "type": "VirtualMachineScaleSets", "eTag": "e1", "provisioningState": "Creating",
                "nodeTaints": ["sku=gpu:NoSchedule"], "tags": {"trustbridge-tunepod-uid": "u1"},
                "kubeletConfig": {"unknown": true},
                "status": {"provisioningError": {"code": "AllocationFailed", "message": "m"}}
            }
        });
        let pool: AgentPool = serde_json::from_value(wire.clone()).unwrap();
        assert!(pool.belongs_to("u1") && !pool.belongs_to("u2") && !pool.is_settled());
        assert_eq!(serde_json::to_value(&pool).unwrap(), wire);
    }
}
