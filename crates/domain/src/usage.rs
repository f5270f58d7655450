//! Usage from durable intervals: hours are a measure of what was written down, never a count of ticks.

use crate::money::hourly_amount;

/// A stretch of metered time, half open: `[from_ms, to_ms)`, POSIX milliseconds UTC. `None` is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First metered millisecond.
    pub from_ms: i64,
    /// First millisecond that is no longer metered.
    pub to_ms: Option<i64>,
}

/// Milliseconds of all intervals up to `now_ms`. Open ones count to `now_ms`; a clock that stepped back
/// counts nothing rather than less.
#[must_use]
pub fn metered_ms(intervals: &[Interval], now_ms: i64) -> i128 {
    intervals
        .iter()
        .map(|i| i128::from(i.to_ms.unwrap_or(now_ms).saturating_sub(i.from_ms).max(0)))
        .sum()
}

/// Cost of the intervals at `minor_per_hour`, with at least `min_hours` once anything was metered at all.
/// `None` when it does not fit 64 bits.
#[must_use]
pub fn hourly_cost(intervals: &[Interval], now_ms: i64, minor_per_hour: i64, min_hours: u32) -> Option<i64> {
    if intervals.is_empty() {
        return Some(0);
    }
    let least = i128::from(min_hours) * crate::money::HOUR_MS;
    hourly_amount(minor_per_hour, metered_ms(intervals, now_ms).max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3_600_000;

    #[test]
    fn open_intervals_count_to_now() {
        let i = [
            Interval {
                from_ms: 0,
                to_ms: Some(H),
            },
            Interval {
                from_ms: 2 * H,
                to_ms: None,
            },
        ];
        assert_eq!(metered_ms(&i, 5 * H), i128::from(4 * H));
    }

    #[test]
    fn a_clock_that_stepped_back_takes_nothing_away() {
        assert_eq!(
            metered_ms(
                &[Interval {
                    from_ms: 10 * H,
                    to_ms: None
                }],
                H
            ),
            0
        );
    }

    #[test]
    fn minimum_hours_apply_once_and_only_after_use() {
        assert_eq!(hourly_cost(&[], H, 175, 2), Some(0));
        assert_eq!(
            hourly_cost(
                &[Interval {
                    from_ms: 0,
                    to_ms: Some(1000)
                }],
                H,
                175,
                2
            ),
            Some(350)
        );
        assert_eq!(
            hourly_cost(
                &[Interval {
                    from_ms: 0,
                    to_ms: Some(18 * H)
                }],
                H,
                175,
                2
            ),
            Some(3150)
        );
    }
}
