//! Decimal numbers of documents, read and printed exactly: millionths, at most six places, no floating point.

use crate::rational::Ratio;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// Digits after the point that are read.
const PLACES: usize = 6;
/// Parts of one.
const MILLIONTHS: i64 = 1_000_000;
/// Digits of a JSON number that every reader keeps: beyond them a reader may have rounded before we see it.
const SAFE_DIGITS: usize = 15;

/// A decimal number, exact to a millionth. Written as text; read from text or from a JSON number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
// The format says that a document may write it as a number too.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("format" = "decimal")))]
pub struct Decimal(#[cfg_attr(feature = "schema", schemars(with = "String"))] i64);

/// A text is no decimal number of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("number {0:?}: must be a decimal with at most six places below 10^12, such as 12.5; write it so")]
pub struct DecimalError(String);

impl Decimal {
    /// A whole number; `None` beyond 9.2 * 10^12.
    #[must_use]
    pub fn whole(number: i64) -> Option<Self> {
        number.checked_mul(MILLIONTHS).map(Self)
    }

    /// The number in millionths.
    #[must_use]
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// The number as a fraction.
    #[must_use]
    pub fn ratio(self) -> Ratio {
        // The denominator is a constant that is not zero.
        Ratio::new(i128::from(self.0), i128::from(MILLIONTHS)).unwrap_or(Ratio::ZERO)
    }

    /// The smallest whole number that is not below it.
    #[must_use]
    pub fn ceil(self) -> i64 {
        self.0.div_euclid(MILLIONTHS) + i64::from(self.0.rem_euclid(MILLIONTHS) != 0)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let refuse = || DecimalError(text.chars().take(64).collect());
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > PLACES {
            return Err(refuse());
        }
        let whole: i64 = whole.parse().map_err(|_| refuse())?;
        let fraction: i64 = format!("{fraction:0<PLACES$}").parse().map_err(|_| refuse())?;
        let magnitude = whole
            .checked_mul(MILLIONTHS)
            .and_then(|w| w.checked_add(fraction));
        let magnitude = magnitude.ok_or_else(refuse)?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (magnitude, unit) = (self.0.unsigned_abs(), MILLIONTHS.unsigned_abs());
        let fraction = format!("{:0PLACES$}", magnitude % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{point}{fraction}", magnitude / unit)
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> Self {
        number.to_string()
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(serde_json::Number),
            Text(String),
        }
        let text = match Form::deserialize(from)? {
            Form::Text(text) => text,
            Form::Number(number) => {
                let text = number.to_string();
                if text.bytes().filter(u8::is_ascii_digit).count() > SAFE_DIGITS {
                    return Err(serde::de::Error::custom(DecimalError(text)));
                }
                // A reader that keeps numbers in binary prints a whole one with a point.
                text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
            }
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_texts_read_the_same() {
        for (json, printed) in [
            ("2.5", "2.5"),
            ("\"2.50\"", "2.5"),
            ("6000", "6000"),
            ("-0.000001", ""),
        ] {
            let read: Result<Decimal, _> = serde_json::from_str(json);
            if printed.is_empty() {
                // JSON readers print this one with an exponent, which is refused rather than guessed.
                assert!(read.is_err(), "{json}");
            } else {
                assert_eq!(read.unwrap().to_string(), printed, "{json}");
            }
        }
    }

    #[test]
    fn what_would_be_rounded_is_refused() {
        for text in [
            "0.1234567",
            "1e3",
            "",
            ".5",
            "5.",
            "+1",
            " 1",
            "1_0",
            "99999999999999",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Decimal>("9007199254.7409931").is_err());
    }

    #[test]
    fn ceil_goes_up() {
        let ceil = |text: &str| text.parse::<Decimal>().unwrap().ceil();
        assert_eq!((ceil("2"), ceil("2.000001"), ceil("-1.5")), (2, 3, -1));
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(millionths in any::<i64>()) {
            prop_assume!(millionths != i64::MIN);
            let number = Decimal(millionths);
            prop_assert_eq!(number.to_string().parse::<Decimal>(), Ok(number));
        }
    }
}
