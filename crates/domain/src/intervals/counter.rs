//! Counters with an epoch for each boot: only the way forward counts, and a reset loses nothing.

use super::record::{Dimension, Wide};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a counter at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reading {
    /// What is counted.
    pub dimension: Dimension,
    /// The boot that counts; another one begins at 0.
    pub boot: String,
    /// Number of the reading within its boot.
    pub seq: u64,
    /// When it was read, POSIX milliseconds.
    pub at_ms: i64,
    /// Everything since the boot; decimal text.
    pub value: Wide,
}

/// A counter says what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dimension:?} of boot '{boot}' fell from {before} to {after}; a counter only rises within a boot")]
pub struct CounterDoubt {
    /// What is counted.
    pub dimension: Dimension,
    /// The boot.
    pub boot: String,
    /// The reading before.
    pub before: i128,
    /// The reading after.
    pub after: i128,
}

/// What was counted in each clock hour since 1970, by dimension.
pub type Counts = BTreeMap<(i64, Dimension), i128>;

/// What the readings come to. A reading's growth belongs to the hour in which it was read. Readings may come in any
/// order and more than once.
pub fn counted(readings: &[Reading]) -> Result<Counts, CounterDoubt> {
    let mut ordered: Vec<&Reading> = readings.iter().collect();
    ordered.sort_by(|a, b| (a.dimension, &a.boot, a.seq).cmp(&(b.dimension, &b.boot, b.seq)));
    let mut all = Counts::new();
    let mut before: Option<&Reading> = None;
    for reading in ordered {
        let same = before.filter(|b| b.dimension == reading.dimension && b.boot == reading.boot);
        let start = same.map_or(0, |b| b.value.0);
        let Some(growth) = reading.value.0.checked_sub(start).filter(|growth| *growth >= 0) else {
            return Err(CounterDoubt {
                dimension: reading.dimension,
                boot: reading.boot.clone(),
                before: start,
                after: reading.value.0,
            });
        };
        let hour = reading.at_ms.div_euclid(3_600_000);
        let sum = all.entry((hour, reading.dimension)).or_default();
        *sum = sum.saturating_add(growth);
        before = Some(reading);
    }
    Ok(all)
}
