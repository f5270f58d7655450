use super::*;
use crate::controllers::execute::{Write, status_write};
use crate::settings::tests::settings;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::Value;
use trustbridge_api::BuyerOrgSpec;
use trustbridge_api::buyer_org::{Member, MemberKind};

fn org() -> BuyerOrg {
    let member = Member {
        kind: MemberKind::Group,
        name: "acme-buyers".to_owned(),
    };
    let mut org = BuyerOrg::new(
        "acme",
        BuyerOrgSpec {
            members: vec![member],
            ..BuyerOrgSpec::default()
        },
    );
    org.metadata.uid = Some("u".to_owned());
    org.metadata.generation = Some(1);
    org
}

fn observed(org: BuyerOrg, is_there: bool) -> Observed {
    let children = build::all(&org, &settings())
        .into_iter()
        .map(|b| (b, is_there))
        .collect();
    Observed { org, children }
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_000_000).unwrap()
}

fn find<'a>(all: &'a [Built], kind: &str, namespace: &str, name: &str) -> &'a Value {
    let hit = all.iter().find(|b| {
        b.target.resource.kind == kind
            && b.target.namespace.as_deref().unwrap_or("") == namespace
            && b.target.name == name
    });
    &hit.unwrap_or_else(|| panic!("{kind} {namespace}/{name} is missing"))
        .body
}

#[test]
fn both_namespaces_come_first_and_are_labelled() {
    let all = build::all(&org(), &settings());
    assert!(all[..2].iter().all(|b| b.target.resource.kind == "Namespace"));
    let protected = find(&all, "Namespace", "", "tb-acme-protected");
    assert_eq!(
        protected["metadata"]["labels"]["trustbridge.io/protected"],
        "true"
    );
    assert_eq!(protected["metadata"]["labels"]["trustbridge.io/org"], "acme");
    assert_eq!(
        protected["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
}

#[test]
fn protected_pods_reach_outside_but_not_the_cluster() {
    let all = build::all(&org(), &settings());
    let rule = &find(&all, "NetworkPolicy", "tb-acme-protected", "outside")["spec"]["egress"][0];
    let except = rule["to"][0]["ipBlock"]["except"].as_array().unwrap();
    assert!(except.contains(&"10.244.0.0/16".into()) && except.contains(&"169.254.0.0/16".into()));
    let ingress = &find(&all, "NetworkPolicy", "tb-acme-protected", "buyers")["spec"]["ingress"][0];
    assert_eq!(ingress["ports"][0]["port"], 8000);
    assert_eq!(
        ingress["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "tb-acme"
    );
    for namespace in ["tb-acme", "tb-acme-protected"] {
        let deny = &find(&all, "NetworkPolicy", namespace, "default-deny")["spec"];
        assert_eq!(deny["policyTypes"].as_array().unwrap().len(), 2);
        assert!(deny.get("ingress").is_none() && deny.get("egress").is_none());
    }
}

#[test]
fn the_admin_port_of_a_sentinel_is_the_operators_alone() {
    let all = build::all(&org(), &settings());
    let rule = &find(&all, "NetworkPolicy", "tb-acme-protected", "operator")["spec"]["ingress"];
    assert_eq!(rule.as_array().map(Vec::len), Some(1));
    assert_eq!(
        rule[0]["ports"],
        serde_json::json!([{"protocol": "TCP", "port": 8001}])
    );
    let from = rule[0]["from"].as_array().unwrap();
    assert_eq!(from.len(), 1, "namespace and pod together, not either");
    assert_eq!(
        from[0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "trustbridge-system"
    );
    assert_eq!(
        from[0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"],
        "operator"
    );
}

#[test]
fn what_is_built_is_of_its_kind() {
    for built in build::all(&org(), &settings()) {
        match built.target.resource.kind.as_str() {
            "NetworkPolicy" => drop(serde_json::from_value::<NetworkPolicy>(built.body).unwrap()),
            "Namespace" => drop(serde_json::from_value::<Namespace>(built.body).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn members_get_the_buyers_role_in_their_own_namespace_only() {
    let all = build::all(&org(), &settings());
    let binding = find(&all, "RoleBinding", "tb-acme", "trustbridge-buyers");
    assert_eq!(binding["subjects"][0]["name"], "acme-buyers");
    assert!(!all.iter().any(|b| b.target.resource.kind == "RoleBinding"
        && b.target.namespace.as_deref() == Some("tb-acme-protected")));
}

#[test]
fn missing_children_are_applied_and_then_nothing_is_left_to_do() {
    let plan = decide::decide(&observed(org(), false), now());
    assert_eq!(plan.writes.len(), build::all(&org(), &settings()).len());
    assert!(plan.writes.iter().all(|w| matches!(w, Write::Apply(..))));
    let mut settled = org();
    settled.status = Some(plan.status);
    let later = now() + jiff::SignedDuration::from_hours(1);
    let again = decide::decide(&observed(settled.clone(), true), later);
    assert!(again.writes.is_empty());
    assert!(status_write(&settled, settled.status.as_ref(), &again.status).is_none());
}
