use serde_json::{Value, json};

use super::*;
use crate::convert;

/// A small world: namespaces shop (team a), bank (team b); pods in both.
struct World {
    namespaces: Vec<Namespace>,
    pods: Vec<(Ipv4Addr, Pod)>,
    policies: Vec<Policy>,
}

const WEB: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const DB: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);
const TELLER: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 3);
const VAULT: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 4);

fn world(policies: &[Value]) -> World {
    let namespace = |name: &str, team: &str| {
        let labels = json!({ "team": team, "kubernetes.io/metadata.name": name });
        convert::namespace(
            serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap(),
        )
    };
    let pod = |address: Ipv4Addr, namespace: &str, app: &str, http: u16| {
        let ports = json!([{ "name": "http", "containerPort": http },
            { "name": "dns", "protocol": "UDP", "containerPort": 53 }]);
        let object = json!({
            "metadata": { "namespace": namespace, "name": app, "uid": app, "labels": { "app": app } },
            "spec": { "nodeName": "here", "containers": [{ "name": "c", "ports": ports }] },
        });
        (address, convert::pod(serde_json::from_value(object).unwrap()))
    };
    World {
        namespaces: vec![namespace("shop", "a"), namespace("bank", "b")],
        pods: vec![
            pod(WEB, "shop", "web", 8080),
            pod(DB, "shop", "db", 5432),
            pod(TELLER, "bank", "teller", 8080),
            pod(VAULT, "bank", "vault", 9000),
        ],
        policies: policies
            .iter()
            .map(|spec| {
                let metadata = json!({ "namespace": "shop", "name": "p" });
                convert::policy(
                    serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap(),
                )
            })
            .collect(),
    }
}

impl World {
    fn rules(&self) -> RuleSet {
        let view = View {
            namespaces: self
                .namespaces
                .iter()
                .map(|one| (one.name.as_str(), one))
                .collect(),
            pods: self.pods.iter().map(|(address, pod)| (*address, pod)).collect(),
            policies: self.policies.iter().collect(),
        };
        rule_set(&view, "10.244.0.0/24".parse().unwrap(), "here")
    }

    fn chain(&self, direction: Direction, address: Ipv4Addr) -> Option<Chain> {
        let mut chains = self.rules().chains.into_iter();
        chains.find(|chain| chain.direction == direction && chain.address == address)
    }

    /// What the chain allows beside the pod itself.
    fn allows(&self, direction: Direction, address: Ipv4Addr) -> Vec<Allow> {
        let own = Allow {
            peers: Peers::Addresses([address].into()),
            ports: Ports::All,
        };
        let allows = self.chain(direction, address).expect("an isolated pod").allows;
        assert!(allows.contains(&own), "a pod must reach itself: {allows:?}");
        allows.into_iter().filter(|allow| *allow != own).collect()
    }
}

fn from(peer: &Value) -> Value {
    json!({ "podSelector": { "matchLabels": { "app": "db" } }, "ingress": [{ "from": [peer] }] })
}

#[test]
fn without_policies_everybody_is_known_and_nobody_isolated() {
    let rules = world(&[]).rules();
    assert_eq!(rules.known.len(), 4);
    assert!(rules.chains.is_empty());
}

#[test]
fn default_deny_isolates_the_namespace_both_ways_and_no_other() {
    let deny = world(&[json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })]);
    let isolated: Vec<_> = deny
        .rules()
        .chains
        .iter()
        .map(|chain| (chain.address, chain.direction))
        .collect();
    let both = [
        (WEB, Direction::Egress),
        (WEB, Direction::Ingress),
        (DB, Direction::Egress),
        (DB, Direction::Ingress),
    ];
    assert_eq!(isolated, both);
    for (address, direction) in both {
        assert_eq!(deny.allows(direction, address), []);
    }
}

