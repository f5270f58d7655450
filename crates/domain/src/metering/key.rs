//! What makes one usage event: resource, plan, dimension, and the clock hour.

use serde::{Deserialize, Serialize};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Hours of a day.
const DAY_HOURS: i64 = 24;

/// A clock hour in UTC, counted from 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(i64);

impl Hour {
    /// The hour with this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The hour in which a moment lies; POSIX milliseconds.
    #[must_use]
    pub const fn of_ms(ms: i64) -> Self {
        Self(ms.div_euclid(HOUR_MS))
    }

    /// Its first millisecond; POSIX milliseconds.
    #[must_use]
    pub const fn start_ms(self) -> i64 {
        self.0.saturating_mul(HOUR_MS)
    }

    /// The hour after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Hours from `earlier` to this one; negative when it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The day in UTC to which it belongs.
    #[must_use]
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(DAY_HOURS))
    }
}

/// A day in UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    /// Its first millisecond; POSIX milliseconds.
    #[must_use]
    pub const fn start_ms(self) -> i64 {
        self.0.saturating_mul(DAY_HOURS * HOUR_MS)
    }

    /// The day that is so many days before it.
    #[must_use]
    pub const fn before(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

/// What is metered: one dimension of one purchased plan of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meter {
    /// The managed application's resource id, or the subscription's id of a `SaaS` offer.
    pub resource: String,
    /// The dimension, as the plan defines it.
    pub dimension: String,
    /// The plan that was purchased.
    pub plan: String,
}

/// One usage event: the metering service accepts at most one for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What is metered.
    pub meter: Meter,
    /// The hour.
    pub hour: Hour,
}
