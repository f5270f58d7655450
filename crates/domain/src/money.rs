//! Exact money: integers of the currency's minor unit, 128-bit arithmetic between, no floating point.

use crate::decimal::Decimal;
use crate::rational::Ratio;
use serde::{Deserialize, Serialize};

/// Milliseconds of an hour.
pub const HOUR_MS: i128 = 3_600_000;
/// Millionths of the major unit in one minor unit of a currency with exponent 2 (USD, the one that is sold in).
const MICROS_PER_MINOR: i64 = 10_000;

/// An amount in the currency's minor unit (USD cents).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// ISO 4217 code. Example: `USD`.
    pub currency: String,
    /// Amount in minor units, for USD cents. Example: `175` is 1.75 USD.
    pub minor: i64,
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", minor_to_decimal(self.minor), self.currency)
    }
}

/// Minor units as a decimal with two places. Example: `3150` is `31.50`.
#[must_use]
pub fn minor_to_decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let abs = minor.unsigned_abs();
    format!("{sign}{}.{:02}", abs / 100, abs % 100)
}

/// Minor units of a decimal amount; `None` when it is finer than a minor unit, which is never rounded away.
#[must_use]
pub fn decimal_to_minor(amount: Decimal) -> Option<i64> {
    let micros = amount.millionths();
    (micros % MICROS_PER_MINOR == 0).then_some(micros / MICROS_PER_MINOR)
}

/// The sum of amounts; `None` when it does not fit 64 bits.
#[must_use]
pub fn sum(amounts: impl IntoIterator<Item = i64>) -> Option<i64> {
    amounts.into_iter().try_fold(0_i64, i64::checked_add)
}

/// A price for one unit, in millionths of the major unit: finer than money, because it is multiplied before it is
/// rounded. Example: `1750000` for each hour is 1.75 USD an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rate(i64);

impl Rate {
    /// A rate of so many millionths of the major unit.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A rate of so many minor units; `None` when it does not fit 64 bits.
    #[must_use]
    pub fn from_minor(minor: i64) -> Option<Self> {
        minor.checked_mul(MICROS_PER_MINOR).map(Self)
    }

    /// The rate in millionths of the major unit.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// What `units` of it cost, in minor units and before rounding.
    #[must_use]
    pub fn cost(self, units: Ratio) -> Option<Ratio> {
        let minor = Ratio::new(i128::from(self.0), i128::from(MICROS_PER_MINOR))?;
        minor.times(units)
    }

    /// What `ms` milliseconds cost at this rate for each hour, in minor units and before rounding.
    #[must_use]
    pub fn cost_of_ms(self, ms: i128) -> Option<Ratio> {
        self.cost(Ratio::new(ms, HOUR_MS)?)
    }
}

impl From<Decimal> for Rate {
    fn from(per_unit: Decimal) -> Self {
        Self(per_unit.millionths())
    }
}

/// `numerator / denominator`, rounded half away from zero.
/// `None` when the denominator is zero or the result does not fit 64 bits.
#[must_use]
pub fn round_half_up(numerator: i128, denominator: i128) -> Option<i64> {
    if denominator == 0 {
        return None;
    }
    let (n, d) = if denominator < 0 {
        (numerator.checked_neg()?, denominator.checked_neg()?)
    } else {
        (numerator, denominator)
    };
    let magnitude = (n.checked_abs()?.checked_mul(2)?.checked_add(d)?) / d.checked_mul(2)?;
    i64::try_from(if n < 0 { -magnitude } else { magnitude }).ok()
}

/// Price of `ms` milliseconds at `minor_per_hour`, rounded once.
/// `None` when the result does not fit 64 bits.
#[must_use]
pub fn hourly_amount(minor_per_hour: i64, ms: i128) -> Option<i64> {
    round_half_up(i128::from(minor_per_hour).checked_mul(ms)?, HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn golden_hours() {
        assert_eq!(hourly_amount(175, 18 * HOUR_MS), Some(3150));
        assert_eq!(hourly_amount(215, HOUR_MS * 5 / 2), Some(538));
        assert_eq!(hourly_amount(175, 0), Some(0));
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(round_half_up(1, 2), Some(1));
        assert_eq!(round_half_up(-1, 2), Some(-1));
        assert_eq!(round_half_up(1, 3), Some(0));
        assert_eq!(round_half_up(1, 0), None);
        assert_eq!(round_half_up(i128::MAX, 1), None);
    }

    #[test]
    fn a_rate_is_finer_than_money_and_rounded_late() {
        let rate = Rate::from(Decimal::from_str("0.000015").unwrap());
        assert_eq!(rate.micros(), 15);
        let cost = rate.cost(Ratio::whole(1_000)).unwrap();
        assert_eq!(cost.rounded(), Some(2));
        assert_eq!(rate.cost(Ratio::whole(1)).unwrap().rounded(), Some(0));
        let studio = Rate::from_minor(175).unwrap();
        assert_eq!(studio.cost_of_ms(18 * HOUR_MS).unwrap().rounded(), Some(3150));
    }

    #[test]
    fn an_amount_finer_than_a_minor_unit_is_no_money() {
        let minor = |text: &str| decimal_to_minor(Decimal::from_str(text).unwrap());
        assert_eq!(minor("31.5"), Some(3150));
        assert_eq!(minor("-0.01"), Some(-1));
        assert_eq!(minor("0.005"), None);
        assert_eq!(sum([i64::MAX, 1]), None);
    }

    #[test]
    fn money_reads_like_money() {
        let m = Money {
            currency: "USD".into(),
            minor: 3150,
        };
        assert_eq!(m.to_string(), "31.50 USD");
    }
}
