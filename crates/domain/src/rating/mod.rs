//! From sealed use and frozen terms to amounts: one pure function, exact fractions, rounded once for each line.
//!
//! Two schedules bill an order. **Metered** lines are hours and bytes of its instances, for a day, a week or a month;
//! **recurring** lines are monthly prices by the calendar month, prorated by the millisecond.
//!
//! | Rule | Where |
//! |---|---|
//! | hours: `rate * ms / 3 600 000`, for each instance and price line | `metered` |
//! | minimum hours: once in the life of an instance, when it ended | `metered` |
//! | months: `price * overlap / month`; parts of a month at one price sum to the whole | `recurring` |
//! | minimum term: what is missing, when the order ended | `recurring` |
//! | which lines are in force after which changes | [`terms`] |

mod metered;
mod recurring;
pub mod terms;

use crate::calendar::Period;
use crate::intervals::{ChainError, DayRecord, verify_chain};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use terms::TermLine;

/// Name of the line that fills up to the minimum hours.
pub const MIN_HOURS: &str = "Min-Hours";
/// Name of the line that fills up to the minimum term.
pub const MIN_TERM: &str = "MinTerm-Adjustment";

/// How often metered lines are billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Cadence {
    /// By the day in UTC.
    #[default]
    Daily,
    /// By the week, from Monday.
    Weekly,
    /// By the calendar month.
    Monthly,
}

/// Which lines are billed together, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Schedule {
    /// Hours and bytes.
    Metered(Cadence),
    /// Monthly prices, by the calendar month in arrears.
    Recurring,
}

impl Schedule {
    /// Every schedule.
    pub const ALL: &'static [Self] = &[
        Self::Metered(Cadence::Daily),
        Self::Metered(Cadence::Weekly),
        Self::Metered(Cadence::Monthly),
        Self::Recurring,
    ];

    /// The period of this schedule in which `day` lies.
    #[must_use]
    pub fn period_of(self, day: Date) -> Option<Period> {
        use crate::calendar::{day_period, month_period, week_period};
        match self {
            Self::Metered(Cadence::Daily) => day_period(day),
            Self::Metered(Cadence::Weekly) => week_period(day),
            Self::Metered(Cadence::Monthly) | Self::Recurring => month_period(day),
        }
    }

    /// The word in the invoice's name. Example: `metered-daily`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Metered(Cadence::Daily) => "metered-daily",
            Self::Metered(Cadence::Weekly) => "metered-weekly",
            Self::Metered(Cadence::Monthly) => "metered-monthly",
            Self::Recurring => "recurring",
        }
    }
}

/// The life of one instance, as far as it is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its sealed days, in order.
    pub records: &'a [DayRecord],
    /// When it was first of use; `None`: never.
    pub first_ready_ms: Option<i64>,
    /// When it ended for good; `None`: it lives.
    pub ended_ms: Option<i64>,
}

/// Everything that an order's amounts follow from.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// The order.
    pub order: &'a str,
    /// ISO 4217 code of all amounts.
    pub currency: &'a str,
    /// The lines in force, see [`terms::in_force`].
    pub lines: &'a [TermLine],
    /// Its instances.
    pub instances: &'a [Instance<'a>],
    /// When the order ended for good; `None`: it runs.
    pub ended_ms: Option<i64>,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RatedLine {
    /// What is billed. Example: `StudioGen-1GPU` or `Min-Hours`.
    pub sku: String,
    /// Key of the order's line that it follows from.
    pub line: String,
    /// The instance; absent for lines of the whole order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Units that are billed, as decimal text. Example: `18.0000`.
    pub quantity: String,
    /// The unit. Example: `hour`, `month`, `GB`.
    pub unit: String,
    /// Price of one unit in millionths of the major unit.
    pub rate_micros: crate::money::Rate,
    /// The part of the period that it is for.
    pub period: Period,
    /// Amount in minor units.
    pub amount_minor: i64,
}

/// Why an amount cannot be trusted: nothing is billed before somebody has looked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// A day of an instance's life is not sealed.
    #[error("instance '{instance}' has no sealed record of {day}; it is billed when there is one")]
    MissingSeal {
        /// The instance.
        instance: String,
        /// The day.
        day: Date,
    },
    /// Records were changed, lost or doubled.
    #[error("{0}")]
    Chain(String),
    /// Use under a key that no line of the order has.
    #[error(
        "instance '{instance}' was metered under `rateKey` '{key}', which no hourly line of the order has"
    )]
    UnknownKey {
        /// The instance.
        instance: String,
        /// The key.
        key: String,
    },
    /// Use of a line before it began or after it ended.
    #[error("instance '{instance}' was metered under line '{key}' on {day}, when the line was not in force")]
    OutsideTerms {
        /// The instance.
        instance: String,
        /// The line's key.
        key: String,
        /// The day.
        day: Date,
    },
    /// Corrections took more than there was.
    #[error(
        "instance '{instance}' has {minor} minor units under line '{key}': less than nothing; issue a credit note"
    )]
    Negative {
        /// The instance.
        instance: String,
        /// The line's key.
        key: String,
        /// The amount.
        minor: i64,
    },
    /// An instance ended before it began, or lives without a beginning.
    #[error("instance '{instance}': `readyAt` and `endedAt` contradict its records")]
    Life {
        /// The instance.
        instance: String,
    },
    /// Terms contradict themselves.
    #[error("line '{key}': {why}")]
    Terms {
        /// The line's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// An amount does not fit.
    #[error("line '{key}': the amount does not fit 64 bits of minor units; look for an absurd price or time")]
    OutOfRange {
        /// The line's key.
        key: String,
    },
}

impl From<ChainError> for Doubt {
    fn from(error: ChainError) -> Self {
        Self::Chain(error.to_string())
    }
}

/// An account whose records are whole: hashes, links, days, and the life that they tell.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a>(&'a Account<'a>);

impl<'a> Account<'a> {
    /// Checks every record of every instance. Costs a hash for each day, so it is done once and not for each period.
    pub fn verify(&'a self) -> Result<Verified<'a>, Doubt> {
        for instance in self.instances {
            verify_chain(instance.records)?;
            metered::check_life(instance)?;
        }
        Ok(Verified(self))
    }
}

/// The lines of `schedule` for `period`, which must be one of the schedule's periods.
pub fn rate(account: Verified<'_>, schedule: Schedule, period: Period) -> Result<Vec<RatedLine>, Doubt> {
    let account = account.0;
    match schedule {
        Schedule::Metered(_) => metered::lines(account, schedule, period),
        Schedule::Recurring => recurring::lines(account, period),
    }
}

pub(super) fn out_of_range(key: &str) -> Doubt {
    Doubt::OutOfRange { key: key.to_owned() }
}
