//! An Order as `order.confirmed`.

use crate::identity::id_of;
use crate::spelling::Spelling;
use trustbridge_acp::messages::order::OrderConfirmed;
use trustbridge_api::Order;
use trustbridge_domain::phase::OrderPhase;

/// The event of an order that stands; `None` before, and for one that never did.
#[must_use]
pub fn confirmed(order: &Order) -> Option<OrderConfirmed> {
    let status = order.status.as_ref()?;
    if matches!(
        status.phase,
        OrderPhase::Pending | OrderPhase::Rejected | OrderPhase::Cancelled
    ) {
        return None;
    }
    let snapshot = status.pricing_snapshot.as_ref()?;
    let spelling = Spelling::of(&snapshot.terms.as_ref()?.use_case);
    let mut next = vec!["seller_provisioning".to_owned()];
    next.extend(spelling.tuning("onboarding_call".to_owned()));
    Some(OrderConfirmed {
        order_id: id_of(order),
        status: Some("CONFIRMED".to_owned()),
        next,
        quote_id: None,
        quote_digest: Some(snapshot.digest.clone()),
    })
}
