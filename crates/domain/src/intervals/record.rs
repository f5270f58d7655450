//! What is written down about one day of one instance.

use super::measure::Usage;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A whole number that may need more than 64 bits; decimal text in documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wide(#[cfg_attr(feature = "schema", schemars(with = "String"))] pub i128);

impl From<Wide> for String {
    fn from(number: Wide) -> Self {
        number.0.to_string()
    }
}

impl TryFrom<String> for Wide {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// A dimension that is counted in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Dimension {
    /// Bytes that left the instance.
    EgressBytes,
    /// Bytes that were stored times milliseconds.
    StorageUsedByteMs,
}

/// Use of one price line in one clock hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HourUse {
    /// Hour of the day in UTC, 0 to 23.
    pub hour: u8,
    /// Key of the line that prices it.
    pub rate_key: String,
    /// How much.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What was counted of one dimension in one clock hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CountedUse {
    /// Hour of the day in UTC, 0 to 23.
    pub hour: u8,
    /// What was counted.
    pub dimension: Dimension,
    /// How much, not below 0; decimal text.
    pub amount: Wide,
}

/// A later truth about a day that was sealed, booked in the next open day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Adjustment {
    /// The day that it is about. Example: `2026-02-03`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub of_day: Date,
    /// Key of the line that prices it.
    pub rate_key: String,
    /// What is added; negative takes away.
    #[serde(flatten)]
    pub usage: Usage,
}

/// The sealed use of one instance on one day. Immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DayRecord {
    /// The instance.
    pub instance: String,
    /// The day in UTC. Example: `2026-02-03`.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub day: Date,
    /// Use by hour and price line; hours without use are absent.
    pub hours: Vec<HourUse>,
    /// What was counted in bytes; a dimension without a source is absent, never 0.
    pub counted: Vec<CountedUse>,
    /// Later truths about earlier days.
    pub adjustments: Vec<Adjustment>,
    /// Hash of the record before it; empty for the first.
    pub prev_hash: String,
    /// SHA-256 of the canonical JSON of all the other fields, lower-case hex.
    pub content_hash: String,
}

impl DayRecord {
    /// Use of each price line that this record books, adjustments of earlier days included.
    /// `None` when a sum does not fit.
    #[must_use]
    pub fn booked(&self) -> Option<super::Measure> {
        let hours = self.hours.iter().map(|h| (&h.rate_key, h.usage));
        let later = self.adjustments.iter().map(|a| (&a.rate_key, a.usage));
        let mut all = super::Measure::new();
        for (key, usage) in hours.chain(later) {
            let sum = all.entry(key.clone()).or_default();
            *sum = sum.plus(usage)?;
        }
        Some(all)
    }

    /// What it counted of one dimension; `None` without a source, or when the sum does not fit.
    #[must_use]
    pub fn counted_of(&self, dimension: Dimension) -> Option<i128> {
        let of_it = self.counted.iter().filter(|c| c.dimension == dimension);
        let mut amounts = of_it.map(|c| c.amount.0).peekable();
        amounts.peek()?;
        amounts.try_fold(0_i128, i128::checked_add)
    }
}
