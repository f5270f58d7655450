//! The objects of an organisation. Pure, and cannot fail.

use crate::sentinel_port::ADMIN_PORT;
use crate::settings::Settings;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trustbridge_api::buyer_org::MemberKind;
use trustbridge_api::{BuyerOrg, labels};
use trustbridge_domain::names::{heartbeat_lease, org_namespace, protected_namespace, token_secret};
use trustbridge_kit::apply::{Built, Target};

/// Port of the sentinel that buyers call.
pub const SENTINEL_PORT: u16 = 8000;

/// ClusterRole with the operator's rights in the namespaces of organisations, bound there by itself and to itself.
pub const OPERATOR_ROLE: &str = "trustbridge-operator-organisation";
/// The operator's ServiceAccount, as the chart names it.
const OPERATOR_ACCOUNT: &str = "trustbridge-operator";
/// Role by which members read the tokens of their models, and the binding of it.
const TOKEN_READERS: &str = "trustbridge-token-readers";
/// Role by which sentinels renew their Leases, and the binding of it.
const HEARTBEATS: &str = "trustbridge-heartbeats";

/// Everything that `org` has, in the order in which it is applied. `tunepods`: names of those that it has.
#[must_use]
pub fn all(org: &BuyerOrg, settings: &Settings, tunepods: &[String]) -> Vec<Built> {
    let name = org.name_any();
    let (own, protected) = (org_namespace(&name), protected_namespace(&name));
    let limits = &org.spec.limits;
    let mut built = vec![
        namespace(&name, &own, false),
        namespace(&name, &protected, true),
        quota(
            &own,
            &json!({"pods": limits.pods.to_string(), "requests.nvidia.com/gpu": "0"}),
        ),
        quota(
            &protected,
            &json!({"pods": limits.pods.to_string(), "requests.nvidia.com/gpu": limits.gpus.to_string()}),
        ),
        policy(&own, "default-deny", &deny_all()),
        policy(&own, "dns", &egress(&json!([dns()]))),
        policy(&own, "protected-models", &egress(&json!([to_protected(&name)]))),
        policy(&protected, "default-deny", &deny_all()),
        policy(&protected, "dns", &egress(&json!([dns()]))),
        policy(&protected, "outside", &egress(&json!([to_outside(settings)]))),
        policy(&protected, "buyers", &from_buyers(&own)),
        policy(&protected, "operator", &from_operator(&settings.namespace)),
        service_account(&own),
        service_account(&protected),
        members(org, &own, settings),
        operator_rights(&own, settings),
        operator_rights(&protected, settings),
        heartbeat_role(&protected, tunepods),
        heartbeats(&protected),
        token_role(&own, tunepods),
        token_readers(org, &own),
    ];
    if let Some(bundle) = &settings.ca_bundle {
        built.push(object::<ConfigMap>(
            &protected,
            labels::CA_CONFIG_MAP,
            &json!({"data": {"ca.crt": bundle}}),
        ));
    }
    built
}

/// An object of kind `K` from the fields beside its metadata.
fn object<K>(namespace: &str, name: &str, fields: &Value) -> Built
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let metadata = json!({
        "name": name,
        "namespace": namespace,
        "labels": {labels::MANAGED_BY: labels::OPERATOR},
    });
    with_metadata::<K>(Some(namespace), name, metadata, fields)
}

fn with_metadata<K>(namespace: Option<&str>, name: &str, metadata: Value, fields: &Value) -> Built
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let target = Target::new::<K>(namespace, name);
    let mut body = json!({"apiVersion": target.resource.api_version, "kind": target.resource.kind});
    if let (Some(map), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
        map.insert("metadata".to_owned(), metadata);
        map.extend(fields.clone());
    }
    Built { target, body }
}

fn namespace(org: &str, name: &str, protected: bool) -> Built {
    let metadata = json!({
        "name": name,
        "labels": {
            labels::MANAGED_BY: labels::OPERATOR,
            labels::ORG: org,
            labels::PROTECTED: protected.to_string(),
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        },
    });
    with_metadata::<Namespace>(None, name, metadata, &json!({}))
}

fn quota(namespace: &str, hard: &Value) -> Built {
    object::<ResourceQuota>(namespace, "trustbridge", &json!({"spec": {"hard": hard}}))
}

fn policy(namespace: &str, name: &str, spec: &Value) -> Built {
    object::<NetworkPolicy>(namespace, name, &json!({"spec": spec}))
}

fn deny_all() -> Value {
    json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
}

fn egress(rules: &Value) -> Value {
    json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules})
}

