//! Nodes by Karpenter, as AKS has it (node auto-provisioning): a NodePool of one node and its `AKSNodeClass`.
//!
//! No credentials of Azure are needed here: Karpenter has them. It must run with the feature gate `StaticCapacity`, by
//! which a NodePool has its nodes without waiting for pods.
//!
//! Crash reasoning. Both objects have the pool's name, which is in the TunePod's status before the first create, and
//! carry the TunePod's UID. A create is one: the name is the lock. A crash between the two creates leaves an
//! `AKSNodeClass` alone, which costs nothing, is seen as half made, and is deleted before the next attempt.
//!
//! | There is | It means |
//! |---|---|
//! | neither, and no `NodeClaim` and no Node that names the pool | absent |
//! | a NodePool with a `NodeClaim` that is Ready | ready |
//! | no `NodeClaim` with a machine, but one whose launch failed for minutes, or the event of one for which there was none | broken, by the classes of ARM |
//! | anything else of ours | Karpenter works on it |
//!
//! A static NodePool tries for ever: what is broken is deleted, and made again after the pause of its class, so that a
//! used-up quota does not churn claims.

mod objects;
mod reading;
#[cfg(test)]
mod tests;

pub use objects::{NodeClaim, NodeClaimSpec};

use super::{
    Answer, NodeLabels, NodePoolProvider, OperationView, OwnedPool, PoolError, PoolIntent, PoolView,
};
use crate::nodepool::aks::trouble_of;
use crate::nodepool::capacity::{CapacityView, Refusals, Wanted};
use futures::future::{BoxFuture, ready};
use k8s_openapi::api::core::v1::{Event, Node};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use objects::{POOL_LABEL, at, node_claims, node_class, node_classes, node_pool, node_pools};
use reading::{
    NO_CAPACITY, Sight, is_leaving, owned, owned_by, refused_by_server, refused_with, text, view, working,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::labels;
use trustbridge_kit::apply::{Built, Created, FieldManager, Target, Writer};
use trustbridge_kit::clock::Clock;
use trustbridge_kit::cover::covers;

/// Time for one list.
const CALL: Duration = Duration::from_secs(8);
/// Pause between looks.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Where events of objects lie that are in no namespace.
const EVENTS_OF_CLUSTER: &str = "default";

/// What every pool is made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Image family of the `AKSNodeClass`. Example: `Ubuntu2204`.
    pub image_family: String,
    /// Size of the system disk in GB.
    pub os_disk_gb: u32,
    /// `regional` or `zonal`; `None` leaves it to Karpenter.
    pub placement_scope: Option<String>,
    /// More labels of the nodes.
    pub node_labels: NodeLabels,
}

/// Karpenter in the operator's own cluster.
pub struct Karpenter {
    client: kube::Client,
    writer: Writer,
    clock: Arc<dyn Clock>,
    wish: Wish,
    refusals: Refusals,
}

impl Karpenter {
    /// `NodePools` as `wish` says, written by `writer`.
    #[must_use]
    pub fn new(client: kube::Client, writer: Writer, clock: Arc<dyn Clock>, wish: Wish) -> Self {
        Self {
            client,
            writer,
            clock,
            wish,
            refusals: Refusals::default(),
        }
    }

    async fn look(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        let sight = self.sight(pool).await?;
        let view = view(&sight, pool, self.clock.now());
        self.refusals.seen(pool, &view);
        view
    }

    async fn sight(&self, pool: &PoolIntent) -> Result<Sight, PoolError> {
        let named = format!("{POOL_LABEL}={}", pool.name);
        let mut sight = Sight {
            pool: self.get(&at(node_pools(), &pool.name)).await?,
            class: self.get(&at(node_classes(), &pool.name)).await?,
            claims: self.list(node_claims(), &named).await?,
            ..Sight::default()
        };
        if sight.pool.is_none() {
            let nodes: Api<Node> = Api::all(self.client.clone());
            let params = ListParams::default().labels(&named);
            sight.nodes = bounded(nodes.list_metadata(&params)).await?.items.len();
        } else {
            let events: Api<Event> = Api::namespaced(self.client.clone(), EVENTS_OF_CLUSTER);
            let of_claims = format!("involvedObject.kind=NodeClaim,reason={NO_CAPACITY}");
            let params = ListParams::default().fields(&of_claims);
            sight.events = bounded(events.list(&params)).await?.items;
        }
        Ok(sight)
    }

