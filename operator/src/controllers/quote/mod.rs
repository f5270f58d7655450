//! Quote: prices a request at list.
//!
//! ```text
//! Requested --> Issued --> Accepted   (by the order that takes it)
//!     |            \-----> Expired    (`validUntil` passed)
//!     +--> NeedsHuman                 (no list price)
//!     \--> Rejected                   (the offer is not sold that way)
//! ```

mod decide;
pub mod digest;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::{Offer, Quote};
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
pub(crate) struct Observed {
    pub(crate) quote: Quote,
    pub(crate) offer: Option<Offer>,
    pub(crate) validity_s: i64,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let offers: Api<PartialObjectMeta<Offer>> = Api::all(ctx.client.clone());
    Controller::<Quote>::new("Quote", Api::all(ctx.client.clone()), ctx.shared.clone())
        .watches(
            offers,
            watcher::Config::default(),
            "Quote/Offer",
            |quotes, offer| {
                let asks = |q: &Quote| q.spec.offer_ref.name == offer.name_any();
                let all = quotes.state();
                let asking = all.iter().filter(|q| q.0.as_ref().is_ok_and(asks));
                asking.map(|q| ObjectRef::from_obj(&**q)).collect()
            },
        )
        .run(reconcile, ctx, shutdown)
        .await;
}

async fn reconcile(quote: Arc<Quote>, ctx: Arc<Context>) -> Result<Action, Error> {
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
    let namespace = quote.namespace();
    let Some(quote) = ctx
        .writer
        .get::<Quote>(namespace.as_deref(), &quote.name_any())
        .await?
    else {
        return Ok(None);
    };
    let offer = ctx.writer.get::<Offer>(None, &quote.spec.offer_ref.name).await?;
    Ok(Some(Observed {
        quote,
        offer,
        validity_s: ctx.settings.quote_validity_s,
    }))
}
