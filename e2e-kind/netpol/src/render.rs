//! A rule set as one nft transaction. The text is a pure function of the rule set, so equal text means
//! that nothing has to be loaded.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::model::{Block, Cidr, Direction, Key};
use crate::select::{Allow, Chain, Peers, Ports, RuleSet};

/// The table that the agent owns.
pub const TABLE: &str = "tb_netpol";

/// nft refuses comments longer than this.
const LONGEST_COMMENT: usize = 128;

/// The whole table, replaced in one transaction: `add` makes the `delete` succeed when there is none yet.
#[must_use]
pub fn render(rules: &RuleSet) -> String {
    let mut text = String::new();
    line(&mut text, 0, &format!("add table inet {TABLE}"));
    line(&mut text, 0, &format!("delete table inet {TABLE}"));
    line(&mut text, 0, &format!("table inet {TABLE} {{"));
    known(&mut text, rules);
    for chain in &rules.chains {
        pod_chain(&mut text, chain);
    }
    verdicts(&mut text, rules, Direction::Egress);
    verdicts(&mut text, rules, Direction::Ingress);
    forward(&mut text, rules.pod_cidr);
    input(&mut text, rules.pod_cidr);
    line(&mut text, 0, "}");
    text
}

fn line(text: &mut String, depth: usize, content: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:width$}{content}", "", width = depth * 2);
}

/// The set of addresses that belong to a known pod.
fn known(text: &mut String, rules: &RuleSet) {
    line(text, 1, "set known {");
    line(text, 2, "type ipv4_addr");
    elements(
        text,
        &rules.known.keys().map(Ipv4Addr::to_string).collect::<Vec<_>>(),
    );
    line(text, 1, "}");
}

fn elements(text: &mut String, entries: &[String]) {
    if !entries.is_empty() {
        line(text, 2, &format!("elements = {{ {} }}", entries.join(", ")));
    }
}

/// A pod's chain: `return` for what is allowed, then the end. Never `accept`: an accepted egress packet
/// would skip the receiver's ingress chain.
fn pod_chain(text: &mut String, chain: &Chain) {
    line(text, 1, &format!("chain {} {{", chain_name(chain)));
    line(text, 2, &format!("comment \"{}\"", comment(&chain.owner)));
    for allow in &chain.allows {
        line(text, 2, &entry(chain.direction, allow));
    }
    line(text, 2, "counter drop");
    line(text, 1, "}");
}

fn chain_name(chain: &Chain) -> String {
    format!("{}-{}", word(chain.direction), chain.address)
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// Names are DNS labels already; anything else would be text inside a program and is left out.
fn comment(owner: &Key) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '/');
    owner
        .to_string()
        .chars()
        .filter(plain)
        .take(LONGEST_COMMENT)
        .collect()
}

fn entry(direction: Direction, allow: &Allow) -> String {
    let side = match direction {
        Direction::Ingress => "saddr",
        Direction::Egress => "daddr",
    };
    let parts = [
        peers(side, &allow.peers),
        ports(&allow.ports),
        "return".to_owned(),
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn peers(side: &str, peers: &Peers) -> String {
    match peers {
        Peers::Anybody => String::new(),
        Peers::Addresses(addresses) => {
            let list: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
            format!("ip {side} {{ {} }}", list.join(", "))
        }
        Peers::Block(Block { cidr, except }) => {
            // One match for each hole: holes may overlap, and a set would refuse that.
            let holes = except.iter().map(|hole| format!("ip {side} != {hole}"));
            std::iter::once(format!("ip {side} {cidr}"))
                .chain(holes)
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

fn ports(ports: &Ports) -> String {
    match ports {
        Ports::All => String::new(),
        Ports::Protocol(protocol) => format!("meta l4proto {}", protocol.nft()),
        Ports::Ranges(protocol, ranges) => {
            let list: Vec<_> = ranges
                .iter()
                .map(|(first, last)| {
                    if first == last {
                        first.to_string()
                    } else {
                        format!("{first}-{last}")
                    }
                })
                .collect();
            format!("{} dport {{ {} }}", protocol.nft(), list.join(", "))
        }
    }
}

/// The map from a pod's address to its chain.
fn verdicts(text: &mut String, rules: &RuleSet, direction: Direction) {
    let chains = rules.chains.iter().filter(|chain| chain.direction == direction);
    let entries: Vec<_> = chains
        .map(|chain| format!("{} : jump {}", chain.address, chain_name(chain)))
        .collect();
    line(text, 1, &format!("map {} {{", word(direction)));
    line(text, 2, "type ipv4_addr : verdict");
    elements(text, &entries);
    line(text, 1, "}");
}

/// Pod to pod, pod to the world, the world to a pod. Destinations are real ones here: Services were
/// translated before, masquerading comes after.
fn forward(text: &mut String, pods: Cidr) {
    line(text, 1, "chain forward {");
    line(
        text,
        2,
        "type filter hook forward priority filter; policy accept;",
    );
    line(text, 2, "meta nfproto ipv6 counter drop");
    established(text);
    line(
        text,
        2,
        &format!("ip saddr {pods} ip saddr != @known counter drop"),
    );
    line(
        text,
        2,
        &format!("ip daddr {pods} ip daddr != @known counter drop"),
    );
    line(text, 2, "ip saddr vmap @egress");
    line(text, 2, "ip daddr vmap @ingress");
    line(text, 1, "}");
}

/// A pod to its own node. The other way, the node to a pod (probes of the kubelet), is in no hook of ours.
fn input(text: &mut String, pods: Cidr) {
    line(text, 1, "chain input {");
    line(text, 2, "type filter hook input priority filter; policy accept;");
    // The node to itself, also from the gateway address, which lies in the pod range.
    line(text, 2, "iifname \"lo\" accept");
    line(text, 2, "meta nfproto ipv6 counter drop");
    established(text);
    line(
        text,
        2,
        &format!("ip saddr {pods} ip saddr != @known counter drop"),
    );
    line(text, 2, "ip saddr vmap @egress");
    line(text, 1, "}");
}

/// Only replies pass for being part of a connection, so an open one stalls as soon as a policy denies it.
fn established(text: &mut String) {
    line(text, 2, "ct direction reply accept");
    line(text, 2, "ct state related accept");
}

#[cfg(test)]
mod tests;
