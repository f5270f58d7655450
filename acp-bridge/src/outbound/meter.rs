//! Metered intervals as `meter.report`.
//!
//! Hours are a measure of the intervals that were written down, in the TunePod and in its UsageRecords; nothing is counted
//! here. What left the machine and what its disk held has no source, and is absent.

use crate::outbound::number;
use crate::spelling::Spelling;
use trustbridge_acp::amount::Number;
use trustbridge_acp::messages::meter::{MeterReport, Period as WirePeriod, Usage};
use trustbridge_api::tunepod::MeteredInterval;
use trustbridge_domain::calendar::{Period, date_of_ms, format_instant, month_period};
use trustbridge_domain::rational::Ratio;

/// Places of hours in a report.
const PLACES: u32 = 4;
/// Milliseconds of an hour.
const HOUR_MS: i128 = 3_600_000;

/// Whose report it is.
#[derive(Clone, Copy, Debug)]
pub struct Metered<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// The instance's id.
    pub instance_id: &'a str,
    /// The order's use case.
    pub use_case: &'a str,
    /// Provisioned disk of the instance in GB.
    pub nvme_gb: u32,
    /// Every interval of the instance, folded ones too, in any order.
    pub intervals: &'a [MeteredInterval],
}

/// The report of a period as far as it is past at `now_ms`; `None` when the calendar does not reach so far.
#[must_use]
pub fn report(metered: Metered<'_>, period: Period, now_ms: i64) -> Option<MeterReport> {
    let (mut instance_ms, mut gpu_ms) = (0_i128, 0_i128);
    for interval in metered.intervals {
        let stretch = interval.as_interval();
        let to_ms = stretch.to_ms.unwrap_or(now_ms).max(stretch.from_ms);
        let ms = i128::from(Period::new(stretch.from_ms, to_ms)?.overlap_ms(period));
        instance_ms = instance_ms.checked_add(ms)?;
        gpu_ms = gpu_ms.checked_add(ms.checked_mul(i128::from(interval.gpus))?)?;
    }
    let spelling = Spelling::of(metered.use_case);
    let usage = Usage {
        instance_hours: Some(hours(instance_ms)?),
        gpu_hours: Some(hours(gpu_ms)?),
        storage_gb_month: match spelling {
            Spelling::FineTuning => provisioned(metered.nvme_gb, instance_ms, period),
            Spelling::Studio => None,
        },
        storage_gb_day_avg: None,
        bandwidth_gb_egress: None,
    };
    Some(MeterReport {
        period: printed(period, spelling)?,
        instance_id: metered.instance_id.to_owned(),
        order_id: Some(metered.order_id.to_owned()),
        usage,
        notes: vec!["GPU hours = gpu_count * instance_hours".to_owned()],
    })
}

fn hours(ms: i128) -> Option<Number> {
    number(&Ratio::new(ms, HOUR_MS)?.to_decimal(PLACES)?)
}

/// GB for a month: provisioned disk for the part of the month in which the instance was of use. Absent for a period that
/// is no calendar month.
fn provisioned(nvme_gb: u32, ms: i128, period: Period) -> Option<Number> {
    let month = month_period(date_of_ms(period.from_ms)?).filter(|month| *month == period)?;
    let share = Ratio::new(ms, i128::from(month.len_ms()))?;
    number(
        &share
            .times(Ratio::whole(i128::from(nvme_gb)))?
            .to_decimal(PLACES)?,
    )
}

/// The period with an end that is part of it, as the documents print it: days in fine-tuning, seconds in the studio.
pub(crate) fn printed(period: Period, spelling: Spelling) -> Option<WirePeriod> {
    let (from, to) = match spelling {
        Spelling::FineTuning => (
            date_of_ms(period.from_ms)?.to_string(),
            period.inclusive_end()?.to_string(),
        ),
        Spelling::Studio => (
            format_instant(period.from_ms)?,
            format_instant(period.to_ms.checked_sub(1_000)?)?,
        ),
    };
    Some(WirePeriod {
        from,
        to,
        to_exclusive: format_instant(period.to_ms),
    })
}
