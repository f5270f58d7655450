//! etcd: one member, loopback of the node's namespace only.

use crate::layout::Layout;
use crate::process::Daemon;

/// Where the API server finds it.
pub(super) const ENDPOINT: &str = "http://127.0.0.1:2379";

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let arguments = [
        "--name=tb".to_owned(),
        format!("--data-dir={}", layout.state().join("etcd").display()),
        format!("--listen-client-urls={ENDPOINT}"),
        format!("--advertise-client-urls={ENDPOINT}"),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=tb=http://127.0.0.1:2380".to_owned(),
        // The data does not outlive `down`; waiting for a disk would only slow tests.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    Daemon::on_node("etcd", layout.tool("etcd"), arguments)
}
