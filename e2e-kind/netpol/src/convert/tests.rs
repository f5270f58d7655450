use serde_json::{Value, json};

use super::*;
use crate::model::Direction;

fn read_policy(spec: &Value) -> Policy {
    let metadata = json!({ "namespace": "shop", "name": "p", "resourceVersion": "42" });
    policy(serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap())
}

fn first_rule(direction: &str, rule: &Value) -> Rule {
    let kind = if direction == "ingress" {
        "Ingress"
    } else {
        "Egress"
    };
    let read = read_policy(&json!({ "podSelector": {}, "policyTypes": [kind], direction: [rule] }));
    read.ingress.or(read.egress).unwrap().remove(0)
}

#[test]
fn policy_types_say_which_directions_are_isolated() {
    let cases = [
        (json!({}), (true, false)),
        (json!({ "egress": [{}] }), (true, true)),
        (json!({ "policyTypes": ["Ingress"] }), (true, false)),
        (json!({ "policyTypes": ["Egress"] }), (false, true)),
        (json!({ "policyTypes": ["Ingress", "Egress"] }), (true, true)),
        (
            json!({ "policyTypes": ["Egress"], "ingress": [{}] }),
            (false, true),
        ),
    ];
    for (mut spec, (ingress, egress)) in cases {
        spec["podSelector"] = json!({});
        let read = read_policy(&spec);
        assert_eq!(read.rules(Direction::Ingress).is_some(), ingress, "{spec}");
        assert_eq!(read.rules(Direction::Egress).is_some(), egress, "{spec}");
        assert_eq!((read.key.to_string(), read.version), ("shop/p".to_owned(), 42));
    }
}

#[test]
fn ports() {
    let cases = [
        (json!({}), Port::Any(Protocol::Tcp)),
        (json!({ "protocol": "UDP" }), Port::Any(Protocol::Udp)),
        (
            json!({ "protocol": "UDP", "port": 53 }),
            Port::Range(Protocol::Udp, 53, 53),
        ),
        (
            json!({ "port": 8000, "endPort": 8100 }),
            Port::Range(Protocol::Tcp, 8000, 8100),
        ),
        (
            json!({ "port": "http" }),
            Port::Named(Protocol::Tcp, "http".into()),
        ),
        (
            json!({ "protocol": "SCTP", "port": 7 }),
            Port::Range(Protocol::Sctp, 7, 7),
        ),
        (json!({ "port": 8000, "endPort": 7000 }), Port::Nothing),
        (json!({ "endPort": 7000 }), Port::Nothing),
        (json!({ "port": "http", "endPort": 7000 }), Port::Nothing),
        (json!({ "port": 0 }), Port::Nothing),
        (json!({ "port": 70000 }), Port::Nothing),
        (json!({ "protocol": "QUIC", "port": 443 }), Port::Nothing),
    ];
    for (port, expected) in cases {
        let rule = first_rule("egress", &json!({ "ports": [port] }));
        assert_eq!(
            rule,
            Rule {
                peers: vec![],
                ports: vec![expected]
            },
            "{port}"
        );
    }
}

fn peer_of(peer: &Value) -> Rule {
    first_rule("ingress", &json!({ "from": [peer] }))
}

#[test]
fn peers_by_label() {
    let selector = |label: &str, value: &str| Selector {
        requirements: vec![Requirement::In(label.into(), [value.to_owned()].into())],
    };
    let team = json!({ "matchLabels": { "team": "a" } });
    let app = json!({ "matchLabels": { "app": "b" } });
    let cases = [
        (
            json!({ "podSelector": {} }),
            Peer::Pods {
                namespaces: None,
                pods: Selector::default(),
            },
        ),
        (
            json!({ "namespaceSelector": {} }),
            Peer::Pods {
                namespaces: Some(Selector::default()),
                pods: Selector::default(),
            },
        ),
        (
            json!({ "namespaceSelector": team, "podSelector": app }),
            Peer::Pods {
                namespaces: Some(selector("team", "a")),
                pods: selector("app", "b"),
            },
        ),
    ];
    for (peer, expected) in cases {
        assert_eq!(
            peer_of(&peer),
            Rule {
                peers: vec![expected],
                ports: vec![]
            },
            "{peer}"
        );
    }
}

