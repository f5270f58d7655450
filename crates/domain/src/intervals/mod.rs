//! The ledger of a TunePod: when it was of use, in which shape, at which price; and what follows from it.
//!
//! Hours are the measure of (intervals ∩ period). Nothing is counted by ticks, so a restart neither loses nor doubles
//! anything. Byte dimensions are counters of the sentinel with an epoch for each boot. A day that is over is sealed
//! into a [`DayRecord`], chained by hash; a later truth becomes an adjustment in the next open day.
//!
//! ```text
//! open / reshape / close        measure           seal (day + 1, 02:00Z)
//! Interval, Interval, ...  ------------------>  DayRecord -> DayRecord -> ...   ->  rating
//! Reading, Reading, ...    ------------------>      \_ adjustments of earlier days
//! ```

mod counter;
mod edit;
mod end;
mod measure;
mod record;
mod seal;
#[cfg(test)]
mod tests;

pub use counter::{CounterDoubt, Counts, Reading, counted};
pub use edit::{LedgerError, Shape, check, close, open, replaces, reshape};
pub use end::{EndEvidence, end_of_use};
pub use measure::{Measure, Usage, measure};
pub use record::{Adjustment, CountedUse, DayRecord, Dimension, HourUse, Wide};
pub use seal::{ChainError, GRACE_MS, SealError, Sources, is_sealable, seal, verify_chain};

use serde::{Deserialize, Serialize};

/// What an interval stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum IntervalKind {
    /// The instance was of use: instance hours, GPU hours and its disk count.
    Serving,
    /// The instance was kept but of no use (suspended, or degraded by the seller's cause): only its disk counts.
    Held,
}

/// A stretch of metered time, half open: `[fromMs, toMs)`, POSIX milliseconds UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    /// Number in the life of the instance, counted from 0 without a gap.
    pub seq: u32,
    /// First metered millisecond.
    pub from_ms: i64,
    /// First millisecond that is no longer metered; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<i64>,
    /// What it stands for.
    pub kind: IntervalKind,
    /// GPUs. Example: `2`.
    pub gpus: u32,
    /// Provisioned local disk in GB (10^9 bytes). Example: `4000`.
    pub nvme_gb: u32,
    /// Key of the line of the order that prices its hours. Example: `base`.
    pub rate_key: String,
    /// What opened it. Example: `Ready`.
    pub opened_by: String,
    /// What closed it. Example: `Draining`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// What the end was taken from. Example: `containerFinishedAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// Who caused that an instance is degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Node, network, image, operator: never billed by the hour.
    Seller,
    /// What the buyer runs.
    Buyer,
}

/// What a TunePod in `phase` is metered as; `None`: not at all. Provisioning, verification and what the seller caused
/// are free of instance hours; a suspended instance keeps its disk.
#[must_use]
pub fn metered_as(phase: crate::phase::TunePodPhase, cause: Cause) -> Option<IntervalKind> {
    use crate::phase::TunePodPhase as P;
    match (phase, cause) {
        (P::Ready, _) | (P::Degraded, Cause::Buyer) => Some(IntervalKind::Serving),
        (P::Suspended, _) | (P::Degraded, Cause::Seller) => Some(IntervalKind::Held),
        (
            P::Pending
            | P::Scheduling
            | P::Provisioning
            | P::Verifying
            | P::Updating
            | P::Failed
            | P::Draining
            | P::Wiping
            | P::Wiped,
            _,
        ) => None,
    }
}
