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
    let children = build::all(&org, &settings(), &["order-1-0".to_owned()])
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
    let all = build::all(&org(), &settings(), &["order-1-0".to_owned()]);
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
    let all = build::all(&org(), &settings(), &["order-1-0".to_owned()]);
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
fn the_operator_reaches_both_ports_of_a_sentinel_and_nobody_else_its_admin_port() {
    let all = build::all(&org(), &settings(), &["order-1-0".to_owned()]);
    let rule = &find(&all, "NetworkPolicy", "tb-acme-protected", "operator")["spec"]["ingress"];
    assert_eq!(rule.as_array().map(Vec::len), Some(1));
    assert_eq!(
        rule[0]["ports"],
        serde_json::json!([{"protocol": "TCP", "port": 8001}, {"protocol": "TCP", "port": 8000}])
    );
    let others = all.iter().filter(|b| {
        b.target.resource.kind == "NetworkPolicy"
            && b.target.namespace.as_deref() == Some("tb-acme-protected")
            && b.target.name != "operator"
    });
    assert!(
        others
            .map(|b| b.body["spec"]["ingress"].to_string())
            .all(|rule| !rule.contains("8001"))
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
    for built in build::all(&org(), &settings(), &["order-1-0".to_owned()]) {
        match built.target.resource.kind.as_str() {
            "NetworkPolicy" => drop(serde_json::from_value::<NetworkPolicy>(built.body).unwrap()),
            "Namespace" => drop(serde_json::from_value::<Namespace>(built.body).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn members_get_the_buyers_role_in_their_own_namespace_only() {
    let all = build::all(&org(), &settings(), &["order-1-0".to_owned()]);
    let binding = find(&all, "RoleBinding", "tb-acme", "trustbridge-buyers");
    assert_eq!(binding["subjects"][0]["name"], "acme-buyers");
    let in_protected = all.iter().filter(|b| {
        b.target.resource.kind == "RoleBinding" && b.target.namespace.as_deref() == Some("tb-acme-protected")
    });
    assert!(
        in_protected
            .map(|b| b.target.name.as_str())
            .eq(["trustbridge-operator", "trustbridge-heartbeats"])
    );
}

#[test]
fn missing_children_are_applied_and_then_nothing_is_left_to_do() {
    let plan = decide::decide(&observed(org(), false), now());
    assert_eq!(
        plan.writes.len(),
        build::all(&org(), &settings(), &["order-1-0".to_owned()]).len()
    );
    assert!(plan.writes.iter().all(|w| matches!(w, Write::Apply(..))));
    let mut settled = org();
    settled.status = Some(plan.status);
    let later = now() + jiff::SignedDuration::from_hours(1);
    let again = decide::decide(&observed(settled.clone(), true), later);
    assert!(again.writes.is_empty());
    assert!(status_write(&settled, settled.status.as_ref(), &again.status).is_none());
}

#[test]
fn members_read_the_tokens_of_their_tunepods_and_no_other_secret() {
    let all = build::all(&org(), &settings(), &["order-1-0".to_owned()]);
    let rule = &find(&all, "Role", "tb-acme", "trustbridge-token-readers")["rules"][0];
    assert_eq!(rule["resourceNames"], serde_json::json!(["tp-order-1-0-token"]));
    assert_eq!(rule["verbs"], serde_json::json!(["get"]));
    let none = build::all(&org(), &settings(), &[]);
    let without = find(&none, "Role", "tb-acme", "trustbridge-token-readers");
    assert_eq!(
        without["rules"],
        serde_json::json!([]),
        "a rule without names is one for all"
    );
    let readers = find(&all, "RoleBinding", "tb-acme", "trustbridge-token-readers");
    assert_eq!(readers["subjects"][0]["name"], "acme-buyers");
    let bindings = all.iter().filter(|b| b.target.resource.kind == "RoleBinding");
    let of_buyers = bindings.filter(|b| b.body["subjects"].to_string().contains("acme-buyers"));
    assert!(
        of_buyers
            .map(|b| b.target.namespace.as_deref())
            .eq([Some("tb-acme"), Some("tb-acme")]),
        "buyers have no rights in the protected namespace"
    );
}

#[test]
fn sentinels_renew_the_leases_of_their_tunepods_and_do_nothing_else() {
    let names = ["order-1-0".to_owned(), "order-2-0".to_owned()];
    let all = build::all(&org(), &settings(), &names);
    let role = find(&all, "Role", "tb-acme-protected", "trustbridge-heartbeats");
    assert_eq!(
        role["rules"],
        serde_json::json!([{
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["tp-order-1-0-heartbeat", "tp-order-2-0-heartbeat"],
            "verbs": ["patch"],
        }])
    );
    let none = build::all(&org(), &settings(), &[]);
    let without = find(&none, "Role", "tb-acme-protected", "trustbridge-heartbeats");
    assert_eq!(
        without["rules"],
        serde_json::json!([]),
        "a rule without names is one for all"
    );
    let binding = find(&all, "RoleBinding", "tb-acme-protected", "trustbridge-heartbeats");
    assert_eq!(binding["roleRef"]["kind"], "Role");
    assert_eq!(
        binding["subjects"],
        serde_json::json!([{"kind": "ServiceAccount", "name": "tunepod", "namespace": "tb-acme-protected"}])
    );
}

#[test]
fn the_way_to_the_api_server_is_its_addresses_and_ports_and_no_other() {
    let slice = |addresses: &[&str], ports: Value| -> k8s_openapi::api::discovery::v1::EndpointSlice {
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|a| serde_json::json!({"addresses": [a]}))
            .collect();
        serde_json::from_value(serde_json::json!({"metadata": {}, "addressType": "IPv4", "endpoints": endpoints, "ports": ports})).unwrap()
    };
    let https = serde_json::json!([{"name": "https", "port": 6443, "protocol": "TCP"}]);
    let built = build::to_api_server(&org(), &slice(&["192.0.2.9", "192.0.2.8"], https.clone())).unwrap();
    assert_eq!(built.target.namespace.as_deref(), Some("tb-acme-protected"));
    assert_eq!(
        built.body["spec"],
        serde_json::json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{
            "to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}, {"ipBlock": {"cidr": "192.0.2.9/32"}}],
            "ports": [{"protocol": "TCP", "port": 6443}],
        }]})
    );
    // Nobody to reach, or no port: a rule that says so would let everything through.
    assert_eq!(build::to_api_server(&org(), &slice(&[], https)), None);
    assert_eq!(
        build::to_api_server(&org(), &slice(&["192.0.2.8"], serde_json::json!([]))),
        None
    );
}

#[test]
fn the_operator_binds_its_rights_to_itself_alone() {
    let all = build::all(&org(), &settings(), &[]);
    for namespace in ["tb-acme", "tb-acme-protected"] {
        let binding = find(&all, "RoleBinding", namespace, "trustbridge-operator");
        assert_eq!(binding["roleRef"]["name"], build::OPERATOR_ROLE);
        assert_eq!(
            binding["subjects"],
            serde_json::json!([{"kind": "ServiceAccount", "name": "trustbridge-operator", "namespace": "trustbridge-system"}])
        );
    }
}

/// One TunePod of a version that nobody here can read holds up nobody.
#[tokio::test]
async fn a_tunepod_that_cannot_be_read_is_counted_by_its_name() {
    let item = |name: &str, spec: Value| serde_json::json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": "TunePod", "metadata": {"name": name, "namespace": "tb-acme"}, "spec": spec});
    let unreadable = item("order-2-0", serde_json::json!({"orderRef": 7}));
    assert!(serde_json::from_value::<TunePod>(unreadable.clone()).is_err());
    let good = serde_json::to_value(TunePod::new("order-1-0", trustbridge_api::TunePodSpec::default()));
    let good = item("order-1-0", good.unwrap()["spec"].clone());
    let list = serde_json::json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": "TunePodList", "metadata": {}, "items": [unreadable, good]});
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let body = kube::client::Body::from(list.to_string().into_bytes());
        async move { Ok::<_, std::convert::Infallible>(http::Response::new(body)) }
    });
    let writer = Writer::new(
        kube::Client::new(service, "default"),
        trustbridge_kit::lease::Leader::alone(),
        Arc::new(trustbridge_kit::telemetry::Metrics::default()),
    );
    let names = tunepods(&writer, &org()).await.unwrap();
    assert_eq!(names, ["order-1-0", "order-2-0"]);
}