#[test]
fn only_selected_pods_are_isolated() {
    let one = world(&[from(&json!({ "podSelector": {} }))]);
    assert!(one.chain(Direction::Ingress, DB).is_some());
    assert!(one.chain(Direction::Egress, DB).is_none());
    assert!(one.chain(Direction::Ingress, WEB).is_none());
    assert!(one.chain(Direction::Ingress, VAULT).is_none());
}

#[test]
fn peers_by_selector() {
    let team = |team: &str| json!({ "matchLabels": { "team": team } });
    let app = |app: &str| json!({ "matchLabels": { "app": app } });
    let cases: Vec<(Value, Vec<Ipv4Addr>)> = vec![
        (json!({ "podSelector": {} }), vec![WEB, DB]),
        (json!({ "podSelector": app("web") }), vec![WEB]),
        // A pod of that label exists, but in another namespace.
        (json!({ "podSelector": app("teller") }), vec![]),
        (json!({ "namespaceSelector": team("b") }), vec![TELLER, VAULT]),
        (json!({ "namespaceSelector": {} }), vec![WEB, DB, TELLER, VAULT]),
        // Both in one entry: both must hold.
        (
            json!({ "namespaceSelector": team("b"), "podSelector": app("teller") }),
            vec![TELLER],
        ),
        (
            json!({ "namespaceSelector": team("a"), "podSelector": app("teller") }),
            vec![],
        ),
        (json!({ "namespaceSelector": team("nobody") }), vec![]),
        (
            json!({ "namespaceSelector": { "matchExpressions": [{ "key": "team", "operator": "NotIn", "values": ["a"] }] } }),
            vec![TELLER, VAULT],
        ),
        (
            json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["web", "x"] }] } }),
            vec![WEB],
        ),
        (
            json!({ "podSelector": { "matchExpressions": [{ "key": "tier", "operator": "Exists" }] } }),
            vec![],
        ),
        (
            json!({ "podSelector": { "matchExpressions": [{ "key": "tier", "operator": "DoesNotExist" }] } }),
            vec![WEB, DB],
        ),
        (
            json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "Like", "values": ["w"] }] } }),
            vec![],
        ),
    ];
    for (peer, expected) in cases {
        let found = world(&[from(&peer)]).allows(Direction::Ingress, DB);
        let expected: Vec<_> = addresses(expected.into_iter())
            .into_iter()
            .map(|peers| Allow {
                peers,
                ports: Ports::All,
            })
            .collect();
        assert_eq!(found, expected, "{peer}");
    }
}

#[test]
fn an_empty_rule_allows_everything_and_no_rule_nothing() {
    let everything = world(&[json!({ "podSelector": {}, "ingress": [{}] })]);
    assert_eq!(
        everything.allows(Direction::Ingress, DB),
        [Allow {
            peers: Peers::Anybody,
            ports: Ports::All
        }]
    );
    let nothing = world(&[json!({ "podSelector": {}, "ingress": [] })]);
    assert_eq!(nothing.allows(Direction::Ingress, DB), []);
}

#[test]
fn policies_add_up() {
    let two = world(&[
        from(&json!({ "podSelector": { "matchLabels": { "app": "web" } } })),
        from(&json!({ "ipBlock": { "cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"] } })),
    ]);
    let found = two.allows(Direction::Ingress, DB);
    assert_eq!(found.len(), 2);
    assert!(found.contains(&Allow {
        peers: Peers::Addresses([WEB].into()),
        ports: Ports::All
    }));
    let block = Block {
        cidr: "192.0.2.0/24".parse().unwrap(),
        except: vec!["192.0.2.128/25".parse().unwrap()],
    };
    assert!(found.contains(&Allow {
        peers: Peers::Block(block),
        ports: Ports::All
    }));
}

