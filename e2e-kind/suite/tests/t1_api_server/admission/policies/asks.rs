//! The requests of the cases. Nothing stays: all but connections are tried only.

use super::super::gate::{Ask, Gate, Who};
use serde_json::{Value, json};
use trustbridge_e2e::install::NAMESPACE;

pub fn ask(who: Who, method: &'static str, path: String, body: Value) -> Ask {
    Ask {
        who,
        method,
        path,
        body,
    }
}

pub fn core(namespace: &str, rest: &str) -> String {
    let mark = if rest.contains('?') { '&' } else { '?' };
    format!("/api/v1/namespaces/{namespace}/{rest}{mark}dryRun=All")
}

pub fn group(group: &str, namespace: &str, rest: &str) -> String {
    format!("/apis/{group}/v1/namespaces/{namespace}/{rest}?dryRun=All")
}

/// A change of the pod that stands in the protected namespace which the webhooks leave out.
pub fn change(gate: &Gate, patch: Value) -> Ask {
    ask(Who::Admin, "PATCH", core(&gate.bare(), "pods/victim"), patch)
}

/// Something with the usage record of the organisation, as the admin.
pub fn record(gate: &Gate, method: &'static str, body: Value) -> Ask {
    ask(
        Who::Admin,
        method,
        format!("{}/kept?dryRun=All", gate.records()),
        body,
    )
}

/// A connection to a subresource of a pod: in the organisation's own namespace, or in the protected one.
pub fn connect(namespace: &str, rest: &str) -> Ask {
    let pod = if namespace.ends_with("-protected") {
        "victim"
    } else {
        "plain"
    };
    ask(
        Who::Admin,
        "POST",
        format!("/api/v1/namespaces/{namespace}/pods/{pod}/{rest}"),
        Value::Null,
    )
}

pub fn config_map(namespace: &str, name: &str, who: Who) -> Ask {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"ca.crt": "x"}});
    ask(who, "POST", core(namespace, "configmaps"), object)
}

/// A Secret in the operator's own namespace.
pub fn secret(name: &str, who: Who) -> Ask {
    secret_in(NAMESPACE, name, who)
}

pub fn secret_in(namespace: &str, name: &str, who: Who) -> Ask {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    ask(who, "POST", core(namespace, "secrets"), object)
}

/// A Role that allows nothing.
pub fn role(namespace: &str, name: &str, who: Who) -> Ask {
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": []});
    let path = group("rbac.authorization.k8s.io", namespace, "roles");
    ask(who, "POST", path, object)
}

pub fn binding(namespace: &str, role: &str, who: Who) -> Ask {
    let object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "t1"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": []});
    ask(
        who,
        "POST",
        group("rbac.authorization.k8s.io", namespace, "rolebindings"),
        object,
    )
}

pub fn network_policy(namespace: &str, who: Who) -> Ask {
    let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "t1"},
        "spec": {"podSelector": {}, "egress": [{}]}});
    ask(
        who,
        "POST",
        group("networking.k8s.io", namespace, "networkpolicies"),
        object,
    )
}

pub fn token(namespace: &str) -> Ask {
    let object =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    ask(
        Who::Admin,
        "POST",
        core(namespace, "serviceaccounts/default/token"),
        object,
    )
}

pub fn to_node(gate: &Gate, who: Who) -> Ask {
    let object = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "victim"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "t1-node"}});
    ask(who, "POST", core(&gate.bare(), "pods/victim/binding"), object)
}

pub fn address(gate: &Gate, who: Who) -> Ask {
    let status = json!({"status": {"podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}]}});
    ask(who, "PATCH", core(&gate.bare(), "pods/victim/status"), status)
}

pub fn labels(gate: &Gate, labels: &Value) -> Ask {
    let path = format!("/api/v1/namespaces/{}?dryRun=All", gate.bare());
    ask(Who::Admin, "PATCH", path, json!({"metadata": {"labels": labels}}))
}

/// The same through a subresource, which keeps the labels that it is sent.
pub fn labels_through(gate: &Gate, subresource: &str, labels: &Value) -> Ask {
    let path = format!("/api/v1/namespaces/{}/{subresource}?dryRun=All", gate.bare());
    let body = json!({"metadata": {"labels": labels}});
    ask(Who::Admin, "PATCH", path, body)
}

/// The pod's metadata, through its status.
pub fn marks_through_status(gate: &Gate, metadata: &Value) -> Ask {
    let path = core(&gate.bare(), "pods/victim/status");
    ask(Who::Admin, "PATCH", path, json!({"metadata": metadata}))
}

pub fn namespace(who: Who, name: &str, labels: &Value) -> Ask {
    let object =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    ask(who, "POST", "/api/v1/namespaces?dryRun=All".to_owned(), object)
}

/// A plain pod that the standard "restricted" allows.
pub fn plain(namespace: &str, who: Who, label: Option<&str>) -> Ask {
    let mut pod = Gate::pod(namespace, "plain-try");
    pod["metadata"]["labels"] = label.map_or(json!({}), |value| json!({"trustbridge.io/inject": value}));
    ask(who, "POST", core(namespace, "pods"), pod)
}

/// The pod as it is injected, in the namespace that the webhooks leave out.
pub fn whole(gate: &Gate, who: Who) -> Ask {
    ask(who, "POST", core(&gate.bare(), "pods"), gate.guarded())
}

pub fn debug(namespace: &str, pod: &str) -> Ask {
    let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let body = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "x", "securityContext": restricted}]}});
    ask(
        Who::Admin,
        "PATCH",
        core(namespace, &format!("pods/{pod}/ephemeralcontainers")),
        body,
    )
}

pub fn resize(namespace: &str, pod: &str) -> Ask {
    // The container's own resources again: a resize that changes nothing is one all the same.
    let body = json!({"metadata": {"annotations": {"example.com/resize": "x"}}});
    ask(
        Who::Admin,
        "PATCH",
        core(namespace, &format!("pods/{pod}/resize")),
        body,
    )
}

pub fn whole_pod(gate: &Gate) -> Ask {
    whole(gate, Who::Operator)
}

/// A path of a kubelet, through the API server.
pub fn through_node(path: &str) -> Ask {
    ask(
        Who::Admin,
        "GET",
        format!("/api/v1/nodes/t1-nowhere/proxy/{path}"),
        Value::Null,
    )
}
