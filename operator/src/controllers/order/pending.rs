//! A pending order: are its terms clear, and is its quote ours?

use super::{Observed, build};
use crate::controllers::execute::Write;
use crate::controllers::offer;
use crate::controllers::quote::valid_until;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::model_asset::ModelAssetPhase;
use trustbridge_api::order::{FrozenTerms, PricingSnapshot};
use trustbridge_api::{Quote, QuoteSpec, QuoteStatus};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::conditions::{Statement, find};

/// What a pending order needs next.
pub(super) enum Next {
    /// Something that may still come.
    Wait(Reason, String),
    /// Nothing: it contradicts itself or what is.
    Refuse(Reason, String),
    /// A write, and another look.
    Write(Box<Write>, String),
    /// Its quote is taken by it: these are its terms.
    Confirm(Box<PricingSnapshot>, String),
}

/// Resolves references and takes the quote.
pub(super) fn next(seen: &Observed, now: Timestamp) -> Next {
    if seen.order.spec.termination.is_some() {
        return Next::Refuse(
            Reason::Terminated,
            "ended by `spec.termination` before it was confirmed".to_owned(),
        );
    }
    buyer(seen)
        .or_else(|| offered(seen))
        .or_else(|| asset(seen))
        .unwrap_or_else(|| quoted(seen, now))
}

fn buyer(seen: &Observed) -> Option<Next> {
    let ready = seen
        .buyer
        .as_ref()
        .and_then(|b| b.status.as_ref())
        .is_some_and(|s| trustbridge_kit::conditions::is_true(&s.conditions, ConditionType::Ready));
    (!ready).then(|| {
        let namespace = seen.order.namespace().unwrap_or_default();
        let text = if seen.org.is_empty() {
            format!("namespace '{namespace}' belongs to no organisation; order in the namespace of one, `tb-<org>`")
        } else {
            format!("BuyerOrg '{}' of namespace '{namespace}' does not exist or is not Ready; the seller creates it", seen.org)
        };
        Next::Wait(Reason::BuyerOrgNotFound, text)
    })
}

fn offered(seen: &Observed) -> Option<Next> {
    // What was asked for or quoted already does not hang on the offer any more.
    if seen.quote.is_some() {
        return None;
    }
    let wanted = seen.order.spec.offer_ref.as_ref()?;
    let Some(offer) = &seen.offer else {
        let text = format!(
            "`spec.offerRef.name` '{}' names no Offer; choose one of `kubectl get offers`: the order goes on by itself when the offer is there",
            wanted.name
        );
        return Some(Next::Wait(Reason::OfferNotFound, text));
    };
    let mode = seen.order.spec.mode;
    if !offer::is_ready(offer) {
        let why = offer::judged(offer).map_or("it is being looked at", |c| c.message.as_str());
        let text = format!(
            "offer '{}' is not Ready: {why}; the order goes on by itself when it is",
            wanted.name
        );
        return Some(Next::Wait(Reason::OfferNotReady, text));
    }
    (!offer.spec.modes.contains(&mode)).then(|| {
        let sold: Vec<&str> = offer.spec.modes.iter().map(|m| m.as_str()).collect();
        let text = format!(
            "`spec.mode` '{}' is not sold by offer '{}', which is sold as [{}]; order another offer",
            mode.as_str(),
            wanted.name,
            sold.join(", ")
        );
        Next::Refuse(Reason::OfferMismatch, text)
    })
}

fn asset(seen: &Observed) -> Option<Next> {
    let wanted = seen.order.spec.model_asset_ref.as_ref()?;
    let Some(asset) = &seen.asset else {
        let text = format!(
            "`spec.modelAssetRef.name` '{}' names no ModelAsset; register it, or order another",
            wanted.name
        );
        return Some(Next::Wait(Reason::ModelAssetNotFound, text));
    };
    let status = asset.status.clone().unwrap_or_default();
    (status.phase != ModelAssetPhase::Ready).then(|| {
        let why =
            find(&status.conditions, ConditionType::Ready).map_or("not checked yet", |c| c.message.as_str());
        let text = format!("ModelAsset '{}' is {}: {why}", wanted.name, status.phase.as_str());
        Next::Wait(Reason::ModelAssetNotReady, text)
    })
}

