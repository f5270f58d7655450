//! What an offer promises besides prices and machines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trustbridge_domain::decimal::Decimal;

/// What is promised about time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sla {
    /// Hours within which nine of ten are ready. Default 24.
    #[serde(default = "Sla::default_hours")]
    #[schemars(range(min = 1, max = 8760))]
    pub provision_p90_hours: u32,
    /// Support that comes with it. Default `best-effort`.
    #[serde(default = "Sla::default_support")]
    #[schemars(length(min = 1, max = 128))]
    pub support: String,
}

impl Sla {
    const fn default_hours() -> u32 {
        24
    }
    fn default_support() -> String {
        "best-effort".to_owned()
    }
}

impl Default for Sla {
    fn default() -> Self {
        Self {
            provision_p90_hours: Self::default_hours(),
            support: Self::default_support(),
        }
    }
}

/// What is promised about neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Security {
    /// Whether nobody else is on the machine. Default true.
    #[serde(default = "Security::default_single_tenant")]
    pub single_tenant: bool,
}

impl Security {
    const fn default_single_tenant() -> bool {
        true
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            single_tenant: Self::default_single_tenant(),
        }
    }
}

/// A mode of outbound traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutboundMode {
    /// Everywhere.
    Open,
    /// To an allow-list.
    Restricted,
    /// Nowhere.
    Blocked,
}

impl OutboundMode {
    /// The word in the API and in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Restricted => "restricted",
            Self::Blocked => "blocked",
        }
    }
}

/// Ways out that an offer is sold with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Modes of outbound traffic: `open`, `restricted`, `blocked`. Default all of them.
    #[serde(default = "Network::all_modes")]
    #[schemars(length(min = 1, max = 3))]
    pub outbound_modes: Vec<OutboundMode>,
}

impl Network {
    fn all_modes() -> Vec<OutboundMode> {
        vec![
            OutboundMode::Open,
            OutboundMode::Restricted,
            OutboundMode::Blocked,
        ]
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            outbound_modes: Self::all_modes(),
        }
    }
}

/// What was measured of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Pictures that one GPU makes in an hour, a decimal number or text; unset: nobody measured. Example: `1460`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_gpu_hour: Option<Decimal>,
}
