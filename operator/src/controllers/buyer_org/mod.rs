//! BuyerOrg: the two namespaces of an organisation and everything in them that is there before any order.
//!
//! ```text
//! BuyerOrg --> tb-<org>            quota, default deny, way to protected pods, ServiceAccount, members' RoleBinding
//!          +-> tb-<org>-protected  quota, default deny, way out, way in from tb-<org>, ServiceAccount, CA bundle
//! ```
//!
//! Everything is applied, nothing is ever deleted: what an organisation bought stays readable.

pub mod build;
mod decide;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use trustbridge_api::BuyerOrg;
use trustbridge_kit::apply::{Built, FieldManager};
use trustbridge_kit::controller::Controller;
use trustbridge_kit::cover::covers;
use trustbridge_kit::shutdown::Shutdown;

/// What a decision sees.
pub(crate) struct Observed {
    pub(crate) org: BuyerOrg,
    /// What should be there, and whether it is.
    pub(crate) children: Vec<(Built, bool)>,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let controller = Controller::new("BuyerOrg", Api::all(ctx.client.clone()), ctx.shared.clone());
    controller.run(reconcile, ctx, shutdown).await;
}

pub(crate) async fn reconcile(org: Arc<BuyerOrg>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe(&ctx, &org).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide::decide(&seen, ctx.now());
    execute::act(&ctx, &plan).await?;
    execute::settle(
        &ctx,
        FieldManager::BUYER_ORG_STATUS,
        &seen.org,
        seen.org.status.as_ref(),
        &plan,
    )
    .await
}

async fn observe(ctx: &Context, org: &BuyerOrg) -> Result<Option<Observed>, Error> {
    let fresh: Option<BuyerOrg> = ctx.writer.get(None, &org.name_any()).await?;
    let Some(org) = fresh.filter(|o| o.metadata.deletion_timestamp.is_none()) else {
        return Ok(None);
    };
    let mut children = Vec::new();
    for built in build::all(&org, &ctx.settings) {
        let is_there = ctx
            .writer
            .get_any(&built.target)
            .await?
            .is_some_and(|found| covers(&found, &built.body));
        children.push((built, is_there));
    }
    Ok(Some(Observed { org, children }))
}
