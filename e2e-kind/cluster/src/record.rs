//! What the running cluster is: written by `up`, read by everything that uses it.

use std::fs;
use std::net::IpAddr;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::layout::Layout;

/// How the cluster is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Real Kubernetes programs in a network namespace of this machine.
    Local,
    /// kind, in Docker.
    Kind,
    /// A cluster of the user's own, named by `KUBECONFIG`.
    External,
}

impl std::fmt::Display for Backend {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Local => "local",
            Self::Kind => "kind",
            Self::External => "external",
        })
    }
}

/// The record of a cluster that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// How it is run.
    pub backend: Backend,
    /// The address under which pods reach what listens outside.
    pub outside_address: IpAddr,
    /// How long `up` took, in seconds.
    pub up_seconds: f64,
}

impl Record {
    /// The record of the layout's cluster; none when no `up` has finished.
    #[must_use]
    pub fn read(layout: &Layout) -> Option<Self> {
        serde_json::from_slice(&fs::read(layout.record()).ok()?).ok()
    }

    /// Writes the record; the last thing that `up` does.
    pub fn write(&self, layout: &Layout) -> Result<()> {
        fs::create_dir_all(layout.state())?;
        fs::write(layout.record(), serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }
}
