//! Which policies select a pod, and which peers and ports they name: policies in, a rule set out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::model::{
    Block, Cidr, Direction, Key, Labels, Namespace, Peer, Pod, Policy, Port, Protocol, Requirement, Rule,
    Selector,
};

/// What the decision looks at: every namespace and policy, and every pod with the one address that is its own.
#[derive(Clone, Debug, Default)]
pub struct View<'a> {
    /// Namespaces by name.
    pub namespaces: BTreeMap<&'a str, &'a Namespace>,
    /// Pods by address; an address has one owner.
    pub pods: BTreeMap<Ipv4Addr, &'a Pod>,
    /// All policies.
    pub policies: Vec<&'a Policy>,
}

/// What nftables shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// The range of all pods.
    pub pod_cidr: Cidr,
    /// The pods that are known, each address with its pod.
    pub known: BTreeMap<Ipv4Addr, Key>,
    /// The isolated pods and directions.
    pub chains: Vec<Chain>,
}

/// One isolated direction of one pod. What no entry allows is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The direction.
    pub direction: Direction,
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The pod.
    pub owner: Key,
    /// What may pass.
    pub allows: Vec<Allow>,
}

/// Peers and ports that may pass together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allow {
    /// The other side.
    pub peers: Peers,
    /// The receiver's ports.
    pub ports: Ports,
}

/// The other side of an allowed connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peers {
    /// Everybody.
    Anybody,
    /// These addresses; never empty.
    Addresses(BTreeSet<Ipv4Addr>),
    /// A block with holes.
    Block(Block),
}

/// The ports of an allowed connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ports {
    /// Every protocol.
    All,
    /// Every port of one protocol.
    Protocol(Protocol),
    /// Ranges of one protocol, in order, not touching each other; never empty.
    Ranges(Protocol, Vec<(u16, u16)>),
}

/// Decides for all pods of the range; chains only for those of `node` (a pod that names no node counts as here).
#[must_use]
pub fn rule_set(view: &View<'_>, pod_cidr: Cidr, node: &str) -> RuleSet {
    let here = |pod: &Pod| pod.node.as_deref().is_none_or(|name| name == node);
    let local = view.pods.iter().filter(|(_, pod)| here(pod));
    let chains = local.flat_map(|(address, pod)| {
        [Direction::Egress, Direction::Ingress]
            .into_iter()
            .filter_map(|direction| chain(view, direction, *address, pod))
    });
    RuleSet {
        pod_cidr,
        known: view
            .pods
            .iter()
            .map(|(address, pod)| (*address, pod.key.clone()))
            .collect(),
        chains: chains.collect(),
    }
}

/// The chain of a pod and direction, `None` where no policy isolates it.
fn chain(view: &View<'_>, direction: Direction, address: Ipv4Addr, pod: &Pod) -> Option<Chain> {
    let isolating = view
        .policies
        .iter()
        .filter_map(|policy| Some((policy, policy.rules(direction)?)));
    let selected: Vec<_> = isolating.filter(|(policy, _)| selects(policy, pod)).collect();
    if selected.is_empty() {
        return None;
    }
    // A pod always reaches itself, also through a Service.
    let own = Allow {
        peers: Peers::Addresses([address].into()),
        ports: Ports::All,
    };
    let mut allows = BTreeSet::from([own]);
    for (policy, rules) in selected {
        for rule in rules {
            allows.extend(allow(view, direction, pod, &policy.key.namespace, rule));
        }
    }
    Some(Chain {
        direction,
        address,
        owner: pod.key.clone(),
        allows: allows.into_iter().collect(),
    })
}

/// Does the policy select the pod?
#[must_use]
pub fn selects(policy: &Policy, pod: &Pod) -> bool {
    policy.key.namespace == pod.key.namespace && matches(&policy.pods, &pod.labels)
}

/// Do the labels meet the selector?
#[must_use]
pub fn matches(selector: &Selector, labels: &Labels) -> bool {
    selector.requirements.iter().all(|requirement| match requirement {
        Requirement::In(label, values) => labels.get(label).is_some_and(|value| values.contains(value)),
        Requirement::NotIn(label, values) => labels.get(label).is_none_or(|value| !values.contains(value)),
        Requirement::Exists(label) => labels.contains_key(label),
        Requirement::DoesNotExist(label) => !labels.contains_key(label),
        Requirement::Unknown => false,
    })
}

