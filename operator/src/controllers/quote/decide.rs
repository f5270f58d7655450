//! What a request costs, and until when.

use super::document::{TRACE, chosen, document, seal, summary};
use super::request::{Question, against, at_list, of_rfq};
use super::{Observed, Waits};
use crate::controllers::execute::Plan;
use crate::controllers::offer;
use crate::seller::Seller;
use jiff::Timestamp;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::QuoteStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::quote::{Decision, Resolution};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::quote::{
    OfferRefusal, Outcome, PersonsPrice, Quote, TraceEntry, quote, quote_approved,
};
use trustbridge_kit::conditions::{Statement, set};

/// Refusals that a status can list.
const REFUSALS: usize = 128;

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<QuoteStatus> {
    let mut status = seen.quote.status.clone().unwrap_or_default();
    status.observed_generation = seen.quote.metadata.generation;
    let said = match status.phase {
        QuotePhase::Requested => vec![request(seen, &mut status, now)],
        QuotePhase::NeedsHuman => {
            let answer = seen.quote.spec.resolution.as_ref();
            if answer.is_none() && status.draft_digest.is_none() {
                // A draft of a version that wrote none down: nobody could answer it.
                let draft = status.document.as_ref();
                status.draft_digest = draft.and_then(|draft| draft.draft_digest().ok());
            }
            let said = answer.map(|answer| answered(seen, answer, &mut status, now));
            said.into_iter().collect()
        }
        QuotePhase::Issued if is_over(&status, now) => {
            status.phase = QuotePhase::Expired;
            let text = "`validUntil` passed; ask for a new quote";
            vec![Statement::no(
                ConditionType::Succeeded,
                Reason::QuoteExpired,
                text,
            )]
        }
        QuotePhase::Accepted => {
            let text = "an order took it";
            vec![Statement::yes(
                ConditionType::Succeeded,
                Reason::AsSpecified,
                text,
            )]
        }
        _ => vec![],
    };
    for statement in &said {
        set(
            &mut status.conditions,
            statement,
            seen.quote.metadata.generation,
            now,
        );
    }
    let pause = until_expiry(&status, now);
    Plan::rest(status).within(pause)
}

/// A request that nobody looked at yet.
fn request(seen: &Observed, status: &mut QuoteStatus, now: Timestamp) -> Statement {
    let (seller, question) = match question(seen) {
        Ok(found) => found,
        Err(Waits::For(reason, text)) => return no(reason, text),
        Err(Waits::InVain(text)) => return reject(status, Vec::new(), Vec::new(), text),
    };
    let profile = seller.profile.engine();
    let outcome = quote(&question.rfq, &question.catalog, &profile, now.as_millisecond());
    conclude(seen, seller, question, outcome, None, status)
}

/// A person of the seller answered.
fn answered(seen: &Observed, answer: &Resolution, status: &mut QuoteStatus, now: Timestamp) -> Statement {
    if answer.decision == Decision::Reject {
        let why = answer.reason.as_deref().unwrap_or("no reason was given");
        status.phase = QuotePhase::Rejected;
        return no(
            Reason::SellerRefused,
            format!("the seller does not sell this: {why}"),
        );
    }
    let (seller, question) = match question(seen) {
        Ok(found) => found,
        Err(Waits::For(reason, text)) => return no(reason, text),
        Err(Waits::InVain(text)) => return reject(status, Vec::new(), Vec::new(), text),
    };
    let profile = seller.profile.engine();
    // What the person saw must be what would be issued now: offers, prices and profile may have changed since.
    let draft = quote(&question.rfq, &question.catalog, &profile, now.as_millisecond());
    if !is_answer_to(seen, seller, &draft, answer) {
        let said = conclude(seen, seller, question, draft, None, status);
        return if status.phase == QuotePhase::NeedsHuman {
            draft_changed(answer, status)
        } else {
            said
        };
    }
    let price = |given: &trustbridge_api::quote::PersonsPrice| PersonsPrice {
        sku: given.sku.clone(),
        unit_price_minor: given.unit_price_minor,
    };
    let prices: Vec<PersonsPrice> = answer.prices.iter().map(price).collect();
    let mut outcome = quote_approved(
        &question.rfq,
        &question.catalog,
        &profile,
        &prices,
        now.as_millisecond(),
    );
    if let Outcome::Quote(quote) = &mut outcome {
        let why = answer.reason.as_deref().unwrap_or("approved");
        quote.trace.push(TraceEntry {
            rule: "resolution".to_owned(),
            detail: format!("a person of the seller decided: {why}"),
        });
    }
    conclude(seen, seller, question, outcome, Some(answer), status)
}

/// Whether `answer` was given to `draft`.
fn is_answer_to(seen: &Observed, seller: &Seller, draft: &Outcome, answer: &Resolution) -> bool {
    // What needs a person only for its machine has all its prices: it is a draft all the same.
    let (Outcome::NeedsHuman { draft, .. } | Outcome::Quote(draft)) = draft else {
        return false;
    };
    let Some(offer) = chosen(seen, draft) else {
        return false;
    };
    let (document, _) = document(seen, seller, offer, draft.as_ref().clone(), None);
    document
        .draft_digest()
        .ok()
        .is_some_and(|digest| answer.draft_digest == Some(digest))
}

fn draft_changed(answer: &Resolution, status: &QuoteStatus) -> Statement {
    let text = format!(
        "`spec.resolution.draftDigest` is '{}', and the draft is '{}': read the quote again, then answer with its `status.draftDigest`. {}",
        answer.draft_digest.as_deref().unwrap_or_default(),
        status.draft_digest.as_deref().unwrap_or_default(),
        status.needs_human.join("; ")
    );
    no(Reason::DraftChanged, text)
}

