//! Exact fractions of 128-bit integers. Every operation is checked: what does not fit is `None`, never wrapped.

use crate::money::round_half_up;

/// An exact fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self {
        numerator: 0,
        denominator: 1,
    };

    /// A whole number.
    #[must_use]
    pub const fn whole(number: i128) -> Self {
        Self {
            numerator: number,
            denominator: 1,
        }
    }

    /// `numerator / denominator`; `None` for a denominator of zero or a number that cannot be negated.
    #[must_use]
    pub fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let sign = if denominator < 0 { -1 } else { 1 };
        let (n, d) = (numerator.checked_mul(sign)?, denominator.checked_mul(sign)?);
        let divisor = greatest_common_divisor(n.checked_abs()?, d);
        Some(Self {
            numerator: n / divisor,
            denominator: d / divisor,
        })
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        Self::new(
            left.checked_add(right)?,
            self.denominator.checked_mul(other.denominator)?,
        )
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self {
            numerator: other.numerator.checked_neg()?,
            ..other
        })
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        // Reducing crosswise first keeps the intermediate products as small as the result.
        let a = Self::new(self.numerator, other.denominator)?;
        let b = Self::new(other.numerator, self.denominator)?;
        Self::new(
            a.numerator.checked_mul(b.numerator)?,
            a.denominator.checked_mul(b.denominator)?,
        )
    }

    /// The nearest whole number; halves go away from zero.
    #[must_use]
    pub fn rounded(self) -> Option<i64> {
        round_half_up(self.numerator, self.denominator)
    }

    /// The smallest whole number that is not below it; `None` when it does not fit 64 bits.
    #[must_use]
    pub fn ceil(self) -> Option<i64> {
        let whole = self.numerator.div_euclid(self.denominator);
        let up = i128::from(self.numerator.rem_euclid(self.denominator) != 0);
        i64::try_from(whole.checked_add(up)?).ok()
    }

    /// Decimal text with exactly `places` digits after the point, halves away from zero.
    /// `None` when the scaled number does not fit 64 bits.
    #[must_use]
    pub fn to_decimal(self, places: u32) -> Option<String> {
        let scale = 10_i128.checked_pow(places)?;
        let scaled = self.times(Self::whole(scale))?.rounded()?;
        let sign = if scaled < 0 { "-" } else { "" };
        let magnitude = u128::from(scaled.unsigned_abs());
        let scale = scale.unsigned_abs();
        if places == 0 {
            return Some(format!("{sign}{magnitude}"));
        }
        let width = usize::try_from(places).ok()?;
        Some(format!(
            "{sign}{}.{:0width$}",
            magnitude / scale,
            magnitude % scale
        ))
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(n: i128, d: i128) -> Ratio {
        Ratio::new(n, d).unwrap()
    }

    #[test]
    fn fractions_are_exact_and_reduced() {
        assert_eq!(ratio(1, 3).plus(ratio(1, 6)), Some(ratio(1, 2)));
        assert_eq!(ratio(1, 3).minus(ratio(1, 3)), Some(Ratio::ZERO));
        assert_eq!(ratio(-2, -4), ratio(1, 2));
        assert_eq!(ratio(4, 6).times(ratio(9, 8)), Some(ratio(3, 4)));
    }

    #[test]
    fn what_does_not_fit_is_none() {
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::whole(i128::MAX).plus(Ratio::whole(1)), None);
        assert_eq!(Ratio::whole(i128::MAX).times(Ratio::whole(2)), None);
        assert_eq!(Ratio::new(i128::MIN, -1), None);
    }

    #[test]
    fn ceil_goes_up() {
        let ceil = |n, d| ratio(n, d).ceil();
        assert_eq!(
            (ceil(4, 2), ceil(5, 2), ceil(-5, 2)),
            (Some(2), Some(3), Some(-2))
        );
    }

    #[test]
    fn decimals_have_the_places_that_are_asked_for() {
        assert_eq!(ratio(5, 2).to_decimal(4).as_deref(), Some("2.5000"));
        assert_eq!(ratio(-1, 3).to_decimal(2).as_deref(), Some("-0.33"));
        assert_eq!(ratio(1, 2).to_decimal(0).as_deref(), Some("1"));
    }
}
