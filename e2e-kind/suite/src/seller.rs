//! The seller: the catalog, and the buyer's organisation.

use crate::kubectl::Kubectl;
use crate::orgs::MADE_BY;
use crate::wait;
use crate::world::World;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use std::time::Duration;
use trustbridge_api::{BuyerOrg, Offer};
use trustbridge_domain::names::protected_namespace;

/// The offer that is ordered.
pub const OFFER: &str = "studio-gen-1gpu";

/// Waits until every offer of the catalog is Ready.
pub async fn catalog(world: &World) -> Result<String> {
    let api: Api<Offer> = Api::all(world.client().await?);
    let offers = api.list(&ListParams::default()).await?;
    ensure!(!offers.items.is_empty(), "the chart's catalog made no offer");
    for offer in &offers.items {
        let name = offer
            .metadata
            .name
            .as_deref()
            .context("an offer without a name")?;
        wait::until(&api, name, "Ready", Duration::from_secs(30), |offer: &Offer| {
            let conditions = offer.status.iter().flat_map(|status| &status.conditions);
            conditions
                .clone()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        })
        .await?;
    }
    Ok(format!("{} offers are Ready", offers.items.len()))
}

/// Makes the buyer organisation and waits until its namespaces are there.
pub async fn organisation(world: &World, org: &str) -> Result<String> {
    let manifest = json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "BuyerOrg", "spec": {},
        "metadata": {"name": org, "labels": {MADE_BY.0: MADE_BY.1}},
    });
    Kubectl::of(world).apply(&manifest.to_string()).await?;
    let client = world.client().await?;
    let api: Api<BuyerOrg> = Api::all(client.clone());
    let org_is_ready = |org: &BuyerOrg| {
        let conditions = org.status.iter().flat_map(|status| &status.conditions);
        conditions
            .clone()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    wait::until(&api, org, "Ready", Duration::from_secs(30), org_is_ready).await?;
    // Pods need what other controllers put into a new namespace.
    let maps: Api<ConfigMap> = Api::namespaced(client, &protected_namespace(org));
    wait::until(
        &maps,
        "kube-root-ca.crt",
        "there",
        Duration::from_secs(30),
        |_: &ConfigMap| true,
    )
    .await?;
    Ok(format!("namespaces tb-{org} and tb-{org}-protected"))
}
