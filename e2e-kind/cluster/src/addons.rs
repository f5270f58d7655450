//! What every cluster gets: rights of its own clients, DNS, and the fake GPU.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::command;
use crate::kubectl::Kubectl;
use crate::network::{DNS_ADDRESS, NODE_NAME, OUTSIDE_ADDRESS, OUTSIDE_NAMES};

const SYSTEM: &str = include_str!("manifests/system.yaml");
const COREDNS: &str = include_str!("manifests/coredns.yaml");
const FAKE_GPU: &str = include_str!("../../fake-gpu/daemonset.yaml");

/// Rights of the API server towards the kubelet, and of the NetworkPolicy agent.
pub fn apply_rights(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(SYSTEM)
}

/// DNS.
pub fn apply_dns(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(&coredns())
}

/// The fake GPU.
pub fn apply_fake_gpu(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(FAKE_GPU)
}

/// Waits until the node takes pods.
pub fn await_node(kubectl: &Kubectl) -> Result<()> {
    command::until("the node's condition Ready", Duration::from_mins(1), || {
        let ready = kubectl.run(&[
            "get",
            "node",
            NODE_NAME,
            "-o",
            "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
        ])?;
        ensure!(ready == "True", "Ready is {ready:?}");
        Ok(())
    })
}

/// Waits until DNS answers readiness probes.
pub fn await_dns(kubectl: &Kubectl) -> Result<()> {
    kubectl
        .run(&[
            "-n",
            "kube-system",
            "rollout",
            "status",
            "deployment/coredns",
            "--timeout=60s",
        ])
        .map(drop)
}

/// Waits until some node has GPUs to give.
pub fn await_gpus(kubectl: &Kubectl) -> Result<()> {
    command::until("nvidia.com/gpu on a node", Duration::from_mins(1), || {
        let count = kubectl.run(&[
            "get",
            "nodes",
            "-o",
            "jsonpath={.items[*].status.allocatable.nvidia\\.com/gpu}",
        ])?;
        ensure!(
            count
                .split(' ')
                .any(|one| one.parse::<u32>().is_ok_and(|number| number > 0)),
            "allocatable is {count:?}"
        );
        Ok(())
    })
}

fn coredns() -> String {
    let hosts = OUTSIDE_NAMES
        .map(|name| format!("{OUTSIDE_ADDRESS} {name}"))
        .join("\n            ");
    COREDNS
        .replace("OUTSIDE_HOSTS", &hosts)
        .replace("DNS_ADDRESS", &DNS_ADDRESS.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every document of a manifest as JSON.
    fn documents(manifest: &str) -> Vec<serde_json::Value> {
        manifest
            .split("\n---\n")
            .map(|text| serde_saphyr::from_str(text).unwrap())
            .collect()
    }

    #[test]
    fn manifests_are_whole() {
        let rendered = coredns();
        assert!(!rendered.contains("DNS_ADDRESS") && !rendered.contains("OUTSIDE_HOSTS"));
        let service = documents(&rendered)
            .into_iter()
            .find(|one| one["kind"] == "Service")
            .unwrap();
        assert_eq!(service["spec"]["clusterIP"], "10.96.0.10");
        let config = documents(&rendered)
            .into_iter()
            .find(|one| one["kind"] == "ConfigMap")
            .unwrap();
        assert!(
            config["data"]["Corefile"]
                .as_str()
                .unwrap()
                .contains("172.30.0.1 arm.outside.test")
        );
        for one in documents(SYSTEM).iter().chain(&documents(FAKE_GPU)) {
            assert!(one["kind"].is_string(), "{one}");
        }
    }
}
