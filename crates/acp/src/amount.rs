//! Amounts in USD and decimal numbers of messages. Both are numbers of JSON, written and read as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use trustbridge_domain::decimal::Decimal;
use trustbridge_domain::money::{decimal_to_minor, minor_to_decimal};

/// An amount in USD, kept in cents. Written with two places, or none where there are no cents, as the documents do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i64);

impl Usd {
    /// An amount of so many cents.
    #[must_use]
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// The amount in cents.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = minor_to_decimal(self.0);
        number(text.strip_suffix(".00").unwrap_or(&text), to)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let amount = Decimal::deserialize(from)?;
        let finer = || serde::de::Error::custom(format!("amount {amount} is finer than a cent; round it"));
        decimal_to_minor(amount).map(Self).ok_or_else(finer)
    }
}

/// A decimal number that is no amount: hours, GB, millions. Exact to a millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Decimal);

impl Number {
    /// The number.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl From<Decimal> for Number {
    fn from(number: Decimal) -> Self {
        Self(number)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        number(&self.0.to_string(), to)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Decimal::deserialize(from).map(Self)
    }
}

/// Writes digits as a number of JSON, without a detour through binary.
fn number<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    let raw = RawValue::from_string(text.to_owned()).map_err(serde::ser::Error::custom)?;
    raw.serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_the_documents_write_them() {
        for (minor, text) in [
            (640_000, "6400"),
            (3_150, "31.50"),
            (175, "1.75"),
            (-5, "-0.05"),
            (0, "0"),
        ] {
            assert_eq!(serde_json::to_string(&Usd::from_minor(minor)).unwrap(), text);
            assert_eq!(serde_json::from_str::<Usd>(text).unwrap().minor(), minor);
        }
    }

    #[test]
    fn an_amount_finer_than_a_cent_is_refused() {
        assert!(serde_json::from_str::<Usd>("0.005").is_err());
    }

    #[test]
    fn numbers_stay_exact_on_the_way_through_a_value() {
        let number: Number = serde_json::from_str("2.5").unwrap();
        assert_eq!(serde_json::to_value(number).unwrap(), serde_json::json!(2.5));
        assert_eq!(serde_json::to_string(&number).unwrap(), "2.5");
    }
}
