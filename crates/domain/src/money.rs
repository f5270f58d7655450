//! Exact money: integers of the currency's minor unit, 128-bit arithmetic between, no floating point.

use serde::{Deserialize, Serialize};

/// Milliseconds of an hour.
pub const HOUR_MS: i128 = 3_600_000;

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
        let sign = if self.minor < 0 { "-" } else { "" };
        let abs = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", abs / 100, abs % 100, self.currency)
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
        (-numerator, -denominator)
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
    fn money_reads_like_money() {
        let m = Money {
            currency: "USD".into(),
            minor: 3150,
        };
        assert_eq!(m.to_string(), "31.50 USD");
    }
}
