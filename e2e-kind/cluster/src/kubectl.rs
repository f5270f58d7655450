//! kubectl, the one that was built with the cluster.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::layout::Layout;
use crate::netns::Place;

/// kubectl as the cluster's admin.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: Option<PathBuf>,
    place: Option<Place>,
}

impl Kubectl {
    /// From the host, through the forwarder (local) or straight (kind).
    #[must_use]
    pub fn on_host(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            kubeconfig,
            cache: None,
            place: None,
        }
    }

    /// From inside the node's namespace, before there is a forwarder.
    #[must_use]
    pub fn inside(layout: &Layout) -> Self {
        Self {
            program: layout.tool("kubectl"),
            kubeconfig: layout.config().join("admin.kubeconfig"),
            cache: Some(layout.kubectl_cache()),
            place: Some(Place::Node),
        }
    }

    /// Runs it and answers its stdout.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.command().args(arguments))
    }

    /// Applies a manifest, server-side, as this harness.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=tb-cluster",
            "-f",
            "-",
        ];
        command::output_with_input(self.command().args(arguments), manifest).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = match self.place {
            Some(place) => {
                let mut inside = Command::new("nsenter");
                inside
                    .arg(format!("--net={}", place.path().display()))
                    .arg("--")
                    .arg(&self.program);
                inside
            }
            None => Command::new(&self.program),
        };
        if let Some(cache) = &self.cache {
            command.env("KUBECACHEDIR", cache);
        }
        command
            .env_remove("KUBECONFIG")
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--request-timeout=20s");
        command
    }
}
