//! What resources say, as events of the seller.

pub mod fulfillment;
pub mod invoice;
pub mod meter;
pub mod offer;
pub mod order;
pub mod quote;
pub mod termination;

use trustbridge_acp::amount::Number;
use trustbridge_domain::decimal::Decimal;

/// A decimal text of ours as a number of a message; `None` for what is no decimal.
pub(crate) fn number(text: &str) -> Option<Number> {
    text.parse::<Decimal>().ok().map(Number::from)
}
