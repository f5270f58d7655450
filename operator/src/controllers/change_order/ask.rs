//! Pricing a change: what it waits for, what a person answers, and the price in the status. Pure.

use super::decide::{end, ended, goes_on, not_active, phase_of, progress};
use super::price::{Price, price, summary};
use super::{Observed, entry};
use crate::seller::Seller;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use trustbridge_api::change_order::ChangeResolution;
use trustbridge_api::condition::Reason;
use trustbridge_api::quote::Decision;
use trustbridge_api::{ChangeOrderStatus, Order};
use trustbridge_domain::canonical::signed_text;
use trustbridge_domain::phase::{ChangeOrderPhase, OrderPhase};
use trustbridge_domain::quote::{CHANGE_VALID_MS, PersonsPrice};
use trustbridge_kit::conditions::Statement;

/// The order and the seller, once both are there; else what is waited for, or why in vain.
fn parties<'a>(
    seen: &'a Observed,
    status: &mut ChangeOrderStatus,
) -> Result<(&'a Order, &'a Seller), Statement> {
    let name = &seen.change.spec.order_ref.name;
    let Some(order) = &seen.order else {
        let text = format!("`spec.orderRef.name` '{name}' names no Order of this namespace");
        return Err(progress(Reason::OrderNotFound, text));
    };
    if !goes_on(order) {
        return Err(end(
            status,
            ChangeOrderPhase::Rejected,
            Reason::Terminated,
            ended(order),
        ));
    }
    if phase_of(order) != OrderPhase::Active {
        return Err(not_active(order));
    }
    match &seen.seller {
        Ok(seller) => Ok((order, seller)),
        Err(why) => Err(progress(Reason::SellerNotReady, why.clone())),
    }
}

/// Whether its order never came in all the time in which a price holds.
fn is_in_vain(seen: &Observed, now: Timestamp) -> bool {
    let asked = seen.change.metadata.creation_timestamp.as_ref();
    let longest = SignedDuration::from_millis(CHANGE_VALID_MS);
    seen.order.is_none() && asked.is_some_and(|asked| now.duration_since(asked.0) >= longest)
}

/// A change that nobody looked at yet.
pub(super) fn requested(seen: &Observed, status: &mut ChangeOrderStatus, now: Timestamp) -> Statement {
    if is_in_vain(seen, now) {
        let text = format!(
            "`spec.orderRef.name` '{}' named no Order of this namespace for 72 hours; make the change again when the order is there",
            seen.change.spec.order_ref.name
        );
        return end(status, ChangeOrderPhase::Rejected, Reason::OrderNotFound, text);
    }
    let (order, seller) = match parties(seen, status) {
        Ok(both) => both,
        Err(said) => return said,
    };
    if order
        .status
        .as_ref()
        .is_some_and(|s| s.changes.len() >= entry::MOST)
    {
        let text = format!(
            "order {} has had {} changes; order again",
            order.name_any(),
            entry::MOST
        );
        return end(status, ChangeOrderPhase::Rejected, Reason::ChangeRefused, text);
    }
    let found = price(
        (order, &seen.tunepods),
        &seen.change.spec.request,
        seller,
        None,
        now,
    );
    conclude(found, seller, None, status)
}

/// Why nobody has to decide any more: the order that the draft is for ends, or is gone.
fn is_gone(seen: &Observed, status: &mut ChangeOrderStatus) -> Option<Statement> {
    let (reason, text) = match &seen.order {
        // A later order of that name is another one.
        Some(order) if is_for(status, order) => {
            if goes_on(order) {
                return None;
            }
            (Reason::Terminated, ended(order))
        }
        _ => {
            let name = &seen.change.spec.order_ref.name;
            let text =
                format!("order {name}, which the draft is for, is gone; nothing of it changes any more");
            (Reason::OrderNotFound, text)
        }
    };
    Some(end(status, ChangeOrderPhase::Rejected, reason, text))
}

fn is_for(status: &ChangeOrderStatus, order: &Order) -> bool {
    let draft = status.document.as_ref();
    draft.is_none_or(|draft| Some(&draft.order_uid) == order.metadata.uid.as_ref())
}

