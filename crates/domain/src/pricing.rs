//! The quote of an order at list price: which lines, at which frozen unit prices.

use serde::{Deserialize, Serialize};

/// How an offer is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BillingModel {
    /// By the metered hour; capacity is released on stop.
    Hourly,
    /// By the month; capacity stays reserved even when stopped.
    Monthly,
}

/// A list price of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPrice {
    /// The billing model that it belongs to.
    pub model: BillingModel,
    /// Minor units for one instance and hour or month; `None`: a person quotes.
    pub minor: Option<i64>,
    /// Hours billed at least for each instance; zero for none.
    pub min_hours: u32,
}

/// A priced line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QuoteLine {
    /// What is sold. Example: `StudioGen-1GPU`.
    pub sku: String,
    /// Number of instances, at least 1.
    pub quantity: u32,
    /// Unit of time that the price is for.
    pub model: BillingModel,
    /// Minor units for one instance and one unit of time. Example: `175` with USD and hourly is 1.75 USD an hour.
    pub unit_price_minor: i64,
    /// Hours billed at least for each instance once it was ready; 0 for none.
    #[serde(default)]
    pub min_hours: u32,
}

/// What pricing at list came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Priced {
    /// Every line has a price.
    Lines(Vec<QuoteLine>),
    /// No list price: a person of the seller decides.
    NeedsHuman(String),
    /// The offer is not sold that way; the text says which ways it is.
    Refused(String),
}

/// Prices `quantity` instances of `sku`; `wanted: None` takes the offer's first billing model.
#[must_use]
pub fn price_at_list(sku: &str, prices: &[ListPrice], wanted: Option<BillingModel>, quantity: u32) -> Priced {
    let chosen = match wanted {
        None => prices.first(),
        Some(model) => prices.iter().find(|p| p.model == model),
    };
    let Some(price) = chosen else {
        let sold: Vec<String> = prices
            .iter()
            .map(|p| format!("{:?}", p.model).to_lowercase())
            .collect();
        return Priced::Refused(format!(
            "`billing.model` must be one of [{}] for sku '{sku}'; choose one of them or another offer",
            sold.join(", ")
        ));
    };
    match price.minor {
        None => Priced::NeedsHuman(format!(
            "sku '{sku}' has no list price; the seller quotes it by hand"
        )),
        Some(minor) => Priced::Lines(vec![QuoteLine {
            sku: sku.to_owned(),
            quantity,
            model: price.model,
            unit_price_minor: minor,
            min_hours: price.min_hours,
        }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<ListPrice> {
        vec![
            ListPrice {
                model: BillingModel::Hourly,
                minor: Some(175),
                min_hours: 2,
            },
            ListPrice {
                model: BillingModel::Monthly,
                minor: None,
                min_hours: 0,
            },
        ]
    }

    #[test]
    fn the_first_model_is_the_default() {
        let Priced::Lines(lines) = price_at_list("StudioGen-1GPU", &list(), None, 2) else {
            panic!("a list price was given")
        };
        assert_eq!(
            (lines[0].unit_price_minor, lines[0].quantity, lines[0].min_hours),
            (175, 2, 2)
        );
    }

    #[test]
    fn an_unpriced_model_is_never_guessed() {
        let priced = price_at_list("StudioGen-1GPU", &list(), Some(BillingModel::Monthly), 1);
        assert!(matches!(priced, Priced::NeedsHuman(_)));
    }

    #[test]
    fn an_unsold_model_is_refused_with_the_choices() {
        let Priced::Refused(why) = price_at_list("X", &list()[..1], Some(BillingModel::Monthly), 1) else {
            panic!("monthly is not sold")
        };
        assert!(why.contains("[hourly]"), "{why}");
    }
}
