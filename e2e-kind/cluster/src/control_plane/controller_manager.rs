//! The controller manager: every controller, each with its own service account.

use crate::layout::Layout;
use crate::network::CLUSTER_RANGE;
use crate::pki;
use crate::process::Daemon;

pub(super) fn daemon(layout: &Layout) -> Daemon {
    let folder = layout.pki();
    let kubeconfig = layout.config().join("controller-manager.kubeconfig");
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--authentication-kubeconfig={}", kubeconfig.display()),
        format!("--authorization-kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        "--use-service-account-credentials=true".to_owned(),
        "--controllers=*".to_owned(),
        "--leader-elect=false".to_owned(),
        "--allocate-node-cidrs=true".to_owned(),
        format!("--cluster-cidr={CLUSTER_RANGE}"),
        format!(
            "--service-account-private-key-file={}",
            pki::key(&folder, "service-account").display()
        ),
        format!("--root-ca-file={}", pki::certificate(&folder, "ca").display()),
        format!(
            "--cluster-signing-cert-file={}",
            pki::certificate(&folder, "ca").display()
        ),
        format!("--cluster-signing-key-file={}", pki::key(&folder, "ca").display()),
    ];
    Daemon::on_node(
        "kube-controller-manager",
        layout.tool("kube-controller-manager"),
        arguments,
    )
}
