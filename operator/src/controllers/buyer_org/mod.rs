//! BuyerOrg: the two namespaces of an organisation and everything in them that is there before any order.
//!
//! ```text
//! BuyerOrg --> tb-<org>            quota, default deny, way to protected pods, ServiceAccount, members' RoleBinding,
//!          |                        their right to read the tokens of their TunePods
//!          +-> tb-<org>-protected  quota, default deny, way out, way in from tb-<org>, way to the API server, ServiceAccount,
//!          |                        the sentinels' right to renew their Leases, CA bundle
//!          +-> both                 the operator's right to Secrets and Leases
//! ```
//!
//! Everything is applied, nothing is ever deleted: what an organisation bought stays readable.

pub mod build;
mod decide;
#[cfg(test)]
mod tests;

use crate::context::{Context, Error};
use crate::controllers::execute;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::{BuyerOrg, TunePod};
use trustbridge_domain::names::{self, org_of_namespace};
use trustbridge_kit::apply::{Built, FieldManager, Writer};
use trustbridge_kit::controller::Controller;
use trustbridge_kit::cover::covers;
use trustbridge_kit::shutdown::Shutdown;

/// Namespace and name of the `EndpointSlice` in which API servers say where they are.
const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// What a decision sees.
pub(crate) struct Observed {
    pub(crate) org: BuyerOrg,
    /// What should be there, and whether it is.
    pub(crate) children: Vec<(Built, bool)>,
}

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let tunepods: Api<PartialObjectMeta<TunePod>> = Api::all(ctx.client.clone());
    Controller::<BuyerOrg>::new("BuyerOrg", Api::all(ctx.client.clone()), ctx.shared.clone())
        .watches(
            tunepods,
            watcher::Config::default(),
            "BuyerOrg/TunePod",
            |_, tunepod| {
                // New ones alone, which have no finalizer yet: nothing here follows from what becomes of them.
                let namespace = tunepod.namespace().unwrap_or_default();
                let org = org_of_namespace(&namespace).filter(|_| tunepod.finalizers().is_empty());
                org.map(ObjectRef::new).into_iter().collect()
            },
        )
        .run(reconcile, ctx, shutdown)
        .await;
}

/// Names of the organisation's TunePods, in one order whoever lists them.
async fn tunepods(writer: &Writer, org: &BuyerOrg) -> Result<Vec<String>, Error> {
    let namespace = names::org_namespace(&org.name_any());
    // One that cannot be read is its own trouble: its name is all that is needed.
    let found: Vec<PartialObjectMeta<TunePod>> = writer.list(&namespace, "").await?;
    let mut names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
    names.sort_unstable();
    Ok(names)
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
    let tunepods = tunepods(&ctx.writer, &org).await?;
    let api_server: Option<EndpointSlice> = ctx.writer.get(Some(API_SERVER.0), API_SERVER.1).await?;
    let way = api_server.and_then(|endpoints| build::to_api_server(&org, &endpoints));
    for built in build::all(&org, &ctx.settings, &tunepods).into_iter().chain(way) {
        let is_there = ctx
            .writer
            .get_any(&built.target)
            .await?
            .is_some_and(|found| covers(&found, &built.body));
        children.push((built, is_there));
    }
    Ok(Some(Observed { org, children }))
}
