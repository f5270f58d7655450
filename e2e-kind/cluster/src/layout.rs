//! Where the cluster keeps things: a state folder that `down` removes, a cache that it keeps.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::versions;

/// Unix sockets live under the state folder, and a socket's path is limited to 107 bytes.
const LONGEST_STATE_PATH: usize = 64;

/// The folders and files of one local cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    state: PathBuf,
    cache: PathBuf,
}

impl Layout {
    /// Takes `TB_CLUSTER_STATE` and `TB_CACHE`, or the usual folders of the user.
    pub fn from_env() -> Result<Self> {
        let state = match env::var_os("TB_CLUSTER_STATE") {
            Some(path) => PathBuf::from(path),
            None => user_folder("XDG_STATE_HOME", ".local/state")?.join("trustbridge/cluster"),
        };
        let cache = match env::var_os("TB_CACHE") {
            Some(path) => PathBuf::from(path),
            None => user_folder("XDG_CACHE_HOME", ".cache")?.join("trustbridge"),
        };
        Self::new(state, cache)
    }

    /// A layout at the two given folders; both paths must be absolute.
    pub fn new(state: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Result<Self> {
        let layout = Self {
            state: state.into(),
            cache: cache.into(),
        };
        for (name, path) in [("TB_CLUSTER_STATE", &layout.state), ("TB_CACHE", &layout.cache)] {
            ensure!(
                path.is_absolute(),
                "{name}={} must be an absolute path",
                path.display()
            );
        }
        let length = layout.state.as_os_str().len();
        ensure!(
            length <= LONGEST_STATE_PATH,
            "TB_CLUSTER_STATE={} has {length} bytes, at most {LONGEST_STATE_PATH} fit (Unix socket paths are short); set a shorter one",
            layout.state.display()
        );
        Ok(layout)
    }

    /// The state folder; gone after `down`.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The cache folder; kept by `down`.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Kubernetes and the other tools, built once for each set of versions.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.cache.join("bin").join(versions::fingerprint())
    }

    /// One of the built tools.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// Image archives, and buildah's own storage.
    #[must_use]
    pub fn image_cache(&self) -> PathBuf {
        self.cache.join("images")
    }

    /// Admin's kubeconfig for the host's shell: `KUBECONFIG=… kubectl get nodes`.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// Admin's kubeconfig for processes in the outside namespace.
    #[must_use]
    pub fn outside_kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig.outside")
    }

    /// The API server's audit log, one JSON event a line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit/audit.log")
    }

    /// Certificates and keys, among them `outside-ca.crt`, `outside.crt` and `outside.key`.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }

    /// One log file for each process of the cluster.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// What was made, written before it was made.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// Rendered configuration files.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.state.join("config")
    }

    /// Sockets.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.state.join("run")
    }

    /// containerd's socket; `ctr --address` takes it.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.run().join("containerd.sock")
    }

    /// kubectl's cache of what the API server offers; by default it would stay behind in the user's home.
    #[must_use]
    pub fn kubectl_cache(&self) -> PathBuf {
        self.state.join("kubectl-cache")
    }

    /// Helm's folders; by default it writes into the user's home.
    #[must_use]
    pub fn helm_home(&self) -> PathBuf {
        self.state.join("helm")
    }

    /// The NetworkPolicy agent's socket, where the CNI gate reports each pod.
    #[must_use]
    pub fn netpol_socket(&self) -> PathBuf {
        self.run().join("netpol.sock")
    }

    /// The folder in which the runtime looks for CNI plug-ins.
    #[must_use]
    pub fn cni_bin(&self) -> PathBuf {
        self.state.join("cni/bin")
    }

    /// The kubelet's root: volumes and pods.
    #[must_use]
    pub fn kubelet_root(&self) -> PathBuf {
        self.state.join("kubelet")
    }

    /// Which backend brought the cluster up, and where the outside is.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.state.join("cluster.json")
    }
}

fn user_folder(variable: &str, fallback: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let home = env::var_os("HOME")
        .with_context(|| format!("neither {variable} nor HOME is set; set TB_CLUSTER_STATE and TB_CACHE"))?;
    Ok(PathBuf::from(home).join(fallback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_hang_below_state_and_cache() {
        let layout = Layout::new("/s", "/c").unwrap();
        assert_eq!(layout.kubeconfig(), Path::new("/s/kubeconfig"));
        assert_eq!(layout.containerd_socket(), Path::new("/s/run/containerd.sock"));
        assert!(layout.bin().starts_with("/c/bin"));
    }

    #[test]
    fn a_relative_or_long_state_folder_is_refused() {
        assert!(
            Layout::new("s", "/c")
                .unwrap_err()
                .to_string()
                .contains("absolute")
        );
        let long = format!("/{}", "s".repeat(80));
        assert!(
            Layout::new(long, "/c")
                .unwrap_err()
                .to_string()
                .contains("shorter")
        );
    }
}
