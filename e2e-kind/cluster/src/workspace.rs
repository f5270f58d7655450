//! The repository that the harness builds from.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The rustc target of every program that goes into an image or into the node.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The root of the source tree.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The tree around the working folder, else the one this program was built from.
    pub fn find() -> Result<Self> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = env::current_dir().unwrap_or_default();
        let candidates = here.ancestors().chain(built_from.ancestors());
        for folder in candidates {
            if folder.join("e2e-kind/tools/kubernetes/go.mod").is_file() {
                return Ok(Self {
                    root: folder.to_path_buf(),
                });
            }
        }
        bail!(
            "no TrustBridge source tree around {}; run tb-cluster inside the repository",
            here.display()
        )
    }

    /// The root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A tools module (`kubernetes` or `etcd`).
    #[must_use]
    pub fn tools_module(&self, name: &str) -> PathBuf {
        self.root.join("e2e-kind/tools").join(name)
    }

    /// Where the static programs for images end up.
    #[must_use]
    pub fn static_programs(&self) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        target.join(TARGET).join("release")
    }
}
