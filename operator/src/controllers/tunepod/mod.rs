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
//! | Ready | Service and EndpointSlice lead to the pod; its usage is recorded each minute (folder `usage`) | the pod is not ready; the interval closes in that write |
//! | Degraded | a pod that failed is deleted and made again | the pod is ready, or the pool is gone |
//! | Failed | nothing until the time that is written | that time |
//! | Draining | door, token and certificate are deleted, the last usage is read, the pod is deleted | the pod is gone, or its time to go is over |
//! | Wiping | the pool is deleted; then the WipeEvidence is written | the provider has said twice that it does not exist, no operation runs, and the evidence was read back |
//! | Wiped | nothing; one that is deleted goes when its order has its intervals | - |
//!
//! Rights: tunepods (get list watch patch, status patch, finalizers), pods (get list watch create delete),
//! services and endpointslices (get create patch delete), secrets of organisations (get create patch delete), usagerecords (get create, status patch), namespaces (get).
//! See [`crate::rbac`].

mod access;
mod build;
mod conclude;
mod decide;
mod ending;
mod evidence;
mod observe;
mod port;
mod status;
#[cfg(test)]
mod tests;
mod usage;

use crate::context::{Context, Error};
use crate::controllers::execute;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use std::sync::Arc;
use trustbridge_api::{TunePod, labels};
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::controller::Controller;
use trustbridge_kit::shutdown::Shutdown;

/// Runs until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let pods: Api<PartialObjectMeta<Pod>> = Api::all(ctx.client.clone());
    let ours = watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR));
    Controller::<TunePod>::new("TunePod", Api::all(ctx.client.clone()), ctx.shared.clone())
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
