//! The objects of a TunePod. Pure, and cannot fail.

use super::access::{CA, TOKEN};
use crate::public_port::PORT;
use crate::settings::Pods;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trustbridge_api::{Access, KeyRef, TunePod, labels};
use trustbridge_domain::names::{self, protected_namespace};
use trustbridge_kit::apply::{Built, Target};

/// Annotation of a pod: UID of the TunePod that it was made for, so that a namesake's pod is never taken for ours.
pub(super) const TUNEPOD_UID: &str = "trustbridge.io/tunepod-uid";
/// Variable of the model server: the asset that it serves.
const MODEL_ASSET: &str = "MODEL_ASSET";
/// The user of everything in the pod.
const USER: i64 = 65532;

/// Name of the buyer's door.
pub(super) fn door_name(tunepod: &TunePod) -> String {
    names::door_name(&tunepod.name_any())
}

/// Base URL of the door.
pub(super) fn url(tunepod: &TunePod) -> String {
    format!(
        "https://{}.{}.svc:{PORT}",
        door_name(tunepod),
        tunepod.namespace().unwrap_or_default()
    )
}

/// How a buyer calls the model at `url`; nothing while there is none.
pub(super) fn access(tunepod: &TunePod, url: Option<&str>) -> Option<Access> {
    let entry = |name: &str, key: &str| {
        Some(KeyRef {
            name: name.to_owned(),
            key: key.to_owned(),
        })
    };
    url.map(|url| Access {
        url: url.to_owned(),
        token_secret_ref: entry(&names::token_secret(&tunepod.name_any()), TOKEN),
        ca_ref: entry(labels::ACCESS_CA, CA),
    })
}

/// Where the pod is, or will be.
pub(super) fn pod_target(tunepod: &TunePod, org: &str) -> Target {
    Target::new::<Pod>(Some(&protected_namespace(org)), &tunepod.name_any())
}

/// The pod: the model server alone. The webhook adds the sentinel and everything that guards it.
pub(super) fn pod(
    tunepod: &TunePod,
    org: &str,
    node_selector: &BTreeMap<String, String>,
    pods: &Pods,
) -> Built {
    let target = pod_target(tunepod, org);
    let body = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": {
                labels::INJECT: labels::INJECT_VALUE,
                labels::TUNEPOD: target.name,
                labels::ORG: org,
                labels::MANAGED_BY: labels::OPERATOR,
                "app.kubernetes.io/name": "tunepod",
            },
            "annotations": annotations(tunepod),
        },
        "spec": {
            "nodeSelector": node_selector,
            "tolerations": [{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}],
            "serviceAccountName": labels::TUNEPOD_SERVICE_ACCOUNT,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [runtime(tunepod, pods)],
        },
    });
    Built { target, body }
}

/// Name of the ModelAsset; empty where there is none.
fn asset(tunepod: &TunePod) -> &str {
    let asset = tunepod.spec.model_asset_ref.as_ref();
    asset.map(|asset| asset.name.as_str()).unwrap_or_default()
}

fn annotations(tunepod: &TunePod) -> Value {
    json!({
        labels::TUNEPOD: format!("{}/{}", tunepod.namespace().unwrap_or_default(), tunepod.name_any()),
        TUNEPOD_UID: tunepod.uid().unwrap_or_default(),
        labels::MODEL_ASSET: asset(tunepod),
        labels::RUNTIME_CONTAINER: "runtime",
        labels::DELIVERY: "fifo",
    })
}

fn runtime(tunepod: &TunePod, pods: &Pods) -> Value {
    let chosen = tunepod.spec.runtime.clone().unwrap_or_default();
    let args = if chosen.args.is_empty() {
        pods.runtime_args.clone()
    } else {
        chosen.args
    };
    let memory = chosen.memory.unwrap_or_else(|| pods.runtime_memory.clone());
    json!({
        "name": "runtime",
        "image": chosen.image.unwrap_or_else(|| pods.runtime_image.clone()),
        "args": args,
        // For arguments: `$(MODEL_ASSET)`.
        "env": [{"name": MODEL_ASSET, "value": asset(tunepod)}],
        "resources": {
            "requests": {"cpu": "100m", "memory": memory},
            "limits": {"memory": memory, "nvidia.com/gpu": tunepod.spec.gpus.to_string()},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

/// The door: without a selector, because a Service cannot select pods of another namespace.
pub(super) fn service(tunepod: &TunePod, org: &str) -> Built {
    let target = Target::new::<Service>(tunepod.namespace().as_deref(), &door_name(tunepod));
    let body = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": door_metadata(tunepod, org, &target, json!({})),
        "spec": {"ports": [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": PORT}]},
    });
    Built { target, body }
}

/// Where the door leads.
pub(super) fn endpoint_slice(tunepod: &TunePod, org: &str, address: &str) -> Built {
    let target = Target::new::<EndpointSlice>(tunepod.namespace().as_deref(), &door_name(tunepod));
    let of_service = json!({
        "kubernetes.io/service-name": target.name,
        "endpointslice.kubernetes.io/managed-by": labels::OPERATOR,
    });
    let endpoints: Vec<Value> = Some(address)
        .filter(|address| !address.is_empty())
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true}}))
        .into_iter()
        .collect();
    let body = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": door_metadata(tunepod, org, &target, of_service),
        "addressType": if address.contains(':') { "IPv6" } else { "IPv4" },
        "endpoints": endpoints,
        "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
    });
    Built { target, body }
}

/// The address type of an `EndpointSlice` cannot be changed: without an address it stays what it is.
pub(super) fn keep_address_type(slice: &mut Built, found: Option<&Value>) {
    const FIELD: &str = "addressType";
    let (Some(type_), Some(body)) = (found.and_then(|f| f.get(FIELD)), slice.body.as_object_mut()) else {
        return;
    };
    body.insert(FIELD.to_owned(), type_.clone());
}

/// The `EndpointSlice` without endpoints: it leads nowhere.
pub(super) fn closed(slice: &Built) -> Built {
    let mut closed = slice.clone();
    if let Some(body) = closed.body.as_object_mut() {
        body.insert("endpoints".to_owned(), json!([]));
    }
    closed
}

fn door_metadata(tunepod: &TunePod, org: &str, target: &Target, more: Value) -> Value {
    use kube::Resource;
    let mut all =
        json!({labels::MANAGED_BY: labels::OPERATOR, labels::ORG: org, labels::TUNEPOD: tunepod.name_any()});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    let owners: Vec<_> = tunepod.controller_owner_ref(&()).into_iter().collect();
    json!({"name": target.name, "namespace": target.namespace, "labels": all, "ownerReferences": owners})
}
