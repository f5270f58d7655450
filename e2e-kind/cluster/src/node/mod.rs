//! containerd, the kubelet, kube-proxy and the NetworkPolicy agent.

mod cni;
mod containerd;
mod kube_proxy;
mod kubelet;
mod netpol;

use std::time::Duration;

use anyhow::Result;

use crate::command;
use crate::journal::Journal;
use crate::layout::Layout;
use crate::process::{self, Running};
use crate::workspace::Workspace;

/// Starts containerd and returns when it answers.
pub fn start_runtime(layout: &Layout, workspace: &Workspace, journal: &Journal) -> Result<Running> {
    cni::prepare(layout, workspace)?;
    containerd::prepare(layout)?;
    let mut runtime = process::start(layout, journal, &containerd::daemon(layout))?;
    command::until("containerd's socket", Duration::from_secs(30), || {
        if let Err(error) = runtime.check() {
            return Ok(Err(error));
        }
        containerd::answers(layout).map(Ok)
    })??;
    Ok(runtime)
}

/// Starts the agent that enforces NetworkPolicy; the gate in the CNI chain waits for it.
pub fn start_netpol(layout: &Layout, workspace: &Workspace, journal: &Journal) -> Result<Running> {
    netpol::prepare(layout, workspace)?;
    process::start(layout, journal, &netpol::daemon(layout))
}

/// Starts the kubelet and kube-proxy.
pub fn start_agents(layout: &Layout, journal: &Journal) -> Result<Vec<Running>> {
    kubelet::prepare(layout)?;
    kube_proxy::prepare(layout)?;
    let daemons = [kubelet::daemon(layout), kube_proxy::daemon(layout)];
    daemons
        .iter()
        .map(|daemon| process::start(layout, journal, daemon))
        .collect()
}