/// One rule of a policy in `namespace`, as entries of the pod's chain.
fn allow(view: &View<'_>, direction: Direction, pod: &Pod, namespace: &str, rule: &Rule) -> Vec<Allow> {
    let peers: Vec<Peers> = if rule.peers.is_empty() {
        vec![Peers::Anybody]
    } else {
        rule.peers
            .iter()
            .filter_map(|peer| resolve(view, namespace, peer))
            .collect()
    };
    let fixed = fixed_ports(&rule.ports);
    let mut found: Vec<Allow> = peers
        .iter()
        .flat_map(|peers| {
            fixed.iter().map(|ports| Allow {
                peers: peers.clone(),
                ports: ports.clone(),
            })
        })
        .collect();
    for port in &rule.ports {
        if let Port::Named(protocol, name) = port {
            for peers in &peers {
                found.extend(named(view, direction, pod, peers, *protocol, name));
            }
        }
    }
    found
}

/// The addresses of a peer, `None` where nobody is meant.
fn resolve(view: &View<'_>, own_namespace: &str, peer: &Peer) -> Option<Peers> {
    match peer {
        Peer::Nobody => None,
        Peer::Block(block) => Some(Peers::Block(block.clone())),
        Peer::Pods { namespaces, pods } => {
            let place = |pod: &Pod| match namespaces {
                None => pod.key.namespace == own_namespace,
                Some(selector) => view
                    .namespaces
                    .get(pod.key.namespace.as_str())
                    .is_some_and(|namespace| matches(selector, &namespace.labels)),
            };
            let meant = view
                .pods
                .iter()
                .filter(|(_, pod)| place(pod) && matches(pods, &pod.labels));
            addresses(meant.map(|(address, _)| *address))
        }
    }
}

fn addresses(found: impl Iterator<Item = Ipv4Addr>) -> Option<Peers> {
    let found: BTreeSet<_> = found.collect();
    (!found.is_empty()).then_some(Peers::Addresses(found))
}

/// The ports that are numbers, one entry for each protocol.
fn fixed_ports(ports: &[Port]) -> Vec<Ports> {
    if ports.is_empty() {
        return vec![Ports::All];
    }
    let mut whole = BTreeSet::new();
    let mut ranges: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
    for port in ports {
        match port {
            Port::Any(protocol) => {
                whole.insert(*protocol);
            }
            Port::Range(protocol, first, last) => {
                ranges.entry(*protocol).or_default().push((*first, *last));
            }
            Port::Named(..) | Port::Nothing => {}
        }
    }
    ranges.retain(|protocol, _| !whole.contains(protocol));
    let ranges = ranges
        .into_iter()
        .map(|(protocol, ranges)| Ports::Ranges(protocol, merge(ranges)));
    whole.into_iter().map(Ports::Protocol).chain(ranges).collect()
}

/// Ranges in order, joined where they overlap or touch: an nft set refuses overlapping intervals.
fn merge(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if u32::from(first) <= u32::from(before.1) + 1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// A port by name: the selected pod's own ports for ingress, each receiving pod's for egress.
fn named(
    view: &View<'_>,
    direction: Direction,
    pod: &Pod,
    peers: &Peers,
    protocol: Protocol,
    name: &str,
) -> Vec<Allow> {
    let ports = |numbers: Vec<u16>| {
        Ports::Ranges(
            protocol,
            merge(numbers.into_iter().map(|port| (port, port)).collect()),
        )
    };
    if direction == Direction::Ingress {
        let numbers = numbers(pod, protocol, name);
        if numbers.is_empty() {
            return Vec::new();
        }
        return vec![Allow {
            peers: peers.clone(),
            ports: ports(numbers),
        }];
    }
    let receivers = view.pods.iter().filter(|(address, _)| covers(peers, **address));
    let mut by_port: BTreeMap<u16, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for (address, receiver) in receivers {
        for number in numbers(receiver, protocol, name) {
            by_port.entry(number).or_default().insert(*address);
        }
    }
    by_port
        .into_iter()
        .map(|(number, found)| Allow {
            peers: Peers::Addresses(found),
            ports: ports(vec![number]),
        })
        .collect()
}

fn numbers(pod: &Pod, protocol: Protocol, name: &str) -> Vec<u16> {
    pod.ports
        .iter()
        .filter(|port| port.protocol == protocol && port.name == name)
        .map(|port| port.port)
        .collect()
}

/// Does a peer entry name this pod address? A block names no container, so it has no named ports.
fn covers(peers: &Peers, address: Ipv4Addr) -> bool {
    match peers {
        Peers::Anybody => true,
        Peers::Addresses(addresses) => addresses.contains(&address),
        Peers::Block(_) => false,
    }
}

#[cfg(test)]
mod tests;
