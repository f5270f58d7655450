//! ChangeOrder: what a change of a running order costs, who decided, and when it was applied.
//!
//! ```text
//! Requested --> Quoted --> Accepted --> Applying --> Applied
//!   |    \        ^  |\        \            \---> RolledBack (the order ends, or it takes too long)
//!   |     v       |  | \        \---> Rejected (the order ends)
//!   |  NeedsHuman-+  |  \---> Declined
//!   |       |        \---> Expired (72 h, or another change was applied since)
//!   \-------+--> Rejected
//! ```
//!
//! The Order is the lock and the record. A change is accepted by an entry in the Order's `status.changes`, written at
//! the version that was read; it is applied, or given up, by a time in that entry. Only what was read back from there
//! moves the phase here. So of two changes one is first, and a crash between the two objects is made good by the next
//! look.

mod ask;
mod decide;
mod entry;
mod price;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use crate::controllers::order::changes;
use crate::seller::{self, Seller};
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::{BuyerOrg, ChangeOrder, Order, SellerProfile, TunePod};
use trustbridge_domain::names::org_of_namespace;
use trustbridge_domain::phase::ChangeOrderPhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) change: ChangeOrder,
    pub(crate) order: Option<Order>,
    /// The organisation, for its limit; read while a decision is waited for.
    pub(crate) buyer: Option<BuyerOrg>,
    /// Who sells and signs, or in words why nobody does; looked at where something is priced.
    pub(crate) seller: Result<Seller, String>,
    /// Whether another change that is on its way in the Order still exists.
    pub(crate) has_rival: bool,
    /// TunePods of the order; looked at while it is applied, and where a longer term is priced.
    pub(crate) tunepods: Vec<TunePod>,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let client = &ctx.client;
    let any = watcher::Config::default;
    let orders: Api<PartialObjectMeta<Order>> = Api::all(client.clone());
    let sellers: Api<PartialObjectMeta<SellerProfile>> = Api::all(client.clone());
    Controller::<ChangeOrder>::new("ChangeOrder", Api::all(client.clone()), ctx.shared.clone())
        .watches(orders, any(), "ChangeOrder/Order", |all, order| {
            let of_it = |change: &ChangeOrder| {
                change.namespace() == order.namespace() && change.spec.order_ref.name == order.name_any()
            };
            let all = all.state();
            let hit = all
                .iter()
                .filter(|c| c.0.as_ref().is_ok_and(|c| !is_over(c) && of_it(c)));
            hit.map(|c| ObjectRef::from_obj(&**c)).collect()
        })
        .watches(sellers, any(), "ChangeOrder/SellerProfile", |all, _| {
            let all = all.state();
            let hit = all.iter().filter(|c| c.0.as_ref().is_ok_and(is_priced_next));
            hit.map(|c| ObjectRef::from_obj(&**c)).collect()
        })
        .run(reconcile, Arc::clone(&ctx), shutdown)
        .await;
}

fn phase(change: &ChangeOrder) -> ChangeOrderPhase {
    change.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

/// Whether nothing follows any more.
fn is_over(change: &ChangeOrder) -> bool {
    phase(change).is_terminal()
}

/// Whether the next decision prices it.
fn is_priced_next(change: &ChangeOrder) -> bool {
    match phase(change) {
        ChangeOrderPhase::Requested => true,
        ChangeOrderPhase::NeedsHuman => change.spec.resolution.is_some(),
        _ => false,
    }
}

pub(crate) async fn reconcile(change: Arc<ChangeOrder>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe(&ctx, &change).await? else {
        return Ok(Action::await_change());
    };
    if is_over(&seen.change) {
        return Ok(Action::await_change());
    }
    let plan = decide::decide(&seen, ctx.now());
    execute::act(&ctx, &plan).await?;
    let old = seen.change.status.as_ref();
    execute::settle(&ctx, FieldManager::CHANGE_ORDER_STATUS, &seen.change, old, &plan).await
}

async fn observe(ctx: &Context, change: &ChangeOrder) -> Result<Option<Observed>, Error> {
    let namespace = change.namespace().unwrap_or_default();
    let Some(change) = ctx
        .writer
        .get::<ChangeOrder>(Some(&namespace), &change.name_any())
        .await?
    else {
        return Ok(None);
    };
    let mut seen = Observed {
        change,
        order: None,
        buyer: None,
        seller: Err("nothing is priced".to_owned()),
        has_rival: false,
        tunepods: Vec::new(),
    };
    if is_over(&seen.change) {
        return Ok(Some(seen));
    }
    let order = &seen.change.spec.order_ref.name;
    seen.order = ctx.writer.get::<Order>(Some(&namespace), order).await?;
    if is_priced_next(&seen.change) {
        seen.seller = seller::observe(ctx).await?;
        if seen.change.spec.request.extend_term_days.is_some() {
            see_tunepods(ctx, &namespace, &mut seen).await?;
        }
    }
    match phase(&seen.change) {
        ChangeOrderPhase::Quoted => see_rivals(ctx, &namespace, &mut seen).await?,
        ChangeOrderPhase::Applying => see_tunepods(ctx, &namespace, &mut seen).await?,
        _ => {}
    }
    Ok(Some(seen))
}

/// Who decides besides the buyer: the organisation's limit, and a change that is on its way already.
async fn see_rivals(ctx: &Context, namespace: &str, seen: &mut Observed) -> Result<(), Error> {
    if let Some(org) = org_of_namespace(namespace) {
        seen.buyer = ctx.writer.get(None, org).await?;
    }
    let status = seen.order.as_ref().and_then(|order| order.status.as_ref());
    let Some(rival) = status.and_then(changes::open) else {
        return Ok(());
    };
    if Some(&rival.uid) != seen.change.uid().as_ref() {
        let there = ctx
            .writer
            .get::<ChangeOrder>(Some(namespace), &rival.name)
            .await?;
        seen.has_rival = there.is_some_and(|there| there.uid().as_ref() == Some(&rival.uid));
    }
    Ok(())
}

async fn see_tunepods(ctx: &Context, namespace: &str, seen: &mut Observed) -> Result<(), Error> {
    let status = seen.order.as_ref().and_then(|order| order.status.as_ref());
    let names = status
        .iter()
        .flat_map(|s| &s.instances)
        .map(|instance| &instance.name);
    for name in names {
        seen.tunepods
            .extend(ctx.writer.get::<TunePod>(Some(namespace), name).await?);
    }
    Ok(())
}