fn dns() -> Value {
    json!({
        "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    })
}

fn to_protected(org: &str) -> Value {
    json!({
        "to": [{"namespaceSelector": {"matchLabels": {labels::ORG: org, labels::PROTECTED: "true"}}}],
        "ports": [{"protocol": "TCP", "port": SENTINEL_PORT}],
    })
}

fn to_outside(settings: &Settings) -> Value {
    // Link-local holds the instance metadata service, whose tokens are the node's.
    let ranges = settings
        .pods
        .cluster_cidrs
        .iter()
        .map(String::as_str)
        .chain(["169.254.0.0/16"]);
    let except: Vec<&str> = ranges.collect();
    let ports: Vec<Value> = settings
        .pods
        .egress_ports
        .iter()
        .map(|port| json!({"protocol": "TCP", "port": port}))
        .collect();
    json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": except}}], "ports": ports})
}

/// The way of sentinels to the API server, which is where its endpoints are: what a pod calls is a Service, and policies
/// see where its packets go. Nothing while that is not known.
#[must_use]
pub fn to_api_server(org: &BuyerOrg, endpoints: &EndpointSlice) -> Option<Built> {
    let protected = protected_namespace(&org.name_any());
    let width = if endpoints.address_type == "IPv6" { 128 } else { 32 };
    let mut addresses: Vec<&String> = endpoints
        .endpoints
        .iter()
        .flat_map(|one| &one.addresses)
        .collect();
    // One order, whichever of them answered first.
    addresses.sort_unstable();
    let to: Vec<Value> = addresses
        .into_iter()
        .map(|address| json!({"ipBlock": {"cidr": format!("{address}/{width}")}}))
        .collect();
    let ports: Vec<Value> = endpoints
        .ports
        .iter()
        .flatten()
        .filter_map(|port| Some(json!({"protocol": "TCP", "port": port.port?})))
        .collect();
    // A rule without peers or ports would be one for all of them.
    (!to.is_empty() && !ports.is_empty()).then(|| {
        policy(
            &protected,
            "api-server",
            &egress(&json!([{"to": to, "ports": ports}])),
        )
    })
}

fn from_buyers(namespace: &str) -> Value {
    json!({
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}],
            "ports": [{"protocol": "TCP", "port": SENTINEL_PORT}],
        }],
    })
}

fn from_operator(namespace: &str) -> Value {
    json!({
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{
            "from": [{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "podSelector": {"matchLabels": {
                    "app.kubernetes.io/name": "trustbridge",
                    "app.kubernetes.io/component": "operator",
                }},
            }],
            // The public one too: a door is opened when its port takes the token, and not before.
            "ports": [{"protocol": "TCP", "port": ADMIN_PORT}, {"protocol": "TCP", "port": SENTINEL_PORT}],
        }],
    })
}

fn service_account(namespace: &str) -> Built {
    let fields = json!({"automountServiceAccountToken": false});
    object::<ServiceAccount>(namespace, labels::TUNEPOD_SERVICE_ACCOUNT, &fields)
}

fn subjects(org: &BuyerOrg) -> Vec<Value> {
    let subject = |member: &trustbridge_api::buyer_org::Member| {
        let kind = match member.kind {
            MemberKind::User => "User",
            MemberKind::Group => "Group",
        };
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": member.name})
    };
    org.spec.members.iter().map(subject).collect()
}

fn members(org: &BuyerOrg, namespace: &str, settings: &Settings) -> Built {
    let fields = json!({
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": settings.pods.buyer_role,
        },
        "subjects": subjects(org),
    });
    object::<RoleBinding>(namespace, "trustbridge-buyers", &fields)
}

/// The operator's own rights to Secrets and Leases: here, and not in every namespace.
fn operator_rights(namespace: &str, settings: &Settings) -> Built {
    let fields = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": OPERATOR_ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": OPERATOR_ACCOUNT, "namespace": settings.namespace}],
    });
    object::<RoleBinding>(namespace, OPERATOR_ACCOUNT, &fields)
}

/// What members read: the token of each TunePod by its name, and no other Secret.
fn token_role(namespace: &str, tunepods: &[String]) -> Built {
    let names: Vec<String> = tunepods.iter().map(|name| token_secret(name)).collect();
    // A rule without names would be one for every Secret.
    let rules = if names.is_empty() {
        json!([])
    } else {
        json!([
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [labels::ACCESS_CA], "verbs": ["get"]},
        ])
    };
    object::<Role>(namespace, TOKEN_READERS, &json!({"rules": rules}))
}

/// What sentinels write: the Lease of each TunePod by its name, and nothing else. Their pods get the token for it alone.
fn heartbeat_role(namespace: &str, tunepods: &[String]) -> Built {
    let names: Vec<String> = tunepods.iter().map(|name| heartbeat_lease(name)).collect();
    let rules = if names.is_empty() {
        json!([])
    } else {
        json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": names, "verbs": ["patch"]}])
    };
    object::<Role>(namespace, HEARTBEATS, &json!({"rules": rules}))
}

fn heartbeats(namespace: &str) -> Built {
    let fields = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": HEARTBEATS},
        "subjects": [{"kind": "ServiceAccount", "name": labels::TUNEPOD_SERVICE_ACCOUNT, "namespace": namespace}],
    });
    object::<RoleBinding>(namespace, HEARTBEATS, &fields)
}

fn token_readers(org: &BuyerOrg, namespace: &str) -> Built {
    let fields = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": TOKEN_READERS},
        "subjects": subjects(org),
    });
    object::<RoleBinding>(namespace, TOKEN_READERS, &fields)
}
