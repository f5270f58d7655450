//! The organisations of demo and tests, and their end.

use crate::buyer::Purchase;
use crate::world::World;
use crate::{terminate, wait};
use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use std::time::Duration;
use trustbridge_api::{BuyerOrg, ModelAsset, Order};
use trustbridge_domain::names::{org_namespace, protected_namespace};
use trustbridge_domain::phase::OrderPhase;

/// Assets of demo and tests begin like this.
const ASSET_PREFIX: &str = "tb-asset-e2e-";

/// How long a namespace may take to go.
const LIMIT: Duration = Duration::from_mins(2);

/// Label of what demo and tests make: nothing else is ever taken away, whoever's cluster it is.
pub const MADE_BY: (&str, &str) = ("trustbridge.io/made-by", "e2e-suite");

/// Ends every order of our organisations, deletes these with their namespaces, and our ModelAssets.
pub async fn remove_all(world: &World) -> Result<String> {
    let client = world.client().await?;
    let orgs: Api<BuyerOrg> = Api::all(client.clone());
    let ours = ListParams::default().labels(&format!("{}={}", MADE_BY.0, MADE_BY.1));
    let known = match orgs.list(&ours).await {
        Ok(list) => list.items,
        // The definitions are gone already, and everything of theirs with them.
        Err(kube::Error::Api(refusal)) if refusal.code == 404 => return Ok("nothing was there".to_owned()),
        Err(error) => return Err(error.into()),
    };
    for org in &known {
        remove(world, &org.name_any()).await?;
    }
    let assets: Api<ModelAsset> = Api::all(client);
    for asset in assets.list(&ListParams::default()).await? {
        if asset.name_any().starts_with(ASSET_PREFIX) {
            forgiving(
                assets
                    .delete(&asset.name_any(), &DeleteParams::default())
                    .await
                    .map(drop),
            )?;
        }
    }
    Ok(format!("organisations that were there: {}", known.len()))
}

/// Ends the orders of an organisation, and deletes it with its namespaces.
pub async fn remove(world: &World, org: &str) -> Result<()> {
    let client = world.client().await?;
    let orders: Api<Order> = Api::namespaced(client.clone(), &org_namespace(org));
    for order in orders.list(&ListParams::default()).await? {
        end(world, &Purchase::new(org, &order.name_any()), &order).await?;
    }
    let_go(world, org).await?;
    let namespaces: Api<Namespace> = Api::all(client);
    for name in [org_namespace(org), protected_namespace(org)] {
        wait::until_gone(&namespaces, &name, LIMIT).await?;
    }
    Ok(())
}

/// Deletes an organisation whose orders are over; its namespaces go in their own time.
pub async fn let_go(world: &World, org: &str) -> Result<()> {
    let client = world.client().await?;
    let orgs: Api<BuyerOrg> = Api::all(client.clone());
    forgiving(orgs.delete(org, &DeleteParams::default()).await.map(drop))?;
    let namespaces: Api<Namespace> = Api::all(client);
    for name in [org_namespace(org), protected_namespace(org)] {
        forgiving(namespaces.delete(&name, &DeleteParams::default()).await.map(drop))?;
    }
    Ok(())
}

/// An order that lives is ended, so that its node pool goes; the namespace's end would not wait for it.
async fn end(world: &World, purchase: &Purchase, order: &Order) -> Result<()> {
    let phase = order
        .status
        .as_ref()
        .map(|status| status.phase)
        .unwrap_or_default();
    if phase == OrderPhase::Pending || phase.is_terminal() {
        return Ok(());
    }
    if order.spec.termination.is_none() {
        terminate::ask(world, purchase, "the organisation goes").await?;
    }
    purchase
        .until_phase(world, OrderPhase::Terminated, terminate::LIMIT)
        .await
        .map(drop)
}

fn forgiving(result: kube::Result<()>) -> Result<()> {
    match result {
        Err(kube::Error::Api(refusal)) if refusal.code == 404 => Ok(()),
        other => Ok(other?),
    }
}
