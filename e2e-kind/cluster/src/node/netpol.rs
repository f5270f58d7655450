//! The NetworkPolicy agent of the local cluster.

use crate::layout::Layout;
use crate::network::{NODE_NAME, POD_RANGE};
use crate::process::Daemon;
use crate::workspace::Workspace;

pub(super) fn daemon(layout: &Layout, workspace: &Workspace) -> Daemon {
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
    Daemon::on_node(
        "tb-netpol",
        workspace.static_programs().join("tb-netpol"),
        arguments,
    )
}
