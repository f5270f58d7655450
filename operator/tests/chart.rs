//! The chart grants what the table says, row by row, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test's helper may fail its test")]

use serde::Deserialize;
use trustbridge_operator::controllers::buyer_org::build::OPERATOR_ROLE;
use trustbridge_operator::rbac::{ROWS, Row, Scope};

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

#[derive(Deserialize)]
struct Rules {
    rules: Vec<Rule>,
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn as_rule(row: &Row) -> Rule {
    Rule {
        api_groups: vec![row.group.to_owned()],
        resources: owned(row.resources),
        verbs: owned(row.verbs),
        resource_names: owned(row.names),
    }
}

/// The rules of the object of `kind` and `name` in the template. They hold no template expression.
fn granted(template: &str, kind: &str, name: &str) -> Vec<Rule> {
    let object = template
        .split("\n---\n")
        .find(|o| o.contains(&format!("\nkind: {kind}\nmetadata:\n  name: {name}\n")))
        .unwrap();
    let rules = &object[object.find("\nrules:\n").unwrap()..];
    serde_saphyr::from_str::<Rules>(rules).unwrap().rules
}

#[test]
fn the_chart_grants_the_table() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../charts/trustbridge/templates/operator"
    );
    let always = "rbac.yaml";
    let places = [
        (always, Scope::Cluster, "ClusterRole", "trustbridge-operator"),
        (always, Scope::OwnNamespace, "Role", "trustbridge-operator"),
        (always, Scope::Organisation, "ClusterRole", OPERATOR_ROLE),
        (
            "karpenter-rbac.yaml",
            Scope::Karpenter,
            "ClusterRole",
            "trustbridge-operator-karpenter",
        ),
    ];
    for (file, scope, kind, name) in places {
        let path = format!("{folder}/{file}");
        let template = std::fs::read_to_string(&path).unwrap();
        let table: Vec<Rule> = ROWS.iter().filter(|r| r.scope == scope).map(as_rule).collect();
        assert_eq!(granted(&template, kind, name), table, "{kind} {name} in {path}");
    }
}