#[test]
fn ports_are_joined_by_protocol() {
    let cases = [
        (
            json!([{ "port": 80 }, { "port": 443 }]),
            vec![Ports::Ranges(Protocol::Tcp, vec![(80, 80), (443, 443)])],
        ),
        // Overlapping and touching ranges become one: nft refuses overlaps in a set.
        (
            json!([{ "port": 100, "endPort": 200 }, { "port": 150, "endPort": 300 }, { "port": 301 }, { "port": 100 }]),
            vec![Ports::Ranges(Protocol::Tcp, vec![(100, 301)])],
        ),
        (
            json!([{ "port": 65535 }, { "port": 1, "endPort": 65535 }]),
            vec![Ports::Ranges(Protocol::Tcp, vec![(1, 65535)])],
        ),
        (
            json!([{ "protocol": "UDP", "port": 53 }, { "port": 53 }]),
            vec![
                Ports::Ranges(Protocol::Tcp, vec![(53, 53)]),
                Ports::Ranges(Protocol::Udp, vec![(53, 53)]),
            ],
        ),
        (
            json!([{ "protocol": "TCP" }, { "port": 80 }]),
            vec![Ports::Protocol(Protocol::Tcp)],
        ),
        (json!([{ "port": 0 }]), vec![]),
    ];
    for (ports, expected) in cases {
        let policy = json!({ "podSelector": {}, "ingress": [{ "ports": ports }] });
        let found: Vec<_> = world(&[policy])
            .allows(Direction::Ingress, DB)
            .into_iter()
            .map(|allow| allow.ports)
            .collect();
        assert_eq!(found, expected, "{ports}");
    }
}

#[test]
fn a_named_port_is_the_receivers() {
    let tcp = |port| Ports::Ranges(Protocol::Tcp, vec![(port, port)]);
    // Into a pod: its own.
    let ingress = world(&[json!({ "podSelector": {}, "ingress": [{ "ports": [{ "port": "http" }] }] })]);
    assert_eq!(
        ingress.allows(Direction::Ingress, WEB),
        [Allow {
            peers: Peers::Anybody,
            ports: tcp(8080)
        }]
    );
    assert_eq!(
        ingress.allows(Direction::Ingress, DB),
        [Allow {
            peers: Peers::Anybody,
            ports: tcp(5432)
        }]
    );
    // Out of a pod: each peer's.
    let egress = |to: Value, name: &str, protocol: &str| {
        let rule = json!({ "to": to, "ports": [{ "port": name, "protocol": protocol }] });
        world(&[json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [rule] })])
    };
    let everywhere = json!([{ "namespaceSelector": {} }]);
    let by_port = [
        Allow {
            peers: Peers::Addresses([WEB, TELLER].into()),
            ports: tcp(8080),
        },
        Allow {
            peers: Peers::Addresses([DB].into()),
            ports: tcp(5432),
        },
        Allow {
            peers: Peers::Addresses([VAULT].into()),
            ports: tcp(9000),
        },
    ];
    for to in [everywhere.clone(), json!([])] {
        let mut found = egress(to, "http", "TCP").allows(Direction::Egress, WEB);
        found.sort_by_key(|allow| by_port.iter().position(|one| one == allow));
        assert_eq!(found, by_port);
    }
    // The name exists, but for the other protocol; or not at all; or the peer is a block.
    assert_eq!(
        egress(everywhere.clone(), "dns", "TCP").allows(Direction::Egress, WEB),
        []
    );
    assert_eq!(
        egress(everywhere, "grpc", "TCP").allows(Direction::Egress, WEB),
        []
    );
    let block = json!([{ "ipBlock": { "cidr": "10.244.0.0/24" } }]);
    assert_eq!(egress(block, "http", "TCP").allows(Direction::Egress, WEB), []);
}

#[test]
fn pods_of_another_node_are_known_but_have_no_chains() {
    let mut world = world(&[json!({ "podSelector": {} })]);
    world.pods[0].1.node = Some("there".into());
    let rules = world.rules();
    assert!(rules.known.contains_key(&WEB));
    assert_eq!(
        rules.chains.iter().map(|chain| chain.address).collect::<Vec<_>>(),
        [DB]
    );
}
