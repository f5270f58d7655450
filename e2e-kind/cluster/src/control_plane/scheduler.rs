//! The scheduler, with its defaults.

use crate::layout::Layout;
use crate::process::Daemon;

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let kubeconfig = layout.config().join("scheduler.kubeconfig");
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--authentication-kubeconfig={}", kubeconfig.display()),
        format!("--authorization-kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    Daemon::on_node("kube-scheduler", layout.tool("kube-scheduler"), arguments)
}
