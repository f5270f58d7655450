//! The direction of dependencies: `domain, tbenc <- api <- kit <- {operator, webhook, acp-bridge}`;
//! `sentinel -> domain, tbenc, azure, api (types)`, without kube's client; nothing depends on a binary crate;
//! `simkit` only in tests.

#![allow(clippy::unwrap_used, reason = "a test's helper may fail its test")]

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

/// Which of our crates each crate may build on. Tests may use more (see `only_tests`).
const ALLOWED: &[(&str, &[&str])] = &[
    ("trustbridge-domain", &[]),
    ("trustbridge-tbenc", &[]),
    ("trustbridge-azure", &[]),
    ("trustbridge-secret-page", &[]),
    ("trustbridge-issuer", &[]),
    ("trustbridge-acp", &["trustbridge-domain"]),
    ("trustbridge-api", &["trustbridge-domain"]),
    (
        "trustbridge-acp-bridge",
        &["trustbridge-acp", "trustbridge-api", "trustbridge-domain"],
    ),
    ("trustbridge-kit", &["trustbridge-api", "trustbridge-domain"]),
    (
        "trustbridge-operator",
        &[
            "trustbridge-api",
            "trustbridge-azure",
            "trustbridge-domain",
            "trustbridge-issuer",
            "trustbridge-kit",
        ],
    ),
    (
        "trustbridge-webhook",
        &[
            "trustbridge-api",
            "trustbridge-domain",
            "trustbridge-issuer",
            "trustbridge-kit",
        ],
    ),
    (
        "trustbridge-sentinel",
        &[
            "trustbridge-azure",
            "trustbridge-domain",
            "trustbridge-secret-page",
            "trustbridge-tbenc",
        ],
    ),
    (
        "trustbridge-cli",
        &["trustbridge-azure", "trustbridge-domain", "trustbridge-tbenc"],
    ),
    ("trustbridge-simkit", &["trustbridge-azure"]),
    ("trustbridge-cluster", &[]),
    ("trustbridge-netpol", &[]),
    ("trustbridge-fake-gpu", &[]),
    ("trustbridge-bench-webhook", &[]),
    ("xtask", &["trustbridge-api"]),
    (
        "trustbridge-e2e",
        &[
            "trustbridge-api",
            "trustbridge-azure",
            "trustbridge-cluster",
            "trustbridge-domain",
            "trustbridge-simkit",
            "trustbridge-tbenc",
        ],
    ),
];

fn workspace() -> Vec<Package> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    metadata.packages
}

fn ours(package: &Package, kind: DependencyKind) -> BTreeSet<String> {
    let mine = |d: &&cargo_metadata::Dependency| d.kind == kind && d.path.is_some();
    package
        .dependencies
        .iter()
        .filter(mine)
        .map(|d| d.name.clone())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for package in workspace() {
        let name = package.name.to_string();
        let may = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} has no row in ALLOWED: add one"));
        for dependency in ours(&package, DependencyKind::Normal) {
            assert!(
                may.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_guard_and_the_rules_know_no_kubernetes_client() {
    for package in workspace() {
        let name = package.name.to_string();
        if [
            "trustbridge-sentinel",
            "trustbridge-acp",
            "trustbridge-domain",
            "trustbridge-tbenc",
            "trustbridge-azure",
            "trustbridge-cli",
        ]
        .contains(&name.as_str())
        {
            let kube = package
                .dependencies
                .iter()
                .any(|d| d.name == "kube" || d.name == "k8s-openapi");
            assert!(!kube, "{name} must not depend on kube");
        }
    }
}

#[test]
fn the_rules_do_no_io() {
    for package in workspace() {
        let pure = [
            "trustbridge-acp",
            "trustbridge-domain",
            "trustbridge-api",
            "trustbridge-tbenc",
        ];
        if pure.contains(&package.name.as_str()) {
            let io = ["tokio", "hyper", "axum", "reqwest"];
            let found = package
                .dependencies
                .iter()
                .find(|d| d.kind == DependencyKind::Normal && io.contains(&d.name.as_str()));
            assert!(
                found.is_none(),
                "{} must not depend on {}",
                package.name,
                found.map_or("", |d| d.name.as_str())
            );
        }
    }
}

#[test]
fn nothing_shipped_builds_on_the_doubles() {
    for package in workspace() {
        if package.name.as_str() != "trustbridge-e2e" {
            assert!(
                !ours(&package, DependencyKind::Normal).contains("trustbridge-simkit"),
                "{}",
                package.name
            );
        }
    }
}
