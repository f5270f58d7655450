use super::*;
use crate::controllers::execute::status_write;
use jiff::{SignedDuration, Timestamp};
use trustbridge_api::offer::BillingPrice;
use trustbridge_api::{Mode, NameRef, OfferSpec, QuoteSpec};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::pricing::BillingModel;

fn offer(price: Option<i64>, modes: &[Mode]) -> Offer {
    let mut spec = OfferSpec {
        sku: "StudioGen-1GPU".to_owned(),
        modes: modes.to_vec(),
        ..OfferSpec::default()
    };
    spec.billing.currency = "USD".to_owned();
    spec.billing.models = vec![BillingPrice {
        model: BillingModel::Hourly,
        price_minor: price,
        min_hours: 1,
    }];
    Offer::new("studio", spec)
}

fn seen(offer: Option<Offer>) -> Observed {
    let spec = QuoteSpec {
        offer_ref: NameRef::new("studio"),
        instances: 2,
        ..QuoteSpec::default()
    };
    let mut quote = Quote::new("q", spec);
    quote.metadata.namespace = Some("tb-acme".to_owned());
    quote.metadata.generation = Some(1);
    Observed {
        quote,
        offer,
        validity_s: 3600,
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

const PROTECTED: &[Mode] = &[Mode::ProtectedModel];

#[test]
fn every_request_has_its_phase_and_reason() {
    let mut monthly = seen(Some(offer(Some(175), PROTECTED)));
    monthly.quote.spec.billing_model = Some(BillingModel::Monthly);
    let table = [
        (
            seen(Some(offer(Some(175), PROTECTED))),
            QuotePhase::Issued,
            "AsSpecified",
        ),
        (seen(None), QuotePhase::Requested, "OfferNotFound"),
        (
            seen(Some(offer(Some(175), &[Mode::ByoWorkspace]))),
            QuotePhase::Rejected,
            "OfferMismatch",
        ),
        (
            seen(Some(offer(None, PROTECTED))),
            QuotePhase::NeedsHuman,
            "NeedsHuman",
        ),
        (
            seen(Some(offer(Some(i64::MAX), PROTECTED))),
            QuotePhase::Rejected,
            "OfferMismatch",
        ),
        (monthly, QuotePhase::Rejected, "OfferMismatch"),
    ];
    for (seen, phase, reason) in table {
        let status = decide::decide(&seen, now()).status;
        assert_eq!(
            (status.phase, status.conditions[0].reason.as_str()),
            (phase, reason)
        );
    }
}

#[test]
fn an_issued_quote_is_priced_digested_and_quiet() {
    let mut seen = seen(Some(offer(Some(175), PROTECTED)));
    let status = decide::decide(&seen, now()).status;
    assert_eq!(status.summary.as_deref(), Some("3.50 USD/h"));
    assert_eq!(status.totals.as_ref().unwrap().hourly_minor, 350);
    assert_eq!(status.digest.as_ref().unwrap().len(), 64);
    seen.quote.status = Some(status);
    // The offer's price may change: what was issued stays.
    seen.offer = Some(offer(Some(999), PROTECTED));
    let again = decide::decide(&seen, now() + SignedDuration::from_mins(30));
    assert!(status_write(&seen.quote, seen.quote.status.as_ref(), &again.status).is_none());
    assert!(again.requeue.as_secs() <= 300);
}

#[test]
fn it_expires_unless_it_was_taken() {
    let mut seen = seen(Some(offer(Some(175), PROTECTED)));
    seen.quote.status = Some(decide::decide(&seen, now()).status);
    let late = now() + SignedDuration::from_hours(1);
    assert_eq!(decide::decide(&seen, late).status.phase, QuotePhase::Expired);
    seen.quote.status.as_mut().unwrap().phase = QuotePhase::Accepted;
    assert_eq!(decide::decide(&seen, late).status.phase, QuotePhase::Accepted);
}

#[test]
fn the_digest_follows_the_terms() {
    let lines = decide::decide(&seen(Some(offer(Some(175), PROTECTED))), now())
        .status
        .lines;
    let one = digest::digest("USD", &lines, now());
    assert_eq!(one, digest::digest("USD", &lines, now()));
    assert_ne!(one, digest::digest("EUR", &lines, now()));
    assert_ne!(
        one,
        digest::digest("USD", &lines, now() + SignedDuration::from_secs(1))
    );
}
