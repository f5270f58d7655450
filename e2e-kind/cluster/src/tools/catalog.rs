//! Every Go program that the cluster needs, and where its source comes from.

use crate::versions::{CNI_PLUGINS, CONTAINERD, COREDNS, HELM, KUBERNETES, KWOK, kubernetes_major_minor};

/// When a tool is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `up` needs it.
    Cluster,
    /// Tests of scale need it; `build-tools` builds it, `up` does not wait for it.
    Scale,
}

/// Where a tool's source comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A tools module of this repository, because the tool's own module has replaces.
    Module(&'static str),
    /// `go install package@version`.
    Release(&'static str),
}

/// One Go program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program's file name.
    pub name: &'static str,
    /// Its package.
    pub package: String,
    /// Where it comes from.
    pub source: Source,
    /// Linker flags beside `-s -w`.
    pub ldflags: String,
    /// When it is needed.
    pub set: Set,
}

/// All tools, those first that the others can be built beside.
#[must_use]
pub fn catalog() -> Vec<Tool> {
    let mut tools = kubernetes();
    tools.push(Tool {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3".to_owned(),
        source: Source::Module("etcd"),
        ldflags: String::new(),
        set: Set::Cluster,
    });
    tools.extend(containerd());
    tools.push(release("coredns", "github.com/coredns/coredns", COREDNS, ""));
    tools.push(release(
        "helm",
        "helm.sh/helm/v4/cmd/helm",
        HELM,
        &format!("-X helm.sh/helm/v4/internal/version.version={HELM}"),
    ));
    for (name, kind) in [
        ("ptp", "main"),
        ("bridge", "main"),
        ("loopback", "main"),
        ("host-local", "ipam"),
        ("portmap", "meta"),
    ] {
        let package = format!("github.com/containernetworking/plugins/plugins/{kind}/{name}");
        tools.push(release(name, &package, CNI_PLUGINS, ""));
    }
    let kwok = release(
        "kwok",
        "sigs.k8s.io/kwok/cmd/kwok",
        KWOK,
        &format!("-X sigs.k8s.io/kwok/pkg/consts.Version={KWOK}"),
    );
    tools.push(Tool {
        set: Set::Scale,
        ..kwok
    });
    tools
}

fn kubernetes() -> Vec<Tool> {
    let names = [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    ];
    names
        .into_iter()
        .map(|name| Tool {
            name,
            package: format!("k8s.io/kubernetes/cmd/{name}"),
            source: Source::Module("kubernetes"),
            ldflags: kubernetes_ldflags(),
            set: Set::Cluster,
        })
        .collect()
}

/// Without these the programs call themselves `v0.0.0-master`, and version checks of Helm charts go wrong.
fn kubernetes_ldflags() -> String {
    let (major, minor) = kubernetes_major_minor();
    let values = [
        ("gitVersion", format!("v{KUBERNETES}")),
        ("gitMajor", major.to_owned()),
        ("gitMinor", minor.to_owned()),
        ("gitCommit", format!("module-v{KUBERNETES}")),
        ("gitTreeState", "clean".to_owned()),
        ("buildDate", "1970-01-01T00:00:00Z".to_owned()),
    ];
    let flags = values.iter().flat_map(|(key, value)| {
        ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
            .map(|package| format!("-X {package}.{key}={value}"))
    });
    flags.collect::<Vec<_>>().join(" ")
}

fn containerd() -> Vec<Tool> {
    let ldflags = format!("-X github.com/containerd/containerd/v2/version.Version={CONTAINERD}");
    ["containerd", "containerd-shim-runc-v2", "ctr"]
        .into_iter()
        .map(|name| {
            release(
                name,
                &format!("github.com/containerd/containerd/v2/cmd/{name}"),
                CONTAINERD,
                &ldflags,
            )
        })
        .collect()
}

fn release(name: &'static str, package: &str, version: &'static str, ldflags: &str) -> Tool {
    Tool {
        name,
        package: package.to_owned(),
        source: Source::Release(version),
        ldflags: ldflags.to_owned(),
        set: Set::Cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_of_the_kubernetes_module_is_built() {
        let go_mod = include_str!("../../../tools/kubernetes/go.mod");
        let listed = go_mod
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("k8s.io/kubernetes/cmd/"))
            .count();
        let built = catalog()
            .iter()
            .filter(|tool| tool.source == Source::Module("kubernetes"))
            .count();
        assert_eq!(listed, built);
    }

    #[test]
    fn kubernetes_tells_its_version() {
        assert!(
            kubernetes_ldflags().contains(&format!("k8s.io/component-base/version.gitVersion=v{KUBERNETES}"))
        );
    }
}