#[test]
fn peers_by_address() {
    let block = |cidr: &str, except: &[&str]| {
        let except = except.iter().map(|hole| hole.parse().unwrap()).collect();
        Peer::Block(Block {
            cidr: cidr.parse().unwrap(),
            except,
        })
    };
    let holes = ["10.1.0.0/16", "10.2.0.0/16"];
    let cases = [
        (
            json!({ "ipBlock": { "cidr": "10.0.0.0/8" } }),
            block("10.0.0.0/8", &[]),
        ),
        (
            json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": holes } }),
            block("10.0.0.0/8", &holes),
        ),
        (json!({ "ipBlock": { "cidr": "fd00::/8" } }), Peer::Nobody),
        (
            json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1"] } }),
            Peer::Nobody,
        ),
        (
            json!({ "ipBlock": { "cidr": "10.0.0.0/8" }, "podSelector": {} }),
            Peer::Nobody,
        ),
        (json!({}), Peer::Nobody),
    ];
    for (peer, expected) in cases {
        assert_eq!(
            peer_of(&peer),
            Rule {
                peers: vec![expected],
                ports: vec![]
            },
            "{peer}"
        );
    }
}

#[test]
fn expressions() {
    let values = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let cases = [
        (
            json!({ "key": "a", "operator": "In", "values": ["x", "y"] }),
            Requirement::In("a".into(), values(&["x", "y"])),
        ),
        (
            json!({ "key": "a", "operator": "NotIn", "values": ["x"] }),
            Requirement::NotIn("a".into(), values(&["x"])),
        ),
        (
            json!({ "key": "a", "operator": "Exists" }),
            Requirement::Exists("a".into()),
        ),
        (
            json!({ "key": "a", "operator": "DoesNotExist" }),
            Requirement::DoesNotExist("a".into()),
        ),
        (
            json!({ "key": "a", "operator": "Gt", "values": ["1"] }),
            Requirement::Unknown,
        ),
    ];
    for (expression, expected) in cases {
        let read = read_policy(&json!({ "podSelector": { "matchExpressions": [expression] } }));
        assert_eq!(read.pods.requirements, [expected], "{expression}");
    }
}

#[test]
fn a_pod_keeps_what_policies_see() {
    let object = json!({
        "metadata": { "namespace": "shop", "name": "web", "uid": "u1", "labels": { "app": "web" },
            "creationTimestamp": "2026-01-02T03:04:05Z" },
        "spec": {
            "nodeName": "node",
            "containers": [{ "name": "c", "ports": [
                { "name": "http", "containerPort": 8080 }, { "containerPort": 9 },
                { "name": "dns", "protocol": "UDP", "containerPort": 53 } ] }],
            "initContainers": [{ "name": "s", "restartPolicy": "Always", "ports": [{ "name": "guard", "containerPort": 8000 }] }],
        },
        "status": { "phase": "Running", "podIP": "10.244.0.5", "podIPs": [{ "ip": "10.244.0.5" }, { "ip": "fd00::5" }] },
    });
    let read = pod(serde_json::from_value(object).unwrap());
    assert_eq!(read.key.to_string(), "shop/web");
    assert_eq!(read.addresses, [Ipv4Addr::new(10, 244, 0, 5)].into());
    let ports: Vec<_> = read
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.protocol, port.port))
        .collect();
    assert_eq!(
        ports,
        [
            ("http", Protocol::Tcp, 8080),
            ("dns", Protocol::Udp, 53),
            ("guard", Protocol::Tcp, 8000)
        ]
    );
    assert!(!read.finished && !read.host_network);
    assert_eq!(
        (read.node.as_deref(), read.created.as_str()),
        (Some("node"), "2026-01-02T03:04:05Z")
    );
}

#[test]
fn finished_and_host_network_pods_are_marked() {
    let read = |phase: &str, host: bool| {
        let object = json!({ "metadata": { "namespace": "n", "name": "p" },
            "spec": { "containers": [], "hostNetwork": host }, "status": { "phase": phase } });
        pod(serde_json::from_value(object).unwrap())
    };
    assert!(read("Succeeded", false).finished && read("Failed", false).finished);
    assert!(!read("Pending", false).finished && read("Running", true).host_network);
}
