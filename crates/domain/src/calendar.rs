//! Half-open periods of UTC: days, weeks and calendar months, as POSIX milliseconds.
//!
//! Every day has 86,400 seconds and every hour 3,600 (POSIX time: leap seconds do not exist); there is no summer
//! time in UTC. The inclusive `to` of the ACP documents is a way to print a period, never a way to compute.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A text is no date, or no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` '{value}' is no {wanted}; the calendar has no such day or the text another form")]
pub struct CalendarError {
    /// Name of the field.
    pub field: &'static str,
    /// What was given.
    pub value: String,
    /// What it should be.
    pub wanted: &'static str,
}

/// A stretch of time, half open: `[from_ms, to_ms)`, POSIX milliseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Period {
    /// First millisecond.
    pub from_ms: i64,
    /// First millisecond after it.
    pub to_ms: i64,
}

impl Period {
    /// The period; `None` when it would end before it begins.
    #[must_use]
    pub fn new(from_ms: i64, to_ms: i64) -> Option<Self> {
        (from_ms <= to_ms).then_some(Self { from_ms, to_ms })
    }

    /// Its length in milliseconds.
    #[must_use]
    pub fn len_ms(self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// Whether `at_ms` lies in it.
    #[must_use]
    pub const fn contains(self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.to_ms
    }

    /// Milliseconds that lie in both.
    #[must_use]
    pub fn overlap_ms(self, other: Self) -> i64 {
        let from = self.from_ms.max(other.from_ms);
        self.to_ms.min(other.to_ms).saturating_sub(from).max(0)
    }

    /// The part that lies in both; `None` when that is nothing.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        (self.overlap_ms(other) > 0).then(|| Self {
            from_ms: self.from_ms.max(other.from_ms),
            to_ms: self.to_ms.min(other.to_ms),
        })
    }

    /// The UTC days that it touches, in order.
    pub fn days(self) -> impl Iterator<Item = Date> {
        let mut at = self.from_ms;
        std::iter::from_fn(move || {
            let day = (at < self.to_ms).then(|| date_of_ms(at)).flatten()?;
            at = day_period(day)?.to_ms;
            Some(day)
        })
    }

    /// Its last day as the ACP documents print it: inclusive. `None` for an empty period.
    #[must_use]
    pub fn inclusive_end(self) -> Option<Date> {
        (self.len_ms() > 0).then(|| date_of_ms(self.to_ms - 1)).flatten()
    }
}

/// The day in UTC in which an instant lies; `None` outside of the years -9999 to 9999.
#[must_use]
pub fn date_of_ms(ms: i64) -> Option<Date> {
    let instant = Timestamp::from_millisecond(ms).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).date())
}

/// First millisecond of a day.
#[must_use]
pub fn midnight_ms(day: Date) -> Option<i64> {
    let start = day.to_zoned(TimeZone::UTC).ok()?;
    Some(start.timestamp().as_millisecond())
}

/// A day as a period.
#[must_use]
pub fn day_period(day: Date) -> Option<Period> {
    let from_ms = midnight_ms(day)?;
    Period::new(from_ms, from_ms.checked_add(DAY_MS)?)
}

/// The calendar month in which a day lies.
#[must_use]
pub fn month_period(day: Date) -> Option<Period> {
    let next = day.last_of_month().tomorrow().ok()?;
    Period::new(midnight_ms(day.first_of_month())?, midnight_ms(next)?)
}

/// The week (Monday to Sunday) in which a day lies.
#[must_use]
pub fn week_period(day: Date) -> Option<Period> {
    let since_monday = i64::from(day.weekday().to_monday_zero_offset());
    let from_ms = midnight_ms(day)?.checked_sub(since_monday * DAY_MS)?;
    Period::new(from_ms, from_ms.checked_add(7 * DAY_MS)?)
}

/// The calendar months that a period touches, in order, each whole.
pub fn months(period: Period) -> impl Iterator<Item = Period> {
    let mut at = period.from_ms;
    std::iter::from_fn(move || {
        let month = (at < period.to_ms)
            .then(|| date_of_ms(at).and_then(month_period))
            .flatten()?;
        at = month.to_ms;
        Some(month)
    })
}

/// Reads an ISO 8601 date; 2026-02-29 is refused, because that year has none.
pub fn parse_date(field: &'static str, text: &str) -> Result<Date, CalendarError> {
    let refuse = || CalendarError {
        field,
        value: text.to_owned(),
        wanted: "date of the form 2026-02-28",
    };
    if text.len() != 10 {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

/// Reads an RFC 3339 instant as POSIX milliseconds.
pub fn parse_instant(field: &'static str, text: &str) -> Result<i64, CalendarError> {
    let instant: Timestamp = text.parse().map_err(|_| CalendarError {
        field,
        value: text.to_owned(),
        wanted: "instant of the form 2026-01-15T10:00:00Z",
    })?;
    Ok(instant.as_millisecond())
}

/// An instant as RFC 3339 text in UTC; `None` outside of the years -9999 to 9999.
#[must_use]
pub fn format_instant(ms: i64) -> Option<String> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        parse_date("day", text).unwrap()
    }

    #[test]
    fn february_2026_has_672_hours_and_ends_on_the_28th() {
        let february = month_period(day("2026-02-11")).unwrap();
        assert_eq!(february.len_ms(), 672 * 3_600_000);
        assert_eq!(february.inclusive_end(), Some(day("2026-02-28")));
        assert_eq!(format_instant(february.to_ms).unwrap(), "2026-03-01T00:00:00Z");
        assert_eq!(february.days().count(), 28);
    }

    #[test]
    fn a_day_that_the_calendar_lacks_is_refused() {
        let refused = parse_date("period.to", "2026-02-29").unwrap_err().to_string();
        assert!(
            refused.contains("`period.to`") && refused.contains("2026-02-29"),
            "{refused}"
        );
        assert!(parse_date("d", "2024-02-29").is_ok());
        assert!(parse_date("d", "2026-1-1").is_err());
    }

    #[test]
    fn months_follow_each_other_without_a_gap() {
        let year = Period::new(
            midnight_ms(day("2024-01-15")).unwrap(),
            midnight_ms(day("2025-02-02")).unwrap(),
        )
        .unwrap();
        let all: Vec<Period> = months(year).collect();
        assert_eq!(all.len(), 14);
        assert!(all.windows(2).all(|w| w[0].to_ms == w[1].from_ms));
        assert_eq!(all[1].len_ms(), 29 * DAY_MS);
    }

    #[test]
    fn the_end_of_a_period_belongs_to_the_next() {
        let (a, b) = (Period::new(0, 10).unwrap(), Period::new(10, 20).unwrap());
        assert!(!a.contains(10) && b.contains(10));
        assert_eq!((a.overlap_ms(b), a.intersection(b)), (0, None));
        assert_eq!(Period::new(1, 0), None);
    }

    #[test]
    fn weeks_begin_on_monday() {
        let week = week_period(day("2026-01-15")).unwrap();
        assert_eq!(date_of_ms(week.from_ms), Some(day("2026-01-12")));
    }
}
