//! From the objects of the API server to the [`model`](crate::model). What is not understood closes, never opens.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as net;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::model::{
    Block, Cidr, Key, NamedPort, Namespace, Peer, Pod, Policy, Port, Protocol, Requirement, Rule, Selector,
};

/// A namespace.
#[must_use]
pub fn namespace(object: core::Namespace) -> Namespace {
    Namespace {
        name: object.metadata.name.unwrap_or_default(),
        labels: object.metadata.labels.unwrap_or_default(),
    }
}

/// A pod.
#[must_use]
pub fn pod(object: core::Pod) -> Pod {
    let key = key(&object.metadata);
    let created = object
        .metadata
        .creation_timestamp
        .map(|time| time.0.to_string())
        .unwrap_or_default();
    let spec = object.spec.unwrap_or_default();
    let status = object.status.unwrap_or_default();
    let listed = status
        .pod_ips
        .unwrap_or_default()
        .into_iter()
        .map(|entry| entry.ip);
    let addresses = listed
        .chain(status.pod_ip)
        .filter_map(|ip| ip.parse::<Ipv4Addr>().ok())
        .collect();
    // Init containers too: a native sidecar serves ports for the whole life of the pod.
    let containers = spec
        .containers
        .into_iter()
        .chain(spec.init_containers.unwrap_or_default());
    Pod {
        key,
        uid: object.metadata.uid.unwrap_or_default(),
        labels: object.metadata.labels.unwrap_or_default(),
        node: spec.node_name,
        host_network: spec.host_network.unwrap_or_default(),
        finished: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        addresses,
        ports: containers
            .flat_map(|one| one.ports.unwrap_or_default())
            .filter_map(named_port)
            .collect(),
        created,
    }
}

/// A NetworkPolicy.
#[must_use]
pub fn policy(object: net::NetworkPolicy) -> Policy {
    let key = key(&object.metadata);
    let version = object
        .metadata
        .resource_version
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let spec = object.spec.unwrap_or_default();
    let types = spec.policy_types.unwrap_or_default();
    let egress: Vec<Rule> = spec
        .egress
        .unwrap_or_default()
        .into_iter()
        .map(egress_rule)
        .collect();
    let ingress: Vec<Rule> = spec
        .ingress
        .unwrap_or_default()
        .into_iter()
        .map(ingress_rule)
        .collect();
    // Without policyTypes: always ingress, and egress where there are egress rules.
    let isolates = |name: &str, default: bool| {
        if types.is_empty() {
            default
        } else {
            types.iter().any(|one| one == name)
        }
    };
    Policy {
        key,
        version,
        pods: selector(spec.pod_selector.unwrap_or_default()),
        ingress: isolates("Ingress", true).then_some(ingress),
        egress: isolates("Egress", !egress.is_empty()).then_some(egress),
    }
}

fn key(metadata: &ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn named_port(port: core::ContainerPort) -> Option<NamedPort> {
    Some(NamedPort {
        name: port.name?,
        protocol: protocol(port.protocol.as_deref())?,
        port: number(port.container_port)?,
    })
}

fn ingress_rule(rule: net::NetworkPolicyIngressRule) -> Rule {
    Rule {
        peers: peers(rule.from),
        ports: ports(rule.ports),
    }
}

fn egress_rule(rule: net::NetworkPolicyEgressRule) -> Rule {
    Rule {
        peers: peers(rule.to),
        ports: ports(rule.ports),
    }
}

fn peers(list: Option<Vec<net::NetworkPolicyPeer>>) -> Vec<Peer> {
    list.unwrap_or_default().into_iter().map(peer).collect()
}

fn ports(list: Option<Vec<net::NetworkPolicyPort>>) -> Vec<Port> {
    list.unwrap_or_default().into_iter().map(port).collect()
}

fn peer(peer: net::NetworkPolicyPeer) -> Peer {
    match (peer.ip_block, peer.namespace_selector, peer.pod_selector) {
        (Some(block), None, None) => ip_block(&block),
        (None, None, None) | (Some(_), _, _) => Peer::Nobody,
        (None, namespaces, pods) => Peer::Pods {
            namespaces: namespaces.map(selector),
            pods: pods.map(selector).unwrap_or_default(),
        },
    }
}

fn ip_block(block: &net::IPBlock) -> Peer {
    let Ok(cidr) = block.cidr.parse() else {
        return Peer::Nobody;
    };
    let holes = block.except.iter().flatten().map(|text| text.parse::<Cidr>());
    // A hole that cannot be read might be the whole block.
    holes
        .collect::<Result<_, _>>()
        .map_or(Peer::Nobody, |except| Peer::Block(Block { cidr, except }))
}

fn port(port: net::NetworkPolicyPort) -> Port {
    let Some(protocol) = protocol(port.protocol.as_deref()) else {
        return Port::Nothing;
    };
    match (port.port, port.end_port) {
        (None, None) => Port::Any(protocol),
        (None | Some(IntOrString::String(_)), Some(_)) => Port::Nothing,
        (Some(IntOrString::String(name)), None) => Port::Named(protocol, name),
        (Some(IntOrString::Int(first)), last) => match (number(first), number(last.unwrap_or(first))) {
            (Some(first), Some(last)) if first <= last => Port::Range(protocol, first, last),
            _ => Port::Nothing,
        },
    }
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

fn protocol(name: Option<&str>) -> Option<Protocol> {
    match name {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}

fn selector(selector: LabelSelector) -> Selector {
    let exact = selector.match_labels.unwrap_or_default().into_iter();
    let exact = exact.map(|(label, value)| Requirement::In(label, [value].into()));
    let expressions = selector
        .match_expressions
        .unwrap_or_default()
        .into_iter()
        .map(requirement);
    Selector {
        requirements: exact.chain(expressions).collect(),
    }
}

fn requirement(one: LabelSelectorRequirement) -> Requirement {
    let values = one.values.unwrap_or_default().into_iter().collect();
    match one.operator.as_str() {
        "In" => Requirement::In(one.key, values),
        "NotIn" => Requirement::NotIn(one.key, values),
        "Exists" => Requirement::Exists(one.key),
        "DoesNotExist" => Requirement::DoesNotExist(one.key),
        _ => Requirement::Unknown,
    }
}

#[cfg(test)]
mod tests;
