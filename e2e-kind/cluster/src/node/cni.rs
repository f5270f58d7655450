//! The pod network: point-to-point links, addresses by host-local, and a gate that waits for NetworkPolicy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::network::{CNI_NETWORK, POD_RANGE};
use crate::workspace::Workspace;

/// Plug-ins from the tools.
const PLUGINS: [&str; 4] = ["ptp", "host-local", "loopback", "portmap"];
/// Our own plug-in: it returns when the pod's rules are loaded.
const GATE: &str = "tb-cni-gate";

pub(super) fn conf_dir(layout: &Layout) -> PathBuf {
    layout.config().join("cni")
}

pub(super) fn prepare(layout: &Layout, workspace: &Workspace) -> Result<()> {
    fs::create_dir_all(layout.cni_bin())?;
    fs::create_dir_all(conf_dir(layout))?;
    for plugin in PLUGINS {
        link(&layout.tool(plugin), &layout.cni_bin().join(plugin))?;
    }
    // A copy: a build during the cluster's life must not take the plug-in away under the runtime.
    let gate = workspace.static_programs().join(GATE);
    fs::copy(&gate, layout.cni_bin().join(GATE)).with_context(|| {
        format!(
            "{} is missing; run `tb-cluster up` without --no-build",
            gate.display()
        )
    })?;

    let conflist = serde_json::to_string_pretty(&conflist(layout))?;
    fs::write(conf_dir(layout).join("10-trustbridge.conflist"), conflist)?;
    Ok(())
}

fn link(program: &Path, at: &Path) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} is missing; run `tb-cluster build-tools`",
        program.display()
    );
    symlink(program, at).with_context(|| format!("cannot link {}", at.display()))
}

/// `ptp`, not `bridge`: with a bridge a pod escapes its policy whenever a bridge-nf-call setting is 0.
fn conflist(layout: &Layout) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": CNI_NETWORK,
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": layout.state().join("cni/networks"),
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"},
            {"type": GATE, "socket": layout.netpol_socket()},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_the_last_in_the_chain() {
        let list = conflist(&Layout::new("/s", "/c").unwrap());
        assert_eq!(list["plugins"][2]["type"], "tb-cni-gate");
        assert_eq!(list["plugins"][2]["socket"], "/s/run/netpol.sock");
        assert_eq!(list["plugins"][0]["ipam"]["dataDir"], "/s/cni/networks");
    }
}