fn quoted(seen: &Observed, now: Timestamp) -> Next {
    let Some(quote) = &seen.quote else {
        return no_quote(seen);
    };
    let status = quote.status.clone().unwrap_or_default();
    if let Some(held) = other_request(seen, quote) {
        return held;
    }
    if let Some(refusal) = wrong_quote(seen, quote) {
        return refusal;
    }
    if let Some(refusal) = unusable(quote, &status) {
        return refusal;
    }
    match status.phase {
        QuotePhase::Requested => Next::Wait(
            Reason::InProgress,
            format!("quote {} is being priced", quote.name_any()),
        ),
        QuotePhase::NeedsHuman => Next::Wait(
            Reason::NeedsHuman,
            words(&status.conditions, "the seller quotes by hand"),
        ),
        QuotePhase::Issued if valid_until(&status).is_some_and(|until| now < until) => {
            let write = Write::Status(FieldManager::ORDER, build::acceptance(&seen.order, quote));
            Next::Write(
                Box::new(write),
                format!("quote {} is being accepted", quote.name_any()),
            )
        }
        QuotePhase::Accepted => confirm(seen, quote, now),
        QuotePhase::Issued | QuotePhase::Expired => Next::Refuse(
            Reason::QuoteExpired,
            format!("quote {} expired; order again", quote.name_any()),
        ),
        over => {
            let text = words(&status.conditions, "order again");
            Next::Refuse(
                Reason::OfferMismatch,
                format!("quote {} is {over}: {text}", quote.name_any()),
            )
        }
    }
}

fn no_quote(seen: &Observed) -> Next {
    match (&seen.order.spec.offer_ref, &seen.order.spec.quote_ref) {
        (Some(offer), _) => {
            let write = Write::Create(FieldManager::ORDER, build::quote(&seen.order, &seen.org, offer));
            Next::Write(
                Box::new(write),
                "a quote at list price is being asked for".to_owned(),
            )
        }
        (None, Some(quote)) => {
            let text = format!(
                "`spec.quoteRef.name` '{}' names no Quote of this namespace; correct it",
                quote.name
            );
            Next::Wait(Reason::QuoteNotFound, text)
        }
        (None, None) => {
            let text = "one of `spec.offerRef` and `spec.quoteRef` must be set; order again".to_owned();
            Next::Refuse(Reason::OfferMismatch, text)
        }
    }
}

/// Whether the quote under the name of ours asks for something else than we would: then somebody else made it.
fn other_request(seen: &Observed, quote: &Quote) -> Option<Next> {
    let offer = seen.order.spec.offer_ref.as_ref()?;
    let asked = QuoteSpec {
        // The seller's answer is no part of what was asked for.
        resolution: None,
        ..quote.spec.clone()
    };
    (asked != build::quote_spec(&seen.order, offer)).then(|| {
        let text = format!(
            "`spec` of quote {} is not what this order asks for, so this order did not make it; delete the quote, and it is made anew",
            quote.name_any()
        );
        Next::Wait(Reason::OfferMismatch, text)
    })
}

/// What speaks against the quote, before its own phase does.
fn wrong_quote(seen: &Observed, quote: &Quote) -> Option<Next> {
    let wanted = seen.order.spec.quote_ref.as_ref()?;
    let status = quote.status.clone().unwrap_or_default();
    let has = status.digest.as_deref().unwrap_or("none yet");
    if status.phase != QuotePhase::Requested && has != wanted.digest {
        let text = format!(
            "`spec.quoteRef.digest` is {}, but quote {} has {has}; read the quote and order again",
            wanted.digest, wanted.name
        );
        return Some(Next::Refuse(Reason::QuoteNotFound, text));
    }
    let (order, document) = (&seen.order.spec, status.document.as_ref()?);
    (order.mode != document.mode || order.instances != document.instances).then(|| {
        let text = format!(
            "`spec.mode` and `spec.instances` are '{}' and {}, but quote {} is for '{}' and {}; order what was quoted",
            order.mode.as_str(),
            order.instances,
            wanted.name,
            document.mode.as_str(),
            document.instances
        );
        Next::Refuse(Reason::OfferMismatch, text)
    })
}

