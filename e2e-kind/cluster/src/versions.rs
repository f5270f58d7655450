//! The one place for the versions of everything the local cluster is built from.
//!
//! `e2e-kind/tools/*/go.mod` pin the same releases with their checksums; a unit test holds the two together.

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

/// Kubernetes, without the leading `v`.
pub const KUBERNETES: &str = "1.37.1";
/// etcd.
pub const ETCD: &str = "v3.7.3";
/// containerd, its runc shim and `ctr`.
pub const CONTAINERD: &str = "v2.4.2";
/// CoreDNS.
pub const COREDNS: &str = "v1.15.0";
/// Helm.
pub const HELM: &str = "v4.3.1";
/// KWOK, for simulated nodes.
pub const KWOK: &str = "v0.8.0";
/// The CNI reference plug-ins.
pub const CNI_PLUGINS: &str = "v1.9.1";
/// Raised when the way the tools are built changes, so that old binaries are not taken for new ones.
const RECIPE: &str = "1";

/// Names the folder of binaries: another version means another folder, so a cache never mixes two.
#[must_use]
pub fn fingerprint() -> String {
    let text = [
        KUBERNETES,
        ETCD,
        CONTAINERD,
        COREDNS,
        HELM,
        KWOK,
        CNI_PLUGINS,
        RECIPE,
    ]
    .join("\n");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    HEXLOWER.encode(hash.as_ref()).chars().take(12).collect()
}

/// Major and minor of [`KUBERNETES`], as its version ldflags want them.
#[must_use]
pub fn kubernetes_major_minor() -> (&'static str, &'static str) {
    let mut parts = KUBERNETES.split('.');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_agrees_with_its_tools_module() {
        let go_mod = include_str!("../../tools/kubernetes/go.mod");
        assert!(go_mod.contains(&format!("k8s.io/kubernetes v{KUBERNETES}")));
        let staging = KUBERNETES.replacen("1.", "0.", 1);
        let pinned = go_mod.lines().filter(|line| line.contains("=> k8s.io/"));
        for line in pinned {
            assert!(line.ends_with(&format!(" v{staging}")), "{line}");
        }
    }

    #[test]
    fn etcd_agrees_with_its_tools_module() {
        assert!(
            include_str!("../../tools/etcd/go.mod").contains(&format!("go.etcd.io/etcd/server/v3 {ETCD}"))
        );
    }

    #[test]
    fn the_fingerprint_is_a_short_folder_name() {
        assert_eq!(fingerprint().len(), 12);
        assert_eq!(kubernetes_major_minor(), ("1", "37"));
    }
}
