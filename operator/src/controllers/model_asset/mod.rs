//! ModelAsset: compares what the seller wrote with what the provider's control plane holds.
//!
//! ```text
//! Pending --> Ready       the control plane holds the same manifest
//!     \-----> Rejected    it holds another one, or does not know the asset
//! ```
//!
//! Asked again every five minutes; a correction on either side is found by itself. An outage of the
//! control plane takes nothing back that was confirmed for the present spec.

mod decide;
mod observe;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::controller::Action;
use std::sync::Arc;
use trustbridge_api::ModelAsset;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let controller = Controller::new("ModelAsset", Api::all(ctx.client.clone()), ctx.shared.clone());
    controller.run(reconcile, ctx, shutdown).await;
}

async fn reconcile(asset: Arc<ModelAsset>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(asset) = ctx.writer.get::<ModelAsset>(None, &asset.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let answer = observe::ask(&ctx.https, &asset).await;
    let plan = decide::decide(&asset, &answer, ctx.now());
    execute::settle(
        &ctx,
        FieldManager::MODEL_ASSET_STATUS,
        &asset,
        asset.status.as_ref(),
        &plan,
    )
    .await
}