    async fn get(&self, target: &Target) -> Result<Option<Value>, PoolError> {
        let found = self.writer.get_any(target).await;
        found.map_err(|error| refused_by_server(&error))
    }

    async fn list(&self, resource: ApiResource, selector: &str) -> Result<Vec<Value>, PoolError> {
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let params = ListParams::default().labels(selector);
        let found = bounded(all.list(&params)).await?.items;
        let values = found.into_iter().map(serde_json::to_value);
        values
            .collect::<Result<_, _>>()
            .map_err(|error| trouble_of("Undecodable", error.to_string()))
    }

    async fn make(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        for built in [node_class(pool, &self.wish), node_pool(pool, &self.wish)] {
            self.bring(pool, built).await?;
        }
        Ok(working("Creating"))
    }

    /// Creates it; one that is there and ours is made what it should be, one that is not is left alone.
    async fn bring(&self, pool: &PoolIntent, mut built: Built) -> Result<(), PoolError> {
        let made = self.writer.create(FieldManager::NODE_POOL, &built).await;
        match made.map_err(|error| refused_by_server(&error))? {
            Created::New(_) => return Ok(()),
            Created::Exists => {}
        }
        // Gone again in between: the next look tells.
        let Some(found) = self.get(&built.target).await? else {
            return Ok(());
        };
        owned_by(&found, pool)?;
        if covers(&found, &built.body) || is_leaving(&found) {
            return Ok(());
        }
        // To the very object that was looked at.
        if let Some(metadata) = built.body.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), text(&found, "/metadata/uid").into());
        }
        let applied = self.writer.apply(FieldManager::NODE_POOL, &built).await;
        applied.map_err(|error| refused_by_server(&error))
    }

    async fn destroy(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        let sight = self.sight(pool).await?;
        if let Some(found) = &sight.pool {
            owned_by(found, pool)?;
            self.remove(node_pools(), found).await?;
            return Ok(working("Deleting"));
        }
        // Claims of a NodePool that somebody took away from under them are nobody else's to end.
        for claim in &sight.claims {
            if owned_by(claim, pool).is_ok() {
                self.remove(node_claims(), claim).await?;
            }
        }
        if !sight.claims.is_empty() || sight.nodes > 0 {
            return Ok(working("Deleting"));
        }
        let Some(class) = &sight.class else {
            return Ok(PoolView::Absent);
        };
        owned_by(class, pool)?;
        self.remove(node_classes(), class).await?;
        Ok(working("Deleting"))
    }

    async fn remove(&self, resource: ApiResource, found: &Value) -> Result<(), PoolError> {
        if is_leaving(found) {
            return Ok(());
        }
        let target = at(resource, text(found, "/metadata/name"));
        let gone = self.writer.delete(&target, text(found, "/metadata/uid")).await;
        gone.map_err(|error| refused_by_server(&error))
    }
}

async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, PoolError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => {
            let words = format!("a list was refused: {}", status.message);
            Err(refused_with(status.code, &status.reason, words))
        }
        Ok(Err(error)) => Err(trouble_of("ListFailed", error.to_string())),
        Err(_) => {
            let words = format!("a list took longer than {} s", CALL.as_secs());
            Err(trouble_of("ListFailed", words))
        }
    }
}

impl NodePoolProvider for Karpenter {
    fn name(&self) -> &'static str {
        "karpenter"
    }

    fn makes_nodes(&self) -> bool {
        true
    }

    fn has_node_claims(&self) -> bool {
        true
    }

    fn operation<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<OperationView, PoolError>> {
        // What is asked for is an object, and stands there or not: there are no operations besides.
        Box::pin(ready(Ok(OperationView::Ended("Forgotten".to_owned()))))
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<OwnedPool>, PoolError>> {
        Box::pin(async {
            let ours = format!("{}={}", labels::MANAGED_BY, labels::OPERATOR);
            let found = self.list(node_pools(), &ours).await?;
            Ok(found.iter().filter_map(owned).collect())
        })
    }

    fn node_selector(&self, pool: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(POOL_LABEL.to_owned(), pool.to_owned())])
    }

    fn observe<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.look(pool))
    }

    fn ensure<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.make(pool))
    }

    fn delete<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.destroy(pool))
    }

    fn capacity<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, CapacityView> {
        Box::pin(ready(self.refusals.view(&wanted.vm_size)))
    }
}
