//! What intervals come to inside a period.

use super::edit::{LedgerError, check};
use super::record::Wide;
use super::{Interval, IntervalKind};
use crate::calendar::Period;
use crate::money::HOUR_MS;
use crate::rational::Ratio;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of a GB in the commercial documents.
pub(super) const GB: i128 = 1_000_000_000;

/// Use of one price line. Differences of two may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Milliseconds of service.
    pub instance_ms: i64,
    /// GPUs times milliseconds of service.
    pub gpu_ms: i64,
    /// Provisioned bytes times milliseconds, of service and while held; decimal text.
    pub nvme_byte_ms: Wide,
}

impl Usage {
    /// The sum; `None` when a dimension does not fit its integer.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            instance_ms: self.instance_ms.checked_add(other.instance_ms)?,
            gpu_ms: self.gpu_ms.checked_add(other.gpu_ms)?,
            nvme_byte_ms: Wide(self.nvme_byte_ms.0.checked_add(other.nvme_byte_ms.0)?),
        })
    }

    /// The difference; `None` when a dimension does not fit its integer.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            instance_ms: self.instance_ms.checked_sub(other.instance_ms)?,
            gpu_ms: self.gpu_ms.checked_sub(other.gpu_ms)?,
            nvme_byte_ms: Wide(self.nvme_byte_ms.0.checked_sub(other.nvme_byte_ms.0)?),
        })
    }

    /// Whether nothing was used.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// Instance hours, exact.
    #[must_use]
    pub fn instance_hours(self) -> Option<Ratio> {
        Ratio::new(i128::from(self.instance_ms), HOUR_MS)
    }

    /// GPU hours, exact.
    #[must_use]
    pub fn gpu_hours(self) -> Option<Ratio> {
        Ratio::new(i128::from(self.gpu_ms), HOUR_MS)
    }

    /// Mean of the provisioned GB over a period: `storage_gb_month` when the period is a calendar month.
    #[must_use]
    pub fn nvme_gb_mean(self, period: Period) -> Option<Ratio> {
        self.nvme_byte_ms.gb_mean(period)
    }
}

impl Wide {
    /// Byte milliseconds as the mean number of GB over a period: `storage_gb_day_avg` when it is a day.
    #[must_use]
    pub fn gb_mean(self, period: Period) -> Option<Ratio> {
        Ratio::new(self.0, GB.checked_mul(i128::from(period.len_ms()))?)
    }
}

/// Use of each price line.
pub type Measure = BTreeMap<String, Usage>;

/// What the intervals come to inside `period`. An open interval counts to the earlier of `now_ms` and the period's
/// end. Lines without any use are absent.
pub fn measure(intervals: &[Interval], period: Period, now_ms: i64) -> Result<Measure, LedgerError> {
    check(intervals)?;
    let mut all = Measure::new();
    for interval in intervals {
        let end = interval.to_ms.unwrap_or(now_ms);
        let Some(whole) = Period::new(interval.from_ms, end) else {
            continue;
        };
        let ms = whole.overlap_ms(period);
        if ms == 0 {
            continue;
        }
        let serving = interval.kind == IntervalKind::Serving;
        let instance_ms = if serving { ms } else { 0 };
        let use_of_it = Usage {
            instance_ms,
            gpu_ms: instance_ms.saturating_mul(i64::from(interval.gpus)),
            nvme_byte_ms: Wide(i128::from(interval.nvme_gb) * GB * i128::from(ms)),
        };
        let sum = all.entry(interval.rate_key.clone()).or_default();
        // 292 million years of 64-bit milliseconds, times GPUs: out of reach, and an error rather than a guess.
        *sum = sum.plus(use_of_it).ok_or(LedgerError::Full)?;
    }
    Ok(all)
}
