//! Where everything is: the cluster, the programs, the outside.

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trustbridge_cluster::layout::Layout;
use trustbridge_cluster::netns::{self, Place};
use trustbridge_cluster::record::{Backend, Record};
use trustbridge_cluster::workspace::Workspace;

/// What a program of this suite knows about its surroundings.
#[derive(Clone, Debug)]
pub struct World {
    layout: Layout,
    record: Record,
    root: PathBuf,
    programs: PathBuf,
}

impl World {
    /// Reads the record of the running cluster and moves the process outside of it, where the doubles are.
    ///
    /// To be called first in `main`: threads that already run would stay where they are.
    pub fn enter() -> Result<Self> {
        // A second call in one process finds the provider installed, which is what is wanted.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let layout = Layout::from_env()?;
        let record = Record::read(&layout).context("no cluster is up; run `make cluster-up`")?;
        netns::enter(Place::Outside)?;
        let workspace = Workspace::find()?;
        let programs =
            std::env::var_os("TB_RELEASE_DIR").map_or_else(|| workspace.static_programs(), PathBuf::from);
        Ok(Self {
            layout,
            record,
            root: workspace.root().to_path_buf(),
            programs,
        })
    }

    /// A runtime whose threads are where the caller is.
    pub fn runtime() -> Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")
    }

    /// The cluster's folders.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the cluster is the local one, in network namespaces.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.record.backend == Backend::Local
    }

    /// Whether the harness made the cluster; one of `KUBECONFIG` is somebody else's.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.record.backend != Backend::External
    }

    /// The address at which pods reach what runs outside.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.record.outside_address
    }

    /// Name of the node that the ARM double brings. On kind and elsewhere: `TB_NODE`.
    #[must_use]
    pub fn node(&self) -> String {
        std::env::var("TB_NODE").unwrap_or_else(|_| trustbridge_cluster::network::NODE_NAME.to_owned())
    }

    /// The source tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One of our programs, built for the images.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// kubectl or helm: the one built with the local cluster, else the one on the `PATH`.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        let built = self.layout.tool(name);
        if built.is_file() {
            built
        } else {
            PathBuf::from(name)
        }
    }

    /// The admin's kubeconfig as it works from here.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        let outside = self.layout.outside_kubeconfig();
        match (self.record.backend, std::env::var_os("KUBECONFIG")) {
            (Backend::Local, _) => outside,
            (Backend::External, Some(path)) => PathBuf::from(path),
            _ => self.layout.kubeconfig(),
        }
    }

    /// Where this suite keeps what outlives one run of it; gone with the cluster.
    #[must_use]
    pub fn stage_folder(&self) -> PathBuf {
        self.layout.state().join("stage")
    }

    /// A client with the admin's rights.
    pub async fn client(&self) -> Result<Client> {
        self.client_of(&self.kubeconfig()).await
    }

    /// A client of another kubeconfig. Every call ends; nothing is retried behind our back.
    pub async fn client_of(&self, path: &Path) -> Result<Client> {
        let file = Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(Duration::from_secs(330));
        Ok(Client::try_from(config)?)
    }

    /// A path as it may be printed: the home folder as `~`, the source tree as nothing.
    #[must_use]
    pub fn shown(&self, path: &Path) -> String {
        if let Ok(inside) = path.strip_prefix(&self.root) {
            return inside.display().to_string();
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
            Some(below) => format!("~/{}", below.display()),
            None => path.display().to_string(),
        }
    }
}
