//! The NetworkPolicy agent of the local cluster.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::network::{NODE_NAME, POD_RANGE};
use crate::process::Daemon;
use crate::workspace::Workspace;

const PROGRAM: &str = "tb-netpol";

/// A copy runs, so that a build during the cluster's life does not replace it.
pub(super) fn prepare(layout: &Layout, workspace: &Workspace) -> Result<()> {
    let built = workspace.static_programs().join(PROGRAM);
    fs::create_dir_all(layout.state().join("bin"))?;
    fs::copy(&built, program(layout)).with_context(|| {
        format!(
            "{} is missing; run `tb-cluster up` without --no-build",
            built.display()
        )
    })?;
    Ok(())
}

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let arguments = [
        "--kubeconfig".to_owned(),
        layout.config().join("netpol.kubeconfig").display().to_string(),
        "--socket".to_owned(),
        layout.netpol_socket().display().to_string(),
        "--pod-cidr".to_owned(),
        POD_RANGE.to_owned(),
        "--node-name".to_owned(),
        NODE_NAME.to_owned(),
    ];
    Daemon::on_node("tb-netpol", program(layout), arguments)
}

fn program(layout: &Layout) -> PathBuf {
    layout.state().join("bin").join(PROGRAM)
}
