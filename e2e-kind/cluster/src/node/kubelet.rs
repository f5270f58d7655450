//! The kubelet: webhook authentication and authorisation, its own server certificate, no eviction for a full disk.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cgroup;
use crate::layout::Layout;
use crate::network::{DNS_ADDRESS, NODE_ADDRESS, NODE_NAME};
use crate::pki;
use crate::process::Daemon;

pub(super) fn prepare(layout: &Layout) -> Result<()> {
    // Pods resolve names through the cluster's DNS only; the node itself has no resolver.
    fs::write(layout.config().join("resolv.conf"), "")?;
    fs::create_dir_all(layout.kubelet_root())?;
    fs::write(
        layout.config().join("kubelet.json"),
        serde_json::to_string_pretty(&render(layout))?,
    )?;
    Ok(())
}

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let arguments = [
        format!("--config={}", layout.config().join("kubelet.json").display()),
        format!(
            "--kubeconfig={}",
            layout.config().join("kubelet.kubeconfig").display()
        ),
        format!("--root-dir={}", layout.kubelet_root().display()),
        format!("--hostname-override={NODE_NAME}"),
        format!("--node-ip={NODE_ADDRESS}"),
    ];
    Daemon::on_node("kubelet", layout.tool("kubelet"), arguments)
}

fn render(layout: &Layout) -> Value {
    let folder = layout.pki();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki::certificate(&folder, "ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki::certificate(&folder, "kubelet-server"),
        "tlsPrivateKeyFile": pki::key(&folder, "kubelet-server"),
        "rotateCertificates": false,
        "containerRuntimeEndpoint": format!("unix://{}", layout.containerd_socket().display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroup::ROOT),
        "failCgroupV1": false,
        "failSwapOn": false,
        // kube-proxy and the NetworkPolicy agent use nftables; nothing needs iptables.
        "makeIPTablesUtilChains": false,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": layout.config().join("resolv.conf"),
        "volumePluginDir": layout.state().join("volume-plugins"),
        "podLogsDir": layout.state().join("pod-logs"),
        "staticPodPath": "",
        "maxPods": 100,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        // A test machine's changes are wanted soon: a restarted program, a ConfigMap, a device.
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "10s",
        "serializeImagePulls": false,
        "shutdownGracePeriod": "0s",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_answers_nobody_it_does_not_know() {
        let config = render(&Layout::new("/s", "/c").unwrap());
        assert_eq!(config["authentication"]["anonymous"]["enabled"], false);
        assert_eq!(config["authorization"]["mode"], "Webhook");
        assert_eq!(config["cgroupRoot"], "/tb-node");
        assert_eq!(
            config["containerRuntimeEndpoint"],
            "unix:///s/run/containerd.sock"
        );
    }
}
