use super::*;
use crate::model::Protocol;

const A: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 6);

fn rules(chains: Vec<Chain>) -> RuleSet {
    RuleSet {
        pod_cidr: "10.244.0.0/24".parse().unwrap(),
        known: [(A, Key::new("shop", "web")), (B, Key::new("shop", "db"))].into(),
        chains,
    }
}

fn chain(direction: Direction, allows: Vec<Allow>) -> Chain {
    Chain {
        direction,
        address: A,
        owner: Key::new("shop", "web"),
        allows,
    }
}

/// The lines of the named block, without its braces.
fn block(text: &str, name: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != format!("{name} {{"));
    lines
        .skip(1)
        .take_while(|line| *line != "}")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_table_is_replaced_in_one_transaction() {
    let text = render(&rules(vec![]));
    let head: Vec<_> = text.lines().take(3).collect();
    assert_eq!(
        head,
        [
            "add table inet tb_netpol",
            "delete table inet tb_netpol",
            "table inet tb_netpol {"
        ]
    );
    assert_eq!(text.lines().last(), Some("}"));
}

#[test]
fn base_rules_in_order() {
    let text = render(&rules(vec![]));
    assert_eq!(
        block(&text, "chain forward"),
        [
            "type filter hook forward priority filter; policy accept;",
            "meta nfproto ipv6 counter drop",
            "ct direction reply accept",
            "ct state related accept",
            "ip saddr 10.244.0.0/24 ip saddr != @known counter drop",
            "ip daddr 10.244.0.0/24 ip daddr != @known counter drop",
            "ip saddr vmap @egress",
            "ip daddr vmap @ingress",
        ]
    );
    assert_eq!(
        block(&text, "chain input"),
        [
            "type filter hook input priority filter; policy accept;",
            "iifname \"lo\" accept",
            "meta nfproto ipv6 counter drop",
            "ct direction reply accept",
            "ct state related accept",
            "ip saddr 10.244.0.0/24 ip saddr != @known counter drop",
            "ip saddr vmap @egress",
        ]
    );
}

#[test]
fn known_pods_and_maps() {
    let text = render(&rules(vec![chain(Direction::Egress, vec![])]));
    assert_eq!(
        block(&text, "set known"),
        ["type ipv4_addr", "elements = { 10.244.0.5, 10.244.0.6 }"]
    );
    let egress = [
        "type ipv4_addr : verdict",
        "elements = { 10.244.0.5 : jump egress-10.244.0.5 }",
    ];
    assert_eq!(block(&text, "map egress"), egress);
    // nft refuses an empty list of elements.
    assert_eq!(block(&text, "map ingress"), ["type ipv4_addr : verdict"]);
    let mut nobody = rules(vec![]);
    nobody.known.clear();
    assert_eq!(block(&render(&nobody), "set known"), ["type ipv4_addr"]);
}

#[test]
fn entries_of_a_chain() {
    let block_peer = |except: &[&str]| {
        let except = except.iter().map(|hole| hole.parse().unwrap()).collect();
        Peers::Block(Block {
            cidr: "10.0.0.0/8".parse().unwrap(),
            except,
        })
    };
    let ranges = |protocol, list: &[(u16, u16)]| Ports::Ranges(protocol, list.to_vec());
    let cases = [
        (Peers::Anybody, Ports::All, "return"),
        (
            Peers::Addresses([A, B].into()),
            Ports::All,
            "ip saddr { 10.244.0.5, 10.244.0.6 } return",
        ),
        (
            Peers::Anybody,
            Ports::Protocol(Protocol::Udp),
            "meta l4proto udp return",
        ),
        (
            Peers::Addresses([B].into()),
            ranges(Protocol::Tcp, &[(80, 80), (8000, 8100)]),
            "ip saddr { 10.244.0.6 } tcp dport { 80, 8000-8100 } return",
        ),
        (
            block_peer(&[]),
            ranges(Protocol::Udp, &[(53, 53)]),
            "ip saddr 10.0.0.0/8 udp dport { 53 } return",
        ),
        (
            block_peer(&["10.1.0.0/16", "10.1.2.0/24"]),
            ranges(Protocol::Sctp, &[(7, 7)]),
            "ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.1.2.0/24 sctp dport { 7 } return",
        ),
    ];
    for (peers, ports, expected) in cases {
        let allow = Allow { peers, ports };
        let text = render(&rules(vec![chain(Direction::Ingress, vec![allow.clone()])]));
        let lines = block(&text, "chain ingress-10.244.0.5");
        assert_eq!(lines, ["comment \"shop/web\"", expected, "counter drop"]);
        let text = render(&rules(vec![chain(Direction::Egress, vec![allow])]));
        let lines = block(&text, "chain egress-10.244.0.5");
        assert_eq!(
            lines,
            [
                "comment \"shop/web\"",
                &expected.replace("saddr", "daddr"),
                "counter drop"
            ]
        );
    }
}

#[test]
fn no_pod_chain_accepts_and_all_end_in_drop() {
    let everything = Allow {
        peers: Peers::Anybody,
        ports: Ports::All,
    };
    let both = [Direction::Egress, Direction::Ingress].map(|one| chain(one, vec![everything.clone()]));
    let text = render(&rules(both.to_vec()));
    for name in ["chain egress-10.244.0.5", "chain ingress-10.244.0.5"] {
        let lines = block(&text, name);
        assert!(lines.iter().all(|line| !line.contains("accept")), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "counter drop");
    }
}

#[test]
fn a_name_cannot_write_rules() {
    let mut hostile = chain(Direction::Egress, vec![]);
    hostile.owner = Key::new("a\" } flush ruleset #", "x".repeat(300));
    let text = render(&rules(vec![hostile]));
    let comment = block(&text, "chain egress-10.244.0.5").remove(0);
    assert!(comment.starts_with("comment \"aflushruleset/xxx"), "{comment}");
    assert_eq!(comment.len(), "comment \"\"".len() + 128);
}
