//! TunePod: one instance of an order, from nothing to serving to nothing.
//!
//! ```text
//! Pending -> Scheduling -> Provisioning -> Verifying -> Ready <-> Degraded
//!               ^   \______________\___________\___________________/  |
//!               |                  v                                  |
//!               +--------------- Failed <-----------------------------+
//! any of these -> Draining -> Wiping -> Wiped
//! ```
//!
//! | Phase | What is done in it | Leaves when |
//! |---|---|---|
//! | Pending | the finalizer is set | the pool's name is fixed (in the same write) |
//! | Scheduling | nothing: the intent stands | at once |
//! | Provisioning | the provider is asked, and asked again as it wishes | the pool is there |
//! | Verifying | token and certificate are made (folder `access`), then the pod, once | the pod is ready and its port answers over TLS and takes the token; the interval opens in that write |
//! | Verifying, `byoWorkspace` | each line of the definition of ready is checked | every line holds; the interval opens in that write |
//! | Ready | Service and EndpointSlice lead to the pod; its usage is recorded each minute (folder `usage`) | the pod is not ready; the interval closes in that write |
//! | Degraded | a pod that failed is deleted and made again | the pod is ready, or the pool is gone |
//! | Failed | nothing until the time that is written | that time |
//! | Draining | door, token and certificate are deleted, the last usage is read, the pod is deleted | the pod is gone, or its time to go is over |
//! | Wiping | the pool is deleted; then the WipeEvidence is written | the provider has said twice that it does not exist, no operation runs, and the evidence was read back |
//! | Wiped | nothing; one that is deleted goes when its order has its intervals | - |
//!
//! Rights: tunepods (get list watch patch, status patch, finalizers), pods (get list watch create delete),
//! services and endpointslices (get create patch delete), leases of organisations (get create patch delete), secrets of organisations (get create patch delete), usagerecords (get create, status patch), namespaces (get).
//! See [`crate::rbac`].

mod access;
mod build;
mod conclude;
mod decide;
mod ending;
mod evidence;
mod folding;
mod heartbeat;
mod observe;
mod port;
mod readiness;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod usage;
mod workspace;

use crate::context::{Context, Error};
use crate::controllers::execute;
use crate::nodepool::karpenter::NodeClaim;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::{TunePod, labels};
use trustbridge_domain::names;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::{Controller, Guarded};
use trustbridge_kit::shutdown::Shutdown;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let pods: Api<PartialObjectMeta<Pod>> = Api::all(ctx.client.clone());
    let ours = watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR));
    let controller = Controller::<TunePod>::new("TunePod", Api::all(ctx.client.clone()), ctx.shared.clone());
    let controller = if ctx.pools.has_node_claims() {
        let claims: Api<PartialObjectMeta<NodeClaim>> = Api::all(ctx.client.clone());
        let any = watcher::Config::default();
        controller.watches(claims, any, "TunePod/NodeClaim", |_, claim| {
            named(claim).into_iter().collect()
        })
    } else {
        controller
    };
    controller
        .watches(pods, ours, "TunePod/Pod", |_, pod| {
            let owner = pod
                .annotations()
                .get(labels::TUNEPOD)
                .and_then(|a| a.split_once('/'));
            owner
                .map(|(namespace, name)| ObjectRef::new(name).within(namespace))
                .into_iter()
                .collect()
        })
        .run(reconcile, ctx, shutdown)
        .await;
}

/// The TunePod that the labels of a machine name.
fn named(claim: &PartialObjectMeta<NodeClaim>) -> Option<ObjectRef<Guarded<TunePod>>> {
    let told = claim.labels();
    let (org, name) = (told.get(labels::ORG)?, told.get(labels::TUNEPOD)?);
    Some(ObjectRef::new(name).within(&names::org_namespace(org)))
}

pub(crate) async fn reconcile(tunepod: Arc<TunePod>, ctx: Arc<Context>) -> Result<Action, Error> {
    let Some(seen) = observe::observe(&ctx, &tunepod).await? else {
        return Ok(Action::await_change());
    };
    let plan = decide::decide(&seen, ctx.now());
    let outcome = execute::act(&ctx, &plan).await?;
    let plan = conclude::conclude(&seen, plan, outcome, ctx.now());
    execute::settle(
        &ctx,
        FieldManager::TUNEPOD_STATUS,
        &seen.tunepod,
        seen.tunepod.status.as_ref(),
        &plan,
    )
    .await
}
