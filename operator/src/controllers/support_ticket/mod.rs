//! SupportTicket: takes what a buyer asks, follows what the seller's people answer, and watches the promised times.
//!
//! ```text
//! Open --> Acknowledged --> InProgress <--> WaitingForCustomer
//!   |            |   \          |                  |
//!   |            |    \-----> Resolved <-----------/
//!   |            |              |  ^  (taken up again: InProgress)
//!   \------------\-> Closed <---/  Closed by people, or by the clock after `closeResolvedAfterDays`
//! ```
//!
//! People write `spec.updates`, each with the phase that it leaves the ticket in; the API server refuses one that may
//! not follow. The phase walks after them, one update in one write, so that no edge is skipped and each is told by an
//! event. What was promised is frozen with the first look and follows from the order's lines and the SellerProfile; due
//! times and breaches are functions of it, of the moves and of the clock.
//!
//! Rights: supporttickets (get list watch, status patch), tunepods, orders, sellerprofiles (get).

mod decide;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use decide::Observed;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use trustbridge_api::seller_profile::NAME;
use trustbridge_api::{Order, SellerProfile, SupportTicket, TunePod};
use trustbridge_domain::phase::TicketPhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let controller = Controller::new("SupportTicket", Api::all(ctx.client.clone()), ctx.shared.clone());
    controller.run(reconcile, ctx, shutdown).await;
}

pub(crate) async fn reconcile(ticket: Arc<SupportTicket>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe(&ctx, &ticket).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide::decide(&seen, ctx.now());
    let old = seen.ticket.status.as_ref();
    let is_over = plan.status.phase == TicketPhase::Closed && old == Some(&plan.status);
    let again = execute::settle(
        &ctx,
        FieldManager::SUPPORT_TICKET_STATUS,
        &seen.ticket,
        old,
        &plan,
    )
    .await?;
    Ok(if is_over { Action::await_change() } else { again })
}

async fn observe(ctx: &Context, ticket: &SupportTicket) -> Result<Option<Observed>, Error> {
    let namespace = ticket.namespace().unwrap_or_default();
    let found = ctx.writer.get(Some(&namespace), &ticket.name_any()).await?;
    let Some(ticket): Option<SupportTicket> = found else {
        return Ok(None);
    };
    let mut seen = Observed {
        ticket,
        profile: ctx.writer.get::<SellerProfile>(None, NAME).await?.map(|p| p.spec),
        tunepod: None,
        order: None,
    };
    let is_taken = seen.ticket.status.as_ref().is_some_and(|s| s.promise.is_some());
    if let Some(named) = seen.ticket.spec.tune_pod_ref.as_ref().filter(|_| !is_taken) {
        seen.tunepod = ctx.writer.get::<TunePod>(Some(&namespace), &named.name).await?;
    }
    if let Some(tunepod) = &seen.tunepod {
        let order = &tunepod.spec.order_ref.name;
        seen.order = ctx.writer.get::<Order>(Some(&namespace), order).await?;
    }
    Ok(Some(seen))
}
