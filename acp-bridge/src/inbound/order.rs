//! `order.accept` as an Order.

use crate::identity::{id_of, metadata, misdirected, refused};
use kube::ResourceExt;
use trustbridge_acp::code::Code;
use trustbridge_acp::messages::order::OrderAccept;
use trustbridge_acp::{Message, Received, Refusal};
use trustbridge_api::order::QuoteReference;
use trustbridge_api::reference::{Mode, NameRef};
use trustbridge_api::{Order, OrderSpec, Quote};

/// The Order by which `org` takes `quote`. Its name follows from the order's id.
///
/// Contacts, networks and the way of payment have no place in an Order; they stay in the message.
///
/// # Errors
/// A refusal where the message is another one, names another quote, saw another digest, asks for more ways out than the
/// request, or mixes a workspace with a protected model.
pub fn order(org: &str, received: &Received, quote: &Quote) -> Result<Order, Refusal> {
    let Message::OrderAccept(accept) = &received.message else {
        return Err(misdirected(&received.message, "order.accept"));
    };
    let digest = issued(accept, quote)?;
    let mode = quote.spec.mode;
    let wants_model = accept.model_asset_id.is_some();
    if wants_model != (mode == Mode::ProtectedModel) {
        let rule = format!("must go with the quote, which is for mode '{}'", mode.as_str());
        let next =
            "send `model_asset_id` and `contract_id` for a protected model, and `ssh_keys` for a workspace";
        return Err(refused("model_asset_id", Code::FieldInvalid, rule, next));
    }
    within_the_request(accept, quote)?;
    let document = quote.status.as_ref().and_then(|status| status.document.as_ref());
    let spec = OrderSpec {
        quote_ref: Some(QuoteReference {
            name: quote.name_any(),
            digest,
        }),
        mode,
        instances: document.map_or(1, |document| document.instances),
        contract_id: accept.contract_id.clone(),
        model_asset_ref: accept.model_asset_id.as_ref().map(NameRef::new),
        ssh_keys: accept.ssh_keys.iter().map(|key| key.public_key.clone()).collect(),
        ..OrderSpec::default()
    };
    let mut order = Order::new("", spec);
    order.metadata = metadata(org, "Order", &accept.order_id);
    Ok(order)
}

/// The digest of the quote that is meant, which must be issued and the one that the buyer saw.
fn issued(accept: &OrderAccept, quote: &Quote) -> Result<String, Refusal> {
    let known = id_of(quote);
    if accept.quote_id != known {
        return Err(refused(
            "quote_id",
            Code::NotFound,
            "names no quote of yours",
            "take it from `quote.issue`",
        ));
    }
    let status = quote.status.as_ref();
    let digest = status.and_then(|status| status.digest.clone());
    let not_yet = || {
        let rule = "names a quote that is not issued";
        refused(
            "quote_id",
            Code::StateConflict,
            rule,
            "wait for its `quote.issue`",
        )
    };
    let digest = digest.ok_or_else(not_yet)?;
    if accept.quote_digest.as_ref().is_some_and(|seen| *seen != digest) {
        let rule = format!("is not the digest of quote '{known}', which is {digest}");
        return Err(refused(
            "quote_digest",
            Code::StateConflict,
            rule,
            "look at the quote again before you take it",
        ));
    }
    Ok(digest)
}

/// An order may narrow the ways out of its request; more of them is a change.
fn within_the_request(accept: &OrderAccept, quote: &Quote) -> Result<(), Refusal> {
    let asked = quote
        .spec
        .rfq
        .iter()
        .flat_map(|rfq| &rfq.requirements.network.outbound.allowlist);
    let asked: Vec<&String> = asked.collect();
    let mut wanted = accept
        .network_inputs
        .iter()
        .flat_map(|inputs| &inputs.outbound_allowlist);
    match wanted.find(|entry| !asked.contains(entry)) {
        None => Ok(()),
        Some(wider) => {
            let rule = format!("holds '{wider}' in `outbound_allowlist`, which the request does not");
            let next = "leave it out here, and ask for a change of the order for more ways out";
            Err(refused("network_inputs", Code::AllowlistWidened, rule, next))
        }
    }
}
