//! The frozen terms of an order, and what accepted changes make of them.

use super::Doubt;
use crate::calendar::{Period, day_period};
use crate::money::Rate;
use crate::phase::ChangeOrderPhase;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a line charges for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Charge {
    /// Hours of service of one instance.
    #[serde(rename_all = "camelCase")]
    Hourly {
        /// Price of one hour, in millionths of the major unit.
        rate_micros: Rate,
        /// Hours billed at least in the life of an instance.
        min_hours: u32,
    },
    /// A calendar month, used or not.
    #[serde(rename_all = "camelCase")]
    Monthly {
        /// Price of one month, in minor units.
        price_minor: i64,
    },
    /// Bytes that left an instance.
    #[serde(rename_all = "camelCase")]
    EgressGb {
        /// Price of one GB (10^9 bytes), in millionths of the major unit.
        rate_micros: Rate,
    },
}

/// A promise to pay for a time, whatever happens. Lines with the same id continue one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Commitment {
    /// Its id within the order. Example: `base`.
    pub id: String,
    /// Days from the beginning of the first line, those of earlier lines included. Example: `30`.
    pub days: u32,
}

/// A line of an order with the time in which it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TermLine {
    /// Key within the order; an interval's `rateKey` names it. Example: `base`.
    pub key: String,
    /// What is sold. Example: `TunePod-2GPU`.
    pub sku: String,
    /// How many, at least 1. Hours are metered for each instance, whatever stands here.
    pub quantity: u32,
    /// What it charges for.
    pub charge: Charge,
    /// First millisecond in force: for the lines of the order its first readiness, for those of a change `appliedAt`.
    pub from_ms: i64,
    /// First millisecond no longer in force; absent: until the order ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// Its minimum term; absent for none. Monthly lines only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
}

impl TermLine {
    /// Where it stands among the lines of an order: by time, and by key where times are the same, so that amounts do
    /// not depend on the order in which lines are written down.
    #[must_use]
    pub fn place(&self) -> (i64, i64, &str) {
        (self.from_ms, self.until_ms.unwrap_or(i64::MAX), &self.key)
    }

    /// When it is in force inside `within`, the order's end included; `None`: not at all.
    #[must_use]
    pub fn in_force(&self, within: Period, ended_ms: Option<i64>) -> Option<Period> {
        let until = self
            .until_ms
            .unwrap_or(i64::MAX)
            .min(ended_ms.unwrap_or(i64::MAX));
        Period::new(self.from_ms, until)?.intersection(within)
    }
}

/// When the months of an order end: at the stop, but not after the last day that was asked for, which counts whole.
/// Hours are billed to the stop. `None` beyond the calendar's end.
#[must_use]
pub fn months_end(requested_end: Date, stopped_ms: i64) -> Option<i64> {
    Some(stopped_ms.min(day_period(requested_end)?.to_ms))
}

/// A change order, as far as money is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// Its phase; only `Applied` changes a price.
    pub phase: ChangeOrderPhase,
    /// When it was applied, POSIX milliseconds.
    pub applied_ms: Option<i64>,
    /// Keys of the lines that end.
    pub ends: Vec<String>,
    /// Lines that begin; their times are set here.
    pub adds: Vec<TermLine>,
}

/// The order's lines after its changes, in the order in which they were applied. A change that was rolled back, or is
/// on its way, leaves no trace.
pub fn in_force(lines: &[TermLine], changes: &[Change]) -> Result<Vec<TermLine>, Doubt> {
    let mut applied = Vec::new();
    for change in changes.iter().filter(|c| c.phase == ChangeOrderPhase::Applied) {
        let at = change.applied_ms.ok_or_else(|| Doubt::Terms {
            key: change.id.clone(),
            why: "the change is applied, and `appliedAt` does not say when".to_owned(),
        })?;
        applied.push((at, change));
    }
    applied.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
    let mut all = lines.to_vec();
    for (at, change) in applied {
        apply(&mut all, change, at)?;
    }
    Ok(all)
}

fn apply(lines: &mut Vec<TermLine>, change: &Change, at_ms: i64) -> Result<(), Doubt> {
    for key in &change.ends {
        let open = lines.iter_mut().find(|l| l.key == *key && l.until_ms.is_none());
        let line = open.ok_or_else(|| Doubt::Terms {
            key: key.clone(),
            why: format!("change '{}' ends it, and it is not in force", change.id),
        })?;
        line.until_ms = Some(at_ms.max(line.from_ms));
    }
    for added in &change.adds {
        if lines.iter().any(|l| l.key == added.key) {
            return Err(Doubt::Terms {
                key: added.key.clone(),
                why: format!("change '{}' adds it, and there is one of that key", change.id),
            });
        }
        lines.push(TermLine {
            from_ms: at_ms,
            until_ms: None,
            ..added.clone()
        });
    }
    Ok(())
}
