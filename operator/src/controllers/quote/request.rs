//! What is asked of the quote engine: the request, and the catalog of the offers that can be meant. Pure.

use super::Observed;
use crate::controllers::offer;
use crate::seller::Seller;
use kube::ResourceExt;
use trustbridge_api::use_case::UseCaseTerms;
use trustbridge_api::{Offer, QuoteSpec};
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::quote::request::{Commercial, Network, Outbound, Requirements, Tenancy};
use trustbridge_domain::quote::{Catalog, OfferRefusal, Rfq, UseCase};

/// Use case of an offer that names none.
const GENERAL: &str = "general";

/// A question to the engine.
pub(super) struct Question {
    pub(super) rfq: Rfq,
    pub(super) catalog: Catalog,
    /// Offers that are not in the catalog, and why.
    pub(super) left_out: Vec<OfferRefusal>,
}

/// The offer at list price, as a request that nothing else can meet.
pub(super) fn at_list(seen: &Observed, offer: &Offer, seller: &Seller) -> Question {
    let spec = &offer.spec;
    let use_case = spec.use_cases.first().map_or(GENERAL, String::as_str);
    let instances = seen.quote.spec.instances;
    let rfq = Rfq {
        rfq_id: seen.quote.name_any(),
        use_case: use_case.to_owned(),
        requirements: Requirements {
            tenancy: Tenancy {
                single_tenant: spec.security.single_tenant,
            },
            network: Network {
                outbound: Outbound {
                    mode: spec.network.outbound_modes.first().map(|m| m.as_str().to_owned()),
                    ..Outbound::default()
                },
                ..Network::default()
            },
            region: spec.regions.first().cloned(),
            gpus: u32::try_from(spec.resources.gpus).ok(),
            instances: Some(instances),
            ..Requirements::default()
        },
        commercial: Commercial {
            billing_model: model(&seen.quote.spec, offer).map(ToOwned::to_owned),
            ..Commercial::default()
        },
        ..Rfq::default()
    };
    let known = seller.profile.use_cases.iter().find(|u| u.name == use_case);
    let words = UseCase {
        // The offer was chosen already: its family is the one that serves.
        family: spec.family().to_owned(),
        tuning_family: None,
        ..known.map_or_else(|| plain(use_case), UseCaseTerms::engine)
    };
    let catalog = Catalog {
        currency: seller.profile.currency.clone(),
        offers: vec![spec.catalog_offer(&offer.name_any(), use_case)],
        add_ons: known.into_iter().flat_map(UseCaseTerms::engine_add_ons).collect(),
        use_cases: vec![words],
    };
    Question {
        rfq,
        catalog,
        left_out: Vec::new(),
    }
}

/// The buyer's own request, against everything that can be sold.
pub(super) fn of_rfq(seen: &Observed, rfq: &Rfq, seller: &Seller) -> Question {
    let mut left_out = Vec::new();
    let mut offers = Vec::new();
    for offer in &seen.offers {
        if let Some(reason) = against(seen, offer, seller) {
            left_out.push(OfferRefusal {
                offer_id: offer.name_any(),
                reasons: vec![reason],
            });
            continue;
        }
        let cases = offer.spec.use_cases.iter();
        offers.extend(cases.map(|case| offer.spec.catalog_offer(&offer.name_any(), case)));
    }
    let use_cases = &seller.profile.use_cases;
    Question {
        rfq: rfq.clone(),
        catalog: Catalog {
            currency: seller.profile.currency.clone(),
            offers,
            add_ons: use_cases.iter().flat_map(UseCaseTerms::engine_add_ons).collect(),
            use_cases: use_cases.iter().map(UseCaseTerms::engine).collect(),
        },
        left_out,
    }
}

/// What speaks against an offer before the engine sees it.
pub(super) fn against(seen: &Observed, offer: &Offer, seller: &Seller) -> Option<String> {
    let spec = &offer.spec;
    if let Some(condition) = offer::judged(offer).filter(|c| c.status != "True") {
        return Some(format!("is not Ready: {}", condition.message));
    }
    let mode = seen.quote.spec.mode;
    if !spec.modes.contains(&mode) {
        let sold: Vec<&str> = spec.modes.iter().map(|m| m.as_str()).collect();
        return Some(format!(
            "is not sold in `spec.mode` '{}' but as [{}]",
            mode.as_str(),
            sold.join(", ")
        ));
    }
    (spec.billing.currency != seller.profile.currency).then(|| {
        format!(
            "has prices in '{}', and the seller quotes in '{}'",
            spec.billing.currency, seller.profile.currency
        )
    })
}

fn model(spec: &QuoteSpec, offer: &Offer) -> Option<&'static str> {
    let first = offer.spec.billing.models.first().map(|m| m.model);
    let model = spec.billing_model.or(first)?;
    Some(match model {
        BillingModel::Hourly => "hourly",
        BillingModel::Monthly => "monthly",
    })
}

/// Words for a use case of which the seller's profile says nothing: nothing is promised.
pub(crate) fn plain(use_case: &str) -> UseCase {
    UseCase {
        use_case: use_case.to_owned(),
        family: String::new(),
        tuning_family: None,
        assumptions: Vec::new(),
        support_response: "best effort".to_owned(),
        logging_policy: "no_training_data_in_logs".to_owned(),
        ip_policy: None,
        audit_events: Vec::new(),
        contract_refs: None,
        included_onboarding_hours: 0,
        change_eta_hours: 24,
        quotes_egress: false,
    }
}
