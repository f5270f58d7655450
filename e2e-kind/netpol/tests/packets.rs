//! Real packets through really loaded rules: a node and pods as network namespaces joined by veth pairs.
//!
//! Needs root and nft. It never skips: where it cannot run, it fails and says why. The pure tests need
//! neither: `cargo test -p trustbridge-netpol --lib`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod world;

use serde_json::json;
use world::{Outcome, World};

/// TCP and UDP servers of every pod listen here.
const OPEN: u16 = 8080;
const OTHER: u16 = 9090;

#[test]
fn packets_obey_policies() {
    let world = World::start(&[
        ("a", "shop", json!({ "app": "web" })),
        ("b", "shop", json!({ "app": "db" })),
        ("c", "bank", json!({ "app": "web" })),
    ]);
    without_policy_everything_flows(&world);
    default_deny_stops_pods_and_spares_the_node(&world);
    selectors_open_exactly_one_way(&world);
    egress_needs_ingress_too(&world);
    blocks_with_holes(&world);
    protocols_are_told_apart(&world);
    a_pod_to_its_node(&world);
    open_connections_stall(&world);
    unknown_addresses_are_cut_off(&world);
}

fn without_policy_everything_flows(world: &World) {
    world.load(&[]);
    for (from, to) in [("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")] {
        world.expect(from, to, OPEN, Outcome::Allowed);
    }
    world.expect_udp("a", "c", OPEN, Outcome::Allowed);
}

fn default_deny_stops_pods_and_spares_the_node(world: &World) {
    world.load(&[(
        "shop",
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }),
    )]);
    for (from, to) in [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("c", "b")] {
        world.expect(from, to, OPEN, Outcome::Denied);
    }
    world.expect_udp("c", "a", OPEN, Outcome::Denied);
    // Probes of the kubelet come from the node, and a pod reaches itself.
    world.expect("node", "a", OPEN, Outcome::Allowed);
    world.expect("a", "a", OPEN, Outcome::Allowed);
}

fn selectors_open_exactly_one_way(world: &World) {
    let bank = json!({ "matchLabels": { "kubernetes.io/metadata.name": "bank" } });
    let web = json!({ "matchLabels": { "app": "web" } });
    let peer = json!({ "namespaceSelector": bank, "podSelector": web });
    let rule = json!({ "from": [peer], "ports": [{ "port": "open" }] });
    world.load(&[(
        "shop",
        json!({ "podSelector": { "matchLabels": { "app": "db" } }, "ingress": [rule] }),
    )]);
    world.expect("c", "b", OPEN, Outcome::Allowed);
    world.expect("c", "b", OTHER, Outcome::Denied);
    world.expect("a", "b", OPEN, Outcome::Denied);
    world.expect("b", "a", OPEN, Outcome::Allowed);
    world.expect("b", "c", OTHER, Outcome::Allowed);
}

fn egress_needs_ingress_too(world: &World) {
    let out = json!({ "podSelector": { "matchLabels": { "app": "web" } }, "policyTypes": ["Egress"],
        "egress": [{ "to": [{ "podSelector": { "matchLabels": { "app": "db" } } }], "ports": [{ "port": 8000, "endPort": 8100 }] }] });
    world.load(&[("shop", out.clone())]);
    world.expect("a", "b", OPEN, Outcome::Allowed);
    world.expect("a", "b", OTHER, Outcome::Denied);
    world.expect("a", "c", OPEN, Outcome::Denied);
    // An allowed egress must not skip the receiver's ingress.
    world.load(&[
        ("shop", out),
        (
            "shop",
            json!({ "podSelector": { "matchLabels": { "app": "db" } } }),
        ),
    ]);
    world.expect("a", "b", OPEN, Outcome::Denied);
}

fn blocks_with_holes(world: &World) {
    let hole = format!("{}/32", world.address("c"));
    let block = json!({ "ipBlock": { "cidr": "10.244.0.0/24", "except": [hole] } });
    world.load(&[(
        "shop",
        json!({ "podSelector": {}, "ingress": [{ "from": [block] }] }),
    )]);
    world.expect("a", "b", OPEN, Outcome::Allowed);
    world.expect("c", "b", OPEN, Outcome::Denied);
}

fn protocols_are_told_apart(world: &World) {
    let udp = json!({ "ports": [{ "protocol": "UDP", "port": OPEN }] });
    world.load(&[("shop", json!({ "podSelector": {}, "ingress": [udp] }))]);
    world.expect_udp("c", "a", OPEN, Outcome::Allowed);
    world.expect_udp("c", "a", OTHER, Outcome::Denied);
    world.expect("c", "a", OPEN, Outcome::Denied);
}

fn a_pod_to_its_node(world: &World) {
    world.load(&[]);
    world.expect("a", "node", OPEN, Outcome::Allowed);
    world.load(&[("shop", json!({ "podSelector": {}, "policyTypes": ["Egress"] }))]);
    world.expect("a", "node", OPEN, Outcome::Denied);
    world.expect("c", "node", OPEN, Outcome::Allowed);
    let node = json!({ "ipBlock": { "cidr": format!("{}/32", world.address("node")) } });
    let rule = json!({ "to": [node], "ports": [{ "port": OPEN }] });
    world.load(&[(
        "shop",
        json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [rule] }),
    )]);
    world.expect("a", "node", OPEN, Outcome::Allowed);
    world.expect("a", "node", OTHER, Outcome::Denied);
}

fn open_connections_stall(world: &World) {
    world.load(&[]);
    let mut connection = world.connect("c", "a", OPEN).expect("nothing denies it");
    assert!(
        world::echoes(&mut connection),
        "the connection must work before the deny"
    );
    world.load(&[("shop", json!({ "podSelector": {} }))]);
    assert!(
        !world::echoes(&mut connection),
        "an open connection must stall as soon as it is denied"
    );
    world.load(&[]);
}

fn unknown_addresses_are_cut_off(world: &World) {
    world.load_without(&["c"], &[]);
    for (from, to) in [("c", "a"), ("a", "c"), ("c", "node")] {
        world.expect(from, to, OPEN, Outcome::Denied);
    }
    world.expect("a", "b", OPEN, Outcome::Allowed);
    world.load(&[]);
    world.expect("c", "a", OPEN, Outcome::Allowed);
}
