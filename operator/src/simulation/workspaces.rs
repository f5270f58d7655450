//! Workspaces as a prober finds them: a line holds from when the story says so.

use crate::workspace_probe::{Prober, Reading, Workspace};
use futures::future::{BoxFuture, ready};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use trustbridge_api::Probe;

/// See the module.
#[derive(Default)]
pub(super) struct Workspaces(Mutex<HashSet<Probe>>);

impl Workspaces {
    /// From now on the line holds, or does no more.
    pub(super) fn set(&self, probe: Probe, holds: bool) {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if holds {
            met.insert(probe);
        } else {
            met.remove(&probe);
        }
    }
}

impl Prober for Workspaces {
    fn probe<'a>(&'a self, workspace: &'a Workspace, probe: Probe) -> BoxFuture<'a, Reading> {
        assert!(
            !workspace.uid.is_empty() && !workspace.pool.is_empty(),
            "{workspace:?}"
        );
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(if met.contains(&probe) {
            Reading::Met
        } else {
            Reading::Unmet("it does not answer".to_owned())
        }))
    }
}