/// A change that a person of the seller decides about.
pub(super) fn needs_human(seen: &Observed, status: &mut ChangeOrderStatus, now: Timestamp) -> Statement {
    if let Some(said) = is_gone(seen, status) {
        return said;
    }
    let Some(answer) = &seen.change.spec.resolution else {
        return for_a_person(status);
    };
    if answer.decision == Decision::Reject {
        let why = answer.reason.as_deref().unwrap_or("no reason was given");
        let text = format!("the seller does not sell this: {why}");
        return end(status, ChangeOrderPhase::Rejected, Reason::SellerRefused, text);
    }
    let (order, seller) = match parties(seen, status) {
        Ok(both) => both,
        Err(said) => return said,
    };
    let request = &seen.change.spec.request;
    // What the person saw must be what would be issued now: prices and the order may have changed since.
    let draft = price((order, &seen.tunepods), request, seller, None, now);
    if !is_answer_to(&draft, answer) {
        let said = conclude(draft, seller, None, status);
        return if status.phase == ChangeOrderPhase::NeedsHuman {
            draft_changed(answer, status)
        } else {
            said
        };
    }
    let given: Vec<PersonsPrice> = answer
        .prices
        .iter()
        .map(|given| PersonsPrice {
            sku: given.sku.clone(),
            unit_price_minor: given.unit_price_minor,
        })
        .collect();
    let found = price((order, &seen.tunepods), request, seller, Some(&given), now);
    conclude(found, seller, Some(answer), status)
}

fn is_answer_to(draft: &Price, answer: &ChangeResolution) -> bool {
    let Price::Is(document, _) = draft else {
        return false;
    };
    let digest = document.draft_digest().ok();
    digest.is_some() && digest == answer.draft_digest
}

fn draft_changed(answer: &ChangeResolution, status: &ChangeOrderStatus) -> Statement {
    let text = format!(
        "`spec.resolution.draftDigest` is '{}', and the draft is '{}': read the change again, then answer with its `status.draftDigest`",
        answer.draft_digest.as_deref().unwrap_or_default(),
        status.draft_digest.as_deref().unwrap_or_default(),
    );
    progress(Reason::DraftChanged, text)
}

fn for_a_person(status: &ChangeOrderStatus) -> Statement {
    let text = format!(
        "a person of the seller decides: {}; the seller answers by `spec.resolution`",
        status.needs_human.join("; ")
    );
    progress(Reason::NeedsHuman, text)
}

/// The engine's answer, in the status.
fn conclude(
    found: Price,
    seller: &Seller,
    answer: Option<&ChangeResolution>,
    status: &mut ChangeOrderStatus,
) -> Statement {
    let (document, reasons) = match found {
        Price::Is(document, reasons) => (*document, reasons),
        Price::Never(why) => return end(status, ChangeOrderPhase::Rejected, Reason::ChangeRefused, why),
    };
    if !reasons.is_empty() {
        let digest = document.draft_digest().ok();
        let is_known = status.document.is_some() && digest.is_some() && digest == status.draft_digest;
        status.phase = ChangeOrderPhase::NeedsHuman;
        status.needs_human = reasons;
        // Neither an answer that leaves something open nor a later look at the same makes another draft: a new
        // `validUntil` alone would be written for ever.
        if answer.is_none() && !is_known {
            status.draft_digest = digest;
            status.summary = Some(summary(&document));
            status.document = Some(document);
        }
        return for_a_person(status);
    }
    status.summary = Some(summary(&document));
    let digest = match document.digest() {
        Ok(digest) => digest,
        // Digests fail on fractions and on keys that are not ASCII, and a change holds neither.
        Err(error) => {
            return progress(
                Reason::InProgress,
                format!("the change has no canonical form: {error}"),
            );
        }
    };
    status.signature = Some(seller.signer.sign(&signed_text("change-order", &digest)));
    status.digest = Some(digest);
    status.needs_human.clear();
    status.phase = ChangeOrderPhase::Quoted;
    status.document = Some(document);
    awaiting(status)
}

/// What a priced change waits for.
pub(super) fn awaiting(status: &ChangeOrderStatus) -> Statement {
    let text = format!(
        "{}; answer in `spec.changeDecisions` of the order, with digest {}, before {}",
        status.summary.as_deref().unwrap_or_default(),
        status.digest.as_deref().unwrap_or_default(),
        status.document.as_ref().map_or("", |d| &d.valid_until),
    );
    progress(Reason::AwaitingDecision, text)
}
