//! What a quote says, from what the engine came to. Pure.

use super::Observed;
use crate::controllers::offer;
use crate::seller::Seller;
use kube::ResourceExt;
use trustbridge_api::quote::{QuoteDocument, Resolution};
use trustbridge_api::{Offer, QuoteStatus};
use trustbridge_domain::canonical::{CanonicalError, signed_text};
use trustbridge_domain::money::Money;
use trustbridge_domain::pricing::BillingModel;
use trustbridge_domain::quote::{Quote, Totals};

/// Alternatives that are told, the cheapest first.
const ALTERNATIVES: usize = 32;
/// Entries of a trace that are kept.
pub(super) const TRACE: usize = 512;

/// The document, and in words what no machine carries.
pub(super) fn document(
    seen: &Observed,
    seller: &Seller,
    offer: &Offer,
    mut quote: Quote,
    answer: Option<&Resolution>,
) -> (QuoteDocument, Option<String>) {
    quote.alternatives.truncate(ALTERNATIVES);
    quote.trace.truncate(TRACE);
    let named = answer.and_then(|answer| answer.vm_size.clone());
    let (vm_size, missing) =
        match named.map_or_else(|| offer::machine(&offer.spec, quote.resources.nvme_gb), Ok) {
            Ok(size) => (size, None),
            Err(why) => (String::new(), Some(why)),
        };
    let document = QuoteDocument {
        sku: offer.spec.sku.clone(),
        mode: seen.quote.spec.mode,
        instances: instances(seen),
        vm_size,
        readiness: offer.spec.readiness.clone(),
        invoicing: seller.profile.invoicing(),
        quote,
    };
    (document, missing)
}

/// Instances that are asked for.
fn instances(seen: &Observed) -> u32 {
    let spec = &seen.quote.spec;
    spec.rfq.as_ref().map_or(spec.instances, |rfq| {
        rfq.requirements.instances.unwrap_or(1).max(1)
    })
}

/// The offer that the engine chose, among those that were seen.
pub(super) fn chosen<'a>(seen: &'a Observed, quote: &Quote) -> Option<&'a Offer> {
    seen.offers
        .iter()
        .find(|offer| offer.name_any() == quote.offer_id)
}

/// Freezes the document under its digest and signs it.
pub(super) fn seal(
    status: &mut QuoteStatus,
    document: QuoteDocument,
    seller: &Seller,
) -> Result<(), CanonicalError> {
    let digest = document.digest()?;
    status.signature = Some(seller.signer.sign(&signed_text("quote", &digest)));
    status.digest = Some(digest);
    status.summary = Some(summary(&document.quote.currency, document.quote.totals));
    status.document = Some(document);
    Ok(())
}

/// Totals for people.
pub(super) fn summary(currency: &str, totals: Totals) -> String {
    let money = |minor| Money {
        currency: currency.to_owned(),
        minor,
    };
    match (totals.hourly_minor, totals.monthly_minor) {
        (0, monthly) => format!("{}/{}", money(monthly), unit(BillingModel::Monthly)),
        (hourly, 0) => format!("{}/{}", money(hourly), unit(BillingModel::Hourly)),
        (hourly, monthly) => format!("{}/h + {}/month", money(hourly), money(monthly)),
    }
}

const fn unit(model: BillingModel) -> &'static str {
    match model {
        BillingModel::Hourly => "h",
        BillingModel::Monthly => "month",
    }
}