/// What the engine is asked, once everything that it needs is there.
fn question(seen: &Observed) -> Result<(&Seller, Question), Waits> {
    let seller = seen
        .seller
        .as_ref()
        .map_err(|why| Waits::For(Reason::SellerNotReady, why.clone()))?;
    let spec = &seen.quote.spec;
    if let Some(rfq) = &spec.rfq {
        let fresh = seen.offers.iter().find(|offer| offer::judged(offer).is_none());
        if let Some(offer) = fresh {
            let text = format!("offer '{}' is being looked at", offer.name_any());
            return Err(Waits::For(Reason::InProgress, text));
        }
        return Ok((seller, of_rfq(seen, rfq, seller)));
    }
    let name = spec
        .offer_ref
        .as_ref()
        .map(|r| r.name.as_str())
        .unwrap_or_default();
    let Some(offer) = seen.offers.iter().find(|offer| offer.name_any() == name) else {
        let text = format!("`spec.offerRef.name` '{name}' names no Offer; create it, or ask for another");
        return Err(Waits::For(Reason::OfferNotFound, text));
    };
    match offer::judged(offer) {
        Some(condition) if condition.status == "True" => {}
        Some(condition) => {
            let text = format!("offer '{name}' is not Ready: {}", condition.message);
            return Err(Waits::For(Reason::OfferNotReady, text));
        }
        None => {
            let text = format!("offer '{name}' is being looked at");
            return Err(Waits::For(Reason::InProgress, text));
        }
    }
    match against(seen, offer, seller) {
        Some(why) => Err(Waits::InVain(format!("offer '{name}' {why}; choose another"))),
        None => Ok((seller, at_list(seen, offer, seller))),
    }
}

/// The engine's answer, in the status.
fn conclude(
    seen: &Observed,
    seller: &Seller,
    question: Question,
    outcome: Outcome,
    answer: Option<&Resolution>,
    status: &mut QuoteStatus,
) -> Statement {
    match outcome {
        Outcome::Quote(found) => priced(seen, seller, *found, Vec::new(), answer, status),
        Outcome::NeedsHuman { reasons, draft } => priced(seen, seller, *draft, reasons, answer, status),
        Outcome::Rejected {
            reason,
            offers,
            trace,
        } => {
            let all: Vec<OfferRefusal> = question.left_out.into_iter().chain(offers).collect();
            let text = match all.as_slice() {
                [one] => format!("offer '{}' {}", one.offer_id, one.reasons.join("; ")),
                _ => reason,
            };
            reject(status, all, trace, format!("{text}; ask for something else"))
        }
    }
}

/// Everything has its price, or a person of the seller decides.
fn priced(
    seen: &Observed,
    seller: &Seller,
    quote: Quote,
    mut reasons: Vec<String>,
    answer: Option<&Resolution>,
    status: &mut QuoteStatus,
) -> Statement {
    let Some(offer) = chosen(seen, &quote) else {
        let text = format!("offer '{}' went while it was quoted", quote.offer_id);
        return no(Reason::OfferNotFound, text);
    };
    let (document, no_machine) = document(seen, seller, offer, quote, answer);
    reasons.extend(no_machine);
    let total = summary(&document.quote.currency, document.quote.totals);
    if !reasons.is_empty() {
        let text = format!(
            "a person of the seller decides: {}; the seller answers by `spec.resolution`",
            reasons.join("; ")
        );
        status.phase = QuotePhase::NeedsHuman;
        status.summary = Some(total);
        // An answer that leaves something open changes nothing about which draft is to be answered.
        if answer.is_none() {
            status.draft_digest = document.draft_digest().ok();
        }
        status.document = Some(document);
        status.needs_human = reasons;
        return no(Reason::NeedsHuman, text);
    }
    let until = document.quote.valid_until.clone();
    let warned = match document.quote.warnings.len() {
        0 => String::new(),
        count => format!("; {count} warnings"),
    };
    if let Err(error) = seal(status, document, seller) {
        // Digests fail on numbers with fractions and on keys that are not ASCII, and a quote holds neither.
        return no(
            Reason::InProgress,
            format!("the quote has no canonical form: {error}"),
        );
    }
    status.phase = QuotePhase::Issued;
    status.needs_human.clear();
    let text = format!("{total}, to be accepted before {until}{warned}");
    Statement::yes(ConditionType::Accepted, Reason::AsSpecified, text)
}

fn reject(
    status: &mut QuoteStatus,
    mut refusals: Vec<OfferRefusal>,
    mut trace: Vec<TraceEntry>,
    text: String,
) -> Statement {
    refusals.truncate(REFUSALS);
    trace.truncate(TRACE);
    status.phase = QuotePhase::Rejected;
    status.refusals = refusals;
    status.rejection_trace = trace;
    no(Reason::OfferMismatch, text)
}

/// First moment at which it can no longer be accepted; `None`: it is not priced.
pub(crate) fn valid_until(status: &QuoteStatus) -> Option<Timestamp> {
    status.document.as_ref()?.quote.valid_until.parse().ok()
}

fn is_over(status: &QuoteStatus, now: Timestamp) -> bool {
    valid_until(status).is_none_or(|until| now >= until)
}

fn until_expiry(status: &QuoteStatus, now: Timestamp) -> Duration {
    let left = valid_until(status).filter(|_| status.phase == QuotePhase::Issued);
    left.map_or(Duration::MAX, |until| {
        Duration::try_from(until.duration_since(now)).unwrap_or_default() + Duration::from_secs(1)
    })
}

fn no(reason: Reason, text: impl Into<String>) -> Statement {
    Statement::no(ConditionType::Accepted, reason, text.into())
}
