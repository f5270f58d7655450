//! kubectl, as a person would use it.

use crate::command::{self, Said};
use crate::world::World;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_mins(1);

/// kubectl as the cluster's admin.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    root: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// The world's kubectl; relative paths are those of the source tree.
    #[must_use]
    pub fn of(world: &World) -> Self {
        Self {
            program: world.tool("kubectl"),
            kubeconfig: world.kubeconfig(),
            root: world.root().to_path_buf(),
            cache: world.layout().kubectl_cache(),
        }
    }

    /// Runs it and answers its stdout.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.command().args(arguments), LIMIT).await
    }

    /// Runs it; a refusal is an answer too.
    pub async fn said(&self, arguments: &[&str]) -> Result<Said> {
        command::said(self.command().args(arguments), None, LIMIT).await
    }

    /// Applies a file of the source tree, as a buyer would.
    pub async fn apply_file(&self, path: &Path) -> Result<String> {
        command::output(self.command().args(["apply", "--filename"]).arg(path), LIMIT).await
    }

    /// Applies a manifest.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        command::output_with_input(self.command().args(["apply", "--filename", "-"]), manifest, LIMIT).await
    }

    /// Tries to create from a manifest, as that user where one is given; a refusal is an answer too.
    pub async fn try_create(&self, manifest: &str, user: Option<&str>) -> Result<Said> {
        let user = user.map(|user| format!("--as={user}"));
        command::said(
            self.command()
                .args(["create", "--dry-run=server", "--filename", "-"])
                .args(user),
            Some(manifest),
            LIMIT,
        )
        .await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.root)
            .env_remove("KUBECONFIG")
            // Under the state folder, so that `down` leaves nothing of it in somebody's home.
            .env("KUBECACHEDIR", &self.cache)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
        command.arg("--request-timeout=30s");
        command
    }
}
