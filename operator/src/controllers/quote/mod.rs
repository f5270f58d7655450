//! Quote: what a request costs, under which terms, until when; frozen under a digest and signed.
//!
//! ```text
//! Requested --> Issued --> Accepted   (by the order that takes it)
//!     |          ^   \---> Expired    (`validUntil` passed)
//!     |          | `spec.resolution` of the seller: issue
//!     +--> NeedsHuman                 (no list price, above a limit, no known machine)
//!     |          | `spec.resolution` of the seller: reject
//!     \----------+-------> Rejected   (nothing fits)
//! ```
//!
//! By `offerRef` the offer is quoted at list price; by `rfq` the engine chooses among the offers that are Ready. Both go
//! through the same engine, [`trustbridge_domain::quote`].

mod decide;
mod document;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use decide::valid_until;
pub(crate) use request::plain;

use crate::context::{Context, Error};
use crate::controllers::execute;
use crate::seller::{self, Seller};
use kube::ResourceExt;
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::condition::Reason;
use trustbridge_api::{Offer, Quote, SellerProfile};
use trustbridge_domain::phase::QuotePhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::{Controller, Guarded};
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
pub(crate) struct Observed {
    pub(crate) quote: Quote,
    /// The offer that is named, or every offer there is.
    pub(crate) offers: Vec<Offer>,
    /// Who sells and signs, or in words why nobody does.
    pub(crate) seller: Result<Seller, String>,
}

/// Why a request cannot be priced now.
pub(crate) enum Waits {
    /// For something that may still come.
    For(Reason, String),
    /// It contradicts what is.
    InVain(String),
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let client = &ctx.client;
    let any = watcher::Config::default;
    let offers: Api<PartialObjectMeta<Offer>> = Api::all(client.clone());
    let sellers: Api<PartialObjectMeta<SellerProfile>> = Api::all(client.clone());
    Controller::<Quote>::new("Quote", Api::all(client.clone()), ctx.shared.clone())
        .watches(offers, any(), "Quote/Offer", |quotes, offer| {
            waiting(quotes, |quote| match &quote.spec.offer_ref {
                Some(wanted) => wanted.name == offer.name_any(),
                None => true,
            })
        })
        .watches(sellers, any(), "Quote/SellerProfile", |quotes, _| {
            waiting(quotes, |_| true)
        })
        .run(reconcile, Arc::clone(&ctx), shutdown)
        .await;
}

/// Quotes that nobody priced yet and that meet `concerns`: nothing else of a quote follows from catalog or seller.
fn waiting(
    quotes: &Store<Guarded<Quote>>,
    concerns: impl Fn(&Quote) -> bool,
) -> Vec<ObjectRef<Guarded<Quote>>> {
    let waits = |quote: &Quote| needs_the_catalog(quote) && concerns(quote);
    let all = quotes.state();
    let hit = all.iter().filter(|q| q.0.as_ref().is_ok_and(waits));
    hit.map(|q| ObjectRef::from_obj(&**q)).collect()
}

/// Whether the next decision prices it.
fn needs_the_catalog(quote: &Quote) -> bool {
    match quote.status.as_ref().map(|s| s.phase).unwrap_or_default() {
        QuotePhase::Requested => true,
        QuotePhase::NeedsHuman => quote.spec.resolution.is_some(),
        _ => false,
    }
}

pub(crate) async fn reconcile(quote: Arc<Quote>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe(&ctx, &quote).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide::decide(&seen, ctx.now());
    execute::settle(
        &ctx,
        FieldManager::QUOTE_STATUS,
        &seen.quote,
        seen.quote.status.as_ref(),
        &plan,
    )
    .await
}

async fn observe(ctx: &Context, quote: &Quote) -> Result<Option<Observed>, Error> {
    // What the watch told is enough where nothing is priced: a version that is behind is told again, and no status is
    // written over a later one.
    if !needs_the_catalog(quote) {
        return Ok(Some(unpriced(quote.clone())));
    }
    let namespace = quote.namespace();
    let Some(quote) = ctx
        .writer
        .get::<Quote>(namespace.as_deref(), &quote.name_any())
        .await?
    else {
        return Ok(None);
    };
    if !needs_the_catalog(&quote) {
        return Ok(Some(unpriced(quote)));
    }
    let offers: Vec<Offer> = if let Some(wanted) = &quote.spec.offer_ref {
        let offer: Option<Offer> = ctx.writer.get(None, &wanted.name).await?;
        offer.into_iter().collect()
    } else {
        // An offer that cannot be read is its own trouble, and nobody else's quote.
        let all = ctx.writer.list_cluster::<DeserializeGuard<Offer>>().await?;
        all.into_iter().filter_map(|offer| offer.0.ok()).collect()
    };
    let seller = seller::observe(ctx).await?;
    Ok(Some(Observed {
        quote,
        offers,
        seller,
    }))
}

/// A quote that needs neither catalog nor seller.
fn unpriced(quote: Quote) -> Observed {
    Observed {
        quote,
        offers: Vec::new(),
        seller: Err("nothing is priced".to_owned()),
    }
}
