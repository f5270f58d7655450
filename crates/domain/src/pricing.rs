//! What a quote's lines are: what is sold, how it is billed, at which frozen unit price.

use serde::{Deserialize, Serialize};

/// How an offer is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BillingModel {
    /// By the metered hour; capacity is released on stop.
    Hourly,
    /// By the month; capacity stays reserved even when stopped.
    Monthly,
}

/// A priced line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QuoteLine {
    /// What is sold. Example: `StudioGen-1GPU`.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub sku: String,
    /// Number of instances, at least 1.
    pub quantity: u32,
    /// Unit of time that the price is for.
    pub model: BillingModel,
    /// Minor units for one instance and one unit of time. Example: `175` with USD and hourly is 1.75 USD an hour.
    pub unit_price_minor: i64,
    /// Hours billed at least for each instance once it was ready; 0 for none.
    #[serde(default)]
    pub min_hours: u32,
}
