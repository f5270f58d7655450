//! What a request costs, and until when.

use super::Observed;
use super::digest::digest;
use crate::controllers::execute::Plan;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::quote::Totals;
use trustbridge_api::{Offer, QuoteStatus};
use trustbridge_domain::money::Money;
use trustbridge_domain::phase::QuotePhase;
use trustbridge_domain::pricing::{BillingModel, Priced, QuoteLine, price_at_list};
use trustbridge_kit::clock::plus;
use trustbridge_kit::conditions::{Statement, set};

pub(super) fn decide(seen: &Observed, now: Timestamp) -> Plan<QuoteStatus> {
    let old = seen.quote.status.clone().unwrap_or_default();
    let mut status = QuoteStatus {
        observed_generation: seen.quote.metadata.generation,
        ..old
    };
    let said = match status.phase {
        QuotePhase::Requested => request(seen, &mut status, now),
        QuotePhase::Issued if is_over(&status, now) => {
            status.phase = QuotePhase::Expired;
            vec![succeeded(
                false,
                Reason::QuoteExpired,
                "`validUntil` passed; ask for a new quote",
            )]
        }
        QuotePhase::Accepted => vec![succeeded(true, Reason::AsSpecified, "an order took it")],
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

fn request(seen: &Observed, status: &mut QuoteStatus, now: Timestamp) -> Vec<Statement> {
    let spec = &seen.quote.spec;
    let Some(offer) = &seen.offer else {
        let text = format!(
            "`spec.offerRef.name` '{}' names no Offer; create it, or ask for another",
            spec.offer_ref.name
        );
        return vec![accepted(false, Reason::OfferNotFound, text)];
    };
    if !offer.spec.modes.contains(&spec.mode) {
        let sold: Vec<&str> = offer.spec.modes.iter().map(|m| m.as_str()).collect();
        let text = format!(
            "`spec.mode` '{}' is not sold by offer '{}'; it is sold as [{}]",
            spec.mode.as_str(),
            spec.offer_ref.name,
            sold.join(", ")
        );
        status.phase = QuotePhase::Rejected;
        return vec![accepted(false, Reason::OfferMismatch, text)];
    }
    match price_at_list(
        &offer.spec.sku,
        &offer.spec.list_prices(),
        spec.billing_model,
        spec.instances,
    ) {
        Priced::Lines(lines) => issue(offer, lines, status, plus(now, seen.validity_s)),
        Priced::NeedsHuman(why) => {
            status.phase = QuotePhase::NeedsHuman;
            vec![accepted(false, Reason::NeedsHuman, why)]
        }
        Priced::Refused(why) => {
            status.phase = QuotePhase::Rejected;
            vec![accepted(false, Reason::OfferMismatch, why)]
        }
    }
}

fn issue(
    offer: &Offer,
    lines: Vec<QuoteLine>,
    status: &mut QuoteStatus,
    valid_until: Timestamp,
) -> Vec<Statement> {
    let currency = offer.spec.billing.currency.clone();
    let (Some(hourly_minor), Some(monthly_minor)) = (
        sum(&lines, BillingModel::Hourly),
        sum(&lines, BillingModel::Monthly),
    ) else {
        status.phase = QuotePhase::Rejected;
        let text = "the sum of the lines does not fit 64 bits; ask for fewer instances";
        return vec![accepted(false, Reason::OfferMismatch, text)];
    };
    let totals = Totals {
        currency: currency.clone(),
        hourly_minor,
        monthly_minor,
    };
    status.phase = QuotePhase::Issued;
    status.digest = Some(digest(&currency, &lines, valid_until));
    status.summary = Some(summary(&totals));
    status.valid_until = Some(Time(valid_until));
    let text = format!(
        "{} at list price, to be accepted before {valid_until}",
        summary(&totals)
    );
    status.totals = Some(totals);
    status.lines = lines;
    vec![accepted(true, Reason::AsSpecified, text)]
}

fn sum(lines: &[QuoteLine], model: BillingModel) -> Option<i64> {
    lines
        .iter()
        .filter(|l| l.model == model)
        .try_fold(0_i64, |sum, line| {
            line.unit_price_minor
                .checked_mul(i64::from(line.quantity))
                .and_then(|cost| sum.checked_add(cost))
        })
}

fn summary(totals: &Totals) -> String {
    let money = |minor| Money {
        currency: totals.currency.clone(),
        minor,
    };
    match (totals.hourly_minor, totals.monthly_minor) {
        (hourly, 0) => format!("{}/h", money(hourly)),
        (0, monthly) => format!("{}/month", money(monthly)),
        (hourly, monthly) => format!("{}/h + {}/month", money(hourly), money(monthly)),
    }
}

fn is_over(status: &QuoteStatus, now: Timestamp) -> bool {
    status.valid_until.as_ref().is_some_and(|until| now >= until.0)
}

fn until_expiry(status: &QuoteStatus, now: Timestamp) -> Duration {
    let left = status
        .valid_until
        .as_ref()
        .filter(|_| status.phase == QuotePhase::Issued);
    left.map_or(Duration::MAX, |until| {
        Duration::try_from(until.0.duration_since(now)).unwrap_or_default() + Duration::from_secs(1)
    })
}

fn accepted(yes: bool, reason: Reason, text: impl Into<String>) -> Statement {
    let of = if yes { Statement::yes } else { Statement::no };
    of(ConditionType::Accepted, reason, text.into())
}

fn succeeded(yes: bool, reason: Reason, text: &str) -> Statement {
    let of = if yes { Statement::yes } else { Statement::no };
    of(ConditionType::Succeeded, reason, text.to_owned())
}
