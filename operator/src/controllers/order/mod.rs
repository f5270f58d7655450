//! Order: from what a buyer wrote to running TunePods, and to the end.
//!
//! ```text
//! Pending --> Confirmed --> Provisioning <--> Failed
//!    |            |              |   \----------|
//!    |            |              v              v
//!    |            |            Active --> Terminating --> Terminated
//!    \--> Rejected \--> Cancelled
//! ```
//!
//! Pending: references are resolved (an unknown one is waited for), an order by `offerRef` makes its quote,
//! and the quote is taken: first written into the Quote, then, once that was read back, frozen here. One
//! quote has one order, because the Quote's version decides who wrote first.

mod build;
pub(crate) mod changes;
mod conclude;
mod cost;
mod decide;
pub(crate) mod ledger;
mod pending;
mod status;
mod teardown;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::{execute, invoice};
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use std::sync::Arc;
use trustbridge_api::{BuyerOrg, Invoice, ModelAsset, Offer, Order, Quote, TunePod, labels};
use trustbridge_domain::names::org_of_namespace;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::{Controller, Guarded};
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) order: Order,
    /// The organisation by the namespace's name, and what is known of it.
    pub(crate) org: String,
    pub(crate) buyer: Option<BuyerOrg>,
    pub(crate) offer: Option<Offer>,
    pub(crate) asset: Option<ModelAsset>,
    pub(crate) quote: Option<Quote>,
    /// Those that exist of the instances that the order has.
    pub(crate) tunepods: Vec<TunePod>,
    /// Whether invoices up to its end are still to be written down; looked at only while it ends.
    pub(crate) owes_invoices: bool,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let client = &ctx.client;
    let any = watcher::Config::default;
    let controller = Controller::<Order>::new("Order", Api::all(client.clone()), ctx.shared.clone())
        .watches(tunepods(client), any(), "Order/TunePod", |_, child| named(child))
        .watches(quotes(client), any(), "Order/Quote", |_, child| named(child))
        .watches(invoices(client), any(), "Order/Invoice", |_, child| named(child));
    controller
        .watches(
            Api::<PartialObjectMeta<Offer>>::all(client.clone()),
            any(),
            "Order/Offer",
            |orders, offer| {
                waiting(orders, |o| {
                    o.spec
                        .offer_ref
                        .as_ref()
                        .is_some_and(|r| r.name == offer.name_any())
                })
            },
        )
        .watches(
            Api::<PartialObjectMeta<ModelAsset>>::all(client.clone()),
            any(),
            "Order/ModelAsset",
            |orders, asset| {
                waiting(orders, |o| {
                    o.spec
                        .model_asset_ref
                        .as_ref()
                        .is_some_and(|r| r.name == asset.name_any())
                })
            },
        )
        .watches(
            Api::<PartialObjectMeta<BuyerOrg>>::all(client.clone()),
            any(),
            "Order/BuyerOrg",
            |orders, org| {
                waiting(orders, |o| {
                    org_of_namespace(&o.namespace().unwrap_or_default()) == Some(&org.name_any())
                })
            },
        )
        .run(reconcile, Arc::clone(&ctx), shutdown)
        .await;
}

fn tunepods(client: &Client) -> Api<PartialObjectMeta<TunePod>> {
    Api::all(client.clone())
}

fn quotes(client: &Client) -> Api<PartialObjectMeta<Quote>> {
    Api::all(client.clone())
}

fn invoices(client: &Client) -> Api<PartialObjectMeta<Invoice>> {
    Api::all(client.clone())
}

/// The order that a child's label names.
fn named<K: Resource>(child: &K) -> Vec<ObjectRef<Guarded<Order>>> {
    let name = child.labels().get(labels::ORDER);
    let namespace = child.namespace().unwrap_or_default();
    name.map(|name| ObjectRef::new(name).within(&namespace))
        .into_iter()
        .collect()
}

/// Orders that are still pending and meet `concerns`: nothing else of an order follows from a catalog change.
fn waiting(
    orders: &Store<Guarded<Order>>,
    concerns: impl Fn(&Order) -> bool,
) -> Vec<ObjectRef<Guarded<Order>>> {
    let is_pending = |o: &Order| {
        o.status
            .as_ref()
            .is_none_or(|s| s.phase == trustbridge_domain::phase::OrderPhase::Pending)
    };
    let all = orders.state();
    let hit = all
        .iter()
        .filter(|o| o.0.as_ref().is_ok_and(|o| is_pending(o) && concerns(o)));
    hit.map(|o| ObjectRef::from_obj(&**o)).collect()
}

pub(crate) async fn reconcile(order: Arc<Order>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe(&ctx, &order).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide::decide(&seen, ctx.now());
    let outcome = execute::act(&ctx, &plan).await?;
    let plan = conclude::conclude(&seen, plan, outcome, ctx.now());
    execute::settle(
        &ctx,
        FieldManager::ORDER_STATUS,
        &seen.order,
        seen.order.status.as_ref(),
        &plan,
    )
    .await
}

async fn observe(ctx: &Context, order: &Order) -> Result<Option<Observed>, Error> {
    let namespace = order.namespace().unwrap_or_default();
    let Some(order) = ctx
        .writer
        .get::<Order>(Some(&namespace), &order.name_any())
        .await?
    else {
        return Ok(None);
    };
    let org = org_of_namespace(&namespace).unwrap_or_default().to_owned();
    let mut seen = Observed {
        order,
        org,
        buyer: None,
        offer: None,
        asset: None,
        quote: None,
        tunepods: Vec::new(),
        owes_invoices: false,
    };
    if !decide::is_over(&seen.order) {
        see_references(ctx, &namespace, &mut seen).await?;
    }
    if decide::is_terminating(&seen.order) {
        seen.owes_invoices = invoice::owes_invoices(ctx, &seen.order, &seen.tunepods).await?;
    }
    Ok(Some(seen))
}

async fn see_references(ctx: &Context, namespace: &str, seen: &mut Observed) -> Result<(), Error> {
    if !seen.org.is_empty() {
        seen.buyer = ctx.writer.get(None, &seen.org).await?;
    }
    seen.quote = ctx
        .writer
        .get(Some(namespace), &build::quote_name(&seen.order, &seen.org))
        .await?;
    if let Some(offer) = &seen.order.spec.offer_ref {
        seen.offer = ctx.writer.get(None, &offer.name).await?;
    }
    if let Some(asset) = &seen.order.spec.model_asset_ref {
        seen.asset = ctx.writer.get(None, &asset.name).await?;
    }
    for name in build::instance_names(&seen.order) {
        seen.tunepods
            .extend(ctx.writer.get::<TunePod>(Some(namespace), &name).await?);
    }
    Ok(())
}
