//! The quote engine: (request, catalog, seller's profile, clock) → a quote, a question to a person, or a refusal.
//!
//! The same input gives the same bytes. Nothing is guessed: a line without a price, a model that nobody knows, a
//! total above the seller's limit go to a person. Each rule that fires leaves an entry in the trace, in this order:
//!
//! | Step | Rule | Where |
//! |---|---|---|
//! | 1 | `a\|b` means any of; the first counts | [`request`] |
//! | 2 | offers that cannot be meant are refused, each with its reasons | `select` |
//! | 3 | GPUs = the most of memory, throughput, and what was asked for | `need` |
//! | 4, 5 | the smallest bundle that fits; the job mix chooses the family | `select` |
//! | 6, 7 | lines, add-ons, totals, estimates, alternatives | `price`, `advise` |
//! | 8 | assumptions, terms, service levels | `terms` |
//! | 9 | how long it is valid | `terms` |

mod advise;
mod catalog;
mod change;
mod need;
mod notes;
mod outcome;
mod price;
mod profile;
pub mod request;
mod select;
mod terms;

pub use catalog::{
    AddOn, Catalog, CatalogOffer, CatalogPrice, ContractRefs, Lint, Source, StorageFit, UseCase, documents,
    lint,
};
pub use change::{
    CHANGE_VALID_MS, ChangeQuote, ChangeRefusal, ChangeRequest, DeltaLine, SkuQuantity, quote_change,
    quote_change_approved,
};
pub use outcome::{
    Alternative, AlternativeKind, Estimates, OfferRefusal, Outcome, Quote, Resources, ServiceLevels, Terms,
    Totals, TraceEntry, UnpricedLine, Warning, WarningCode,
};
pub use profile::{SellerProfile, VramModel};
pub use request::Rfq;

use crate::decimal::Decimal;
use crate::pricing::BillingModel;
use notes::Notes;

/// What the steps of one quote share.
struct Case<'a> {
    rfq: &'a Rfq,
    catalog: &'a Catalog,
    profile: &'a SellerProfile,
    words: &'a UseCase,
    model: BillingModel,
    /// Prices that a person gave; `None`: no person looked.
    answer: Option<&'a [PersonsPrice]>,
    now_ms: i64,
}

/// A price that a person of the seller gave for what has no list price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonsPrice {
    /// The SKU.
    pub sku: String,
    /// Minor units for one: a month of an add-on, an hour or month of a bundle.
    pub unit_price_minor: i64,
}

/// Quotes a request.
#[must_use]
pub fn quote(rfq: &Rfq, catalog: &Catalog, profile: &SellerProfile, now_ms: i64) -> Outcome {
    quote_with(rfq, catalog, profile, None, now_ms)
}

/// Quotes a request that a person looked at: limits and unusual wishes are approved, and `prices` stand in where there
/// is no list price. What still has no price stays with a person.
#[must_use]
pub fn quote_approved(
    rfq: &Rfq,
    catalog: &Catalog,
    profile: &SellerProfile,
    prices: &[PersonsPrice],
    now_ms: i64,
) -> Outcome {
    quote_with(rfq, catalog, profile, Some(prices), now_ms)
}

fn quote_with(
    rfq: &Rfq,
    catalog: &Catalog,
    profile: &SellerProfile,
    answer: Option<&[PersonsPrice]>,
    now_ms: i64,
) -> Outcome {
    let mut notes = Notes::default();
    notes.unknown_fields(&rfq.unknown_fields);
    notes.choices(rfq);
    let Some(words) = catalog.use_cases.iter().find(|u| u.use_case == rfq.use_case) else {
        let known: Vec<&str> = catalog.use_cases.iter().map(|u| u.use_case.as_str()).collect();
        return notes.reject(format!(
            "`use_case` '{}' is not served; it is one of [{}]",
            rfq.use_case,
            known.join(", ")
        ));
    };
    if profile.currency != "USD" || catalog.currency != profile.currency {
        return notes.reject(format!(
            "`currency` must be USD for seller and catalog, which say '{}' and '{}'",
            profile.currency, catalog.currency
        ));
    }
    let asked = request::first_choice(rfq.commercial.billing_model.as_ref());
    let model = match asked.as_deref() {
        Some("hourly") => BillingModel::Hourly,
        Some("monthly") => BillingModel::Monthly,
        other => {
            return notes.reject(format!(
                "`commercial.billing_model` '{}' must be hourly or monthly",
                other.unwrap_or_default()
            ));
        }
    };
    let hours = rfq.commercial.expected_hours_per_week;
    if let Some(hours) = hours.filter(|hours| Some(*hours) <= Decimal::whole(0)) {
        return notes.reject(format!(
            "`commercial.expected_hours_per_week` '{hours}' must be above 0; leave it out where it is not known"
        ));
    }
    let case = Case {
        rfq,
        catalog,
        profile,
        words,
        model,
        answer,
        now_ms,
    };
    match case.run(&mut notes) {
        Ok((draft, reasons)) if reasons.is_empty() => Outcome::Quote(Box::new(notes.into_quote(draft))),
        Ok((draft, reasons)) => Outcome::NeedsHuman {
            reasons,
            draft: Box::new(notes.into_quote(draft)),
        },
        Err(refusal) => refusal.into_outcome(notes),
    }
}

impl Case<'_> {
    /// The draft and why a person must look at it; no reasons: nobody must.
    fn run(&self, notes: &mut Notes) -> Result<(Quote, Vec<String>), select::Refusal> {
        let wanted = self.wanted(notes);
        let chosen = self.select(&wanted, notes)?;
        let bundle = self.bundle(&chosen.fit, &wanted, self.model);
        bundle.explain(notes);
        self.warn(&chosen, &wanted, &bundle, notes);
        let alternatives = self.alternatives(&chosen, &wanted, &bundle);
        let reasons = self.reasons_for_a_person(&wanted, &bundle);
        for reason in &reasons {
            notes.fired("needs-human", reason.clone());
        }
        Ok((self.draft(&chosen, &wanted, bundle, alternatives, notes), reasons))
    }
}
