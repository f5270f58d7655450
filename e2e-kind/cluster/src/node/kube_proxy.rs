//! kube-proxy with nftables.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::network::{CLUSTER_RANGE, NODE_NAME};
use crate::process::Daemon;

pub(super) fn prepare(layout: &Layout) -> Result<()> {
    fs::write(
        layout.config().join("kube-proxy.json"),
        serde_json::to_string_pretty(&render(layout))?,
    )?;
    Ok(())
}

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let arguments = [format!(
        "--config={}",
        layout.config().join("kube-proxy.json").display()
    )];
    Daemon::on_node("kube-proxy", layout.tool("kube-proxy"), arguments)
}

/// The conntrack limits are the machine's, not the namespace's: they stay as they are.
fn render(layout: &Layout) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": CLUSTER_RANGE,
        "bindAddress": "0.0.0.0",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "clientConnection": {"kubeconfig": layout.config().join("proxy.kubeconfig")},
        "conntrack": {
            "maxPerCore": 0, "min": 0,
            "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s", "udpTimeout": "0s", "udpStreamTimeout": "0s",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_conntrack_limits_are_left_alone() {
        let config = render(&Layout::new("/s", "/c").unwrap());
        assert_eq!(config["mode"], "nftables");
        assert_eq!(config["conntrack"]["maxPerCore"], 0);
    }
}
