//! Exact decimals for quantities: integers of a millionth, no floating point.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

/// Digits after the decimal point.
const PLACES: u32 = 6;
/// Parts of one unit.
const PER_UNIT: i128 = 1_000_000;
/// Longest text that is read: a 128-bit integer, a point and an exponent fit well.
const LONGEST_TEXT: usize = 64;

/// A quantity, exact to a millionth of its unit. Sums saturate at the limits of 128 bits, which is about 10^32 units.
///
/// As text, and in JSON documents of ours, it is a plain decimal such as `12.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(i128);

/// A text is no decimal number with at most six places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quantity {0:?}: must be a decimal number with at most six places, such as 12.5")]
pub struct QuantityError(String);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `count` divided by ten to the power of `decimals`; `None` when that has more than six places by its form.
    #[must_use]
    pub fn scaled(count: u64, decimals: u32) -> Option<Self> {
        let factor = 10_i128.checked_pow(PLACES.checked_sub(decimals)?)?;
        Some(Self(i128::from(count).checked_mul(factor)?))
    }

    /// Whether it is more than nothing; the metering service takes no other.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<u64> for Quantity {
    fn from(units: u64) -> Self {
        // 2^64 millions are far below 2^127.
        Self(i128::from(units) * PER_UNIT)
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (units, parts) = (
            magnitude / PER_UNIT.unsigned_abs(),
            magnitude % PER_UNIT.unsigned_abs(),
        );
        if parts == 0 {
            return write!(f, "{sign}{units}");
        }
        let places = format!("{parts:06}");
        write!(f, "{sign}{units}.{}", places.trim_end_matches('0'))
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

impl TryFrom<String> for Quantity {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Reads a JSON number exactly, exponents included: services write `5.0` and `1E+2`.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text)
            .map(Self)
            .ok_or_else(|| QuantityError(text.chars().take(LONGEST_TEXT).collect()))
    }
}

fn parse(text: &str) -> Option<i128> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = i32::try_from(PLACES)
        .ok()?
        .checked_add(exponent)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let parts = match u32::try_from(shift) {
        _ if mantissa == 0 => 0,
        Ok(up) => mantissa.checked_mul(10_i128.checked_pow(up)?)?,
        Err(_) => {
            let divisor = 10_i128.checked_pow(shift.unsigned_abs())?;
            (mantissa % divisor == 0).then_some(mantissa / divisor)?
        }
    };
    Some(if negative { -parts } else { parts })
}

#[cfg(test)]
mod tests {
    use super::Quantity;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        for (text, plain) in [
            ("5", "5"),
            ("5.0", "5"),
            ("0.1", "0.1"),
            ("0.300000", "0.3"),
            ("1E+2", "100"),
            ("1.5e1", "15"),
            ("25e-1", "2.5"),
            ("100e-8", "0.000001"),
            ("-0.000001", "-0.000001"),
            ("0e99", "0"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), plain, "{text}");
        }
        let long = "1".repeat(80);
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e",
            "NaN",
            "0x1",
            "1_0",
            "+1",
            " 1",
            "1e-7",
            "0.0000001",
            "1e40",
            &long,
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn counters_become_quantities_by_a_power_of_ten() {
        assert_eq!(Quantity::scaled(1234, 3).unwrap().to_string(), "1.234");
        assert_eq!(Quantity::scaled(7, 0).unwrap(), Quantity::from(7));
        assert_eq!(Quantity::scaled(1, 6).unwrap().to_string(), "0.000001");
        assert_eq!(Quantity::scaled(1, 7), None);
        assert!(Quantity::scaled(u64::MAX, 0).is_some());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(parts in any::<i64>()) {
            let quantity = Quantity(i128::from(parts));
            prop_assert_eq!(quantity.to_string().parse::<Quantity>().unwrap(), quantity);
        }
    }
}
