//! What a seller decided once for all quotes.

use serde::{Deserialize, Serialize};

/// How much memory tuning takes; ours, to be replaced by what a seller measures.
///
/// `need_GB = billions of parameters * tenths(method) / 10 * overhead + base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VramModel {
    /// Tenths of a GB for a billion parameters, `qlora`. Default 6.
    pub qlora_tenths: u32,
    /// Tenths of a GB for a billion parameters, `lora`. Default 20.
    pub lora_tenths: u32,
    /// Percent of that for what else is in memory. Default 120.
    pub overhead_percent: u32,
    /// GB on top. Default 6.
    pub base_gb: u32,
    /// Headroom in percent of the GPUs' memory below which it is called tight. Default 10.
    pub tight_percent: u32,
}

/// What a seller decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SellerProfile {
    /// ISO 4217 code; USD in version 0.1.
    pub currency: String,
    /// Weeks of a month in estimates; the documents reckon with 4.
    pub weeks_per_month: u32,
    /// Minor units a month above which a person approves; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_limit_minor: Option<i64>,
    /// Days that a quote by the month is valid, from the day of issue. Default 7.
    pub monthly_valid_days: u32,
    /// Days that a quote by the hour is valid. Default 3.
    pub hourly_valid_days: u32,
    /// Use of a month in percent below which it is called low. Default 25.
    pub low_utilisation_percent: u32,
    /// Memory for tuning.
    pub vram: VramModel,
}

impl Default for SellerProfile {
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            weeks_per_month: 4,
            approval_limit_minor: None,
            monthly_valid_days: 7,
            hourly_valid_days: 3,
            low_utilisation_percent: 25,
            vram: VramModel {
                qlora_tenths: 6,
                lora_tenths: 20,
                overhead_percent: 120,
                base_gb: 6,
                tight_percent: 10,
            },
        }
    }
}