/// What speaks against a quote that was issued: nothing of it is accepted, and no TunePod is made of it.
fn unusable(quote: &Quote, status: &QuoteStatus) -> Option<Next> {
    if !matches!(status.phase, QuotePhase::Issued | QuotePhase::Accepted) {
        return None;
    }
    let name = quote.name_any();
    let Some(document) = &status.document else {
        let text = format!("quote {name} was issued by another version; order again");
        return Some(Next::Refuse(Reason::QuoteExpired, text));
    };
    if !is_sealed(status) {
        let text =
            format!("quote {name} does not say any more what its digest was made over; ask for a new quote");
        return Some(Next::Refuse(Reason::QuoteNotFound, text));
    }
    // Frozen, such a line could never be met: GPUs would run, and the order would never be of use.
    let unchecked = document.readiness.iter().find(|line| line.probe.is_none())?;
    let text = format!(
        "quote {name} was issued by another version: line '{}' of its `readiness` names no `probe`, so nothing could check it; ask for a new quote, then order again",
        unchecked.id
    );
    Some(Next::Refuse(Reason::QuoteExpired, text))
}

/// Whether the quote still says what it said when it was issued.
fn is_sealed(status: &QuoteStatus) -> bool {
    let computed = status.document.as_ref().and_then(|d| d.digest().ok());
    computed.is_some() && computed == status.digest
}

fn confirm(seen: &Observed, quote: &Quote, now: Timestamp) -> Next {
    let status = quote.status.clone().unwrap_or_default();
    let taken_by = status.order_ref.map(|r| r.name).unwrap_or_default();
    // The UID besides: a former order of this name is another order.
    if taken_by != seen.order.name_any() || status.order_uid != seen.order.uid() {
        return Next::Refuse(
            Reason::QuoteTaken,
            format!(
                "quote {} was taken by order '{taken_by}' (UID {}); ask for a new quote",
                quote.name_any(),
                status.order_uid.as_deref().unwrap_or("unknown")
            ),
        );
    }
    let snapshot = frozen(quote, now);
    let text = format!("quote {} accepted at {}", quote.name_any(), snapshot.summary);
    Next::Confirm(Box::new(snapshot), text)
}

/// What the order keeps of the quote.
fn frozen(quote: &Quote, now: Timestamp) -> PricingSnapshot {
    let status = quote.status.clone().unwrap_or_default();
    let signature = status.signature.unwrap_or_default();
    let Some(document) = status.document else {
        return PricingSnapshot::default();
    };
    let quoted = document.quote;
    PricingSnapshot {
        digest: status.digest.unwrap_or_default(),
        currency: quoted.currency,
        lines: quoted.lines,
        summary: status.summary.unwrap_or_default(),
        terms: Some(FrozenTerms {
            offer_id: quoted.offer_id,
            sku: document.sku,
            use_case: quoted.use_case,
            model: quoted.model,
            instances: document.instances,
            min_term_days: quoted.min_term_days,
            resources: quoted.resources,
            vm_size: document.vm_size,
            readiness: document.readiness,
            agreed: quoted.terms,
            invoicing: document.invoicing,
            accepted_at: Time(now),
            signature,
        }),
    }
}

fn words(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    otherwise: &str,
) -> String {
    find(conditions, ConditionType::Accepted).map_or_else(|| otherwise.to_owned(), |c| c.message.clone())
}

/// `Accepted` of a pending order, from what it needs.
pub(super) fn statement(next: &Next) -> Statement {
    match next {
        Next::Wait(reason, text) | Next::Refuse(reason, text) => {
            Statement::no(ConditionType::Accepted, *reason, text.clone())
        }
        Next::Write(_, text) => Statement::unknown(ConditionType::Accepted, Reason::InProgress, text.clone()),
        Next::Confirm(_, text) => Statement::yes(ConditionType::Accepted, Reason::AsSpecified, text.clone()),
    }
}
