//! What Karpenter is asked for: a NodePool of one node, and the `AKSNodeClass` that it is made by. Pure.

use super::Wish;
use crate::nodepool::PoolIntent;
use kube::CustomResource;
use kube::api::ApiResource;
use kube::core::gvk::GroupVersionKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trustbridge_api::labels;
use trustbridge_azure::arm::body::{TAG_ORDER, TAG_TUNEPOD, TAG_UID};
use trustbridge_kit::apply::{Built, Target};

/// Label by which `NodeClaims` and Nodes name their pool.
pub(super) const POOL_LABEL: &str = "karpenter.sh/nodepool";
/// Annotation with the UID of the TunePod; what carries another is not ours.
pub(super) const UID: &str = "trustbridge.io/tunepod-uid";
/// Annotation with the name of the order.
pub(super) const ORDER: &str = "trustbridge.io/order-name";

/// A `NodeClaim`, as it is watched: its metadata alone.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize)]
#[kube(
    group = "karpenter.sh",
    version = "v1",
    kind = "NodeClaim",
    plural = "nodeclaims",
    schema = "disabled"
)]
pub struct NodeClaimSpec {}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// `NodePools`.
pub(super) fn node_pools() -> ApiResource {
    resource("karpenter.sh", "v1", "NodePool", "nodepools")
}

/// `NodeClaims`: each stands for one machine.
pub(super) fn node_claims() -> ApiResource {
    resource("karpenter.sh", "v1", "NodeClaim", "nodeclaims")
}

/// `AKSNodeClasses`.
pub(super) fn node_classes() -> ApiResource {
    resource("karpenter.azure.com", "v1beta1", "AKSNodeClass", "aksnodeclasses")
}

/// The cluster-scoped object of that kind and name.
pub(super) fn at(resource: ApiResource, name: &str) -> Target {
    Target {
        resource,
        namespace: None,
        name: name.to_owned(),
    }
}

/// How the machine is made: image, disk, and the tags by which it is found in Azure.
pub(super) fn node_class(pool: &PoolIntent, wish: &Wish) -> Built {
    let target = at(node_classes(), &pool.name);
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": metadata(pool),
        "spec": {
            "imageFamily": wish.image_family,
            "osDiskSizeGB": wish.os_disk_gb,
            "tags": {TAG_UID: pool.tunepod_uid, TAG_TUNEPOD: pool.tunepod, TAG_ORDER: pool.order},
        },
    });
    Built { target, body }
}

/// One node, of the size that was quoted and no other; never replaced for being old, empty or out of date: its disk and
/// its memory are the buyer's.
pub(super) fn node_pool(pool: &PoolIntent, wish: &Wish) -> Built {
    let target = at(node_pools(), &pool.name);
    let class = node_classes();
    let mut labelled = wish.node_labels.of(pool);
    let name = pool.tunepod.rsplit('/').next().unwrap_or_default();
    labelled.extend([
        (labels::TUNEPOD.to_owned(), name.to_owned()),
        (labels::ORG.to_owned(), pool.org.clone()),
    ]);
    labelled.retain(|_, value| value.len() <= trustbridge_domain::names::MAX_LABEL);
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": metadata(pool),
        "spec": {
            "replicas": 1,
            "limits": {"nodes": "1"},
            "disruption": {"consolidateAfter": "Never", "budgets": [{"nodes": "0"}]},
            "template": {
                "metadata": {"labels": labelled, "annotations": {UID: pool.tunepod_uid}},
                "spec": {
                    "expireAfter": "Never",
                    "nodeClassRef": {"group": class.group, "kind": class.kind, "name": pool.name},
                    "requirements": requirements(pool, wish),
                    "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
                },
            },
        },
    });
    Built { target, body }
}

fn requirements(pool: &PoolIntent, wish: &Wish) -> Vec<Value> {
    let one_of = |key: &str, value: &str| json!({"key": key, "operator": "In", "values": [value]});
    let mut all = vec![
        one_of("karpenter.azure.com/sku-name", &pool.vm_size),
        one_of("karpenter.sh/capacity-type", "on-demand"),
        one_of("kubernetes.io/os", "linux"),
        one_of("kubernetes.io/arch", "amd64"),
    ];
    // GPU sizes are listed by zone, but often only the region as a whole has some.
    let scope = wish.placement_scope.as_deref();
    all.extend(scope.map(|scope| one_of("karpenter.azure.com/placement-scope", scope)));
    all
}

fn metadata(pool: &PoolIntent) -> Value {
    json!({
        "name": pool.name,
        "labels": {labels::MANAGED_BY: labels::OPERATOR, labels::ORG: pool.org},
        "annotations": {UID: pool.tunepod_uid, labels::TUNEPOD: pool.tunepod, ORDER: pool.order},
    })
}
