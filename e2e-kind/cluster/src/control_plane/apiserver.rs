//! The API server: Node and RBAC authorisation, `NodeRestriction` beside the default plug-ins, an audit log.

use std::path::Path;

use super::etcd;
use crate::layout::Layout;
use crate::network::{API_PORT, NODE_ADDRESS, SERVICE_RANGE};
use crate::pki;
use crate::process::Daemon;

pub(super) fn daemon(layout: &Layout) -> Daemon {
    Daemon::on_node("kube-apiserver", layout.tool("kube-apiserver"), arguments(layout))
}

fn arguments(layout: &Layout) -> Vec<String> {
    let folder = layout.pki();
    let mut arguments = vec![
        format!("--etcd-servers={}", etcd::ENDPOINT),
        format!("--advertise-address={NODE_ADDRESS}"),
        "--bind-address=0.0.0.0".to_owned(),
        format!("--secure-port={API_PORT}"),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--shutdown-delay-duration=0s".to_owned(),
    ];
    arguments.extend(certificates(&folder));
    arguments.extend(audit(layout));
    arguments
}

fn certificates(folder: &Path) -> Vec<String> {
    let cert = |flag: &str, file: &str| format!("--{flag}={}", pki::certificate(folder, file).display());
    let key = |flag: &str, file: &str| format!("--{flag}={}", pki::key(folder, file).display());
    vec![
        cert("client-ca-file", "ca"),
        cert("tls-cert-file", "apiserver"),
        key("tls-private-key-file", "apiserver"),
        format!(
            "--service-account-key-file={}",
            folder.join("service-account.pub").display()
        ),
        key("service-account-signing-key-file", "service-account"),
        cert("kubelet-client-certificate", "apiserver-kubelet-client"),
        key("kubelet-client-key", "apiserver-kubelet-client"),
        cert("kubelet-certificate-authority", "ca"),
        cert("requestheader-client-ca-file", "front-proxy-ca"),
        "--requestheader-allowed-names=system:auth-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        cert("proxy-client-cert-file", "front-proxy-client"),
        key("proxy-client-key-file", "front-proxy-client"),
    ]
}

/// Blocking: when a request has been answered its line is in the file, so a test can read it.
fn audit(layout: &Layout) -> Vec<String> {
    vec![
        format!(
            "--audit-policy-file={}",
            layout.config().join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", layout.audit_log().display()),
        "--audit-log-mode=blocking".to_owned(),
        "--audit-log-format=json".to_owned(),
        // Large, so that a test which reads the file from the start never misses a rotated part.
        "--audit-log-maxsize=1024".to_owned(),
        "--audit-log-maxbackup=1".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_authorised_requests_are_served() {
        let all = arguments(&Layout::new("/s", "/c").unwrap());
        assert!(all.contains(&"--authorization-mode=Node,RBAC".to_owned()));
        assert!(
            !all.iter()
                .any(|argument| argument.contains("anonymous") || argument.contains("AlwaysAllow"))
        );
        assert!(all.contains(&"--audit-log-path=/s/audit/audit.log".to_owned()));
    }
}
