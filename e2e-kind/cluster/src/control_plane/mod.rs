//! etcd, the API server, the controller manager and the scheduler.

mod apiserver;
mod controller_manager;
mod etcd;
mod scheduler;

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::command;
use crate::journal::Journal;
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::process::{self, Running};

/// What the API server records of each request.
const AUDIT_POLICY: &str = include_str!("../manifests/audit-policy.yaml");

/// Starts etcd and the API server and returns when the latter is ready.
pub fn start_api(layout: &Layout, journal: &Journal) -> Result<Vec<Running>> {
    fs::create_dir_all(layout.state().join("audit"))?;
    fs::write(layout.config().join("audit-policy.yaml"), AUDIT_POLICY)?;
    let mut etcd = process::start(layout, journal, &etcd::daemon(layout))?;
    let mut api = process::start(layout, journal, &apiserver::daemon(layout))?;
    let kubectl = Kubectl::inside(layout);
    command::until("the API server's /readyz", Duration::from_mins(1), || {
        // A program that has ended will not become ready: that error ends the waiting at once.
        if let Err(error) = etcd.check().and_then(|()| api.check()) {
            return Ok(Err(error));
        }
        kubectl.run(&["get", "--raw", "/readyz"]).map(Ok)
    })??;
    Ok(vec![etcd, api])
}

/// Starts what acts on the API server's objects.
pub fn start_controllers(layout: &Layout, journal: &Journal) -> Result<Vec<Running>> {
    let daemons = [controller_manager::daemon(layout), scheduler::daemon(layout)];
    daemons
        .iter()
        .map(|daemon| process::start(layout, journal, daemon))
        .collect()
}

/// Fails when one of them has ended.
pub fn check(running: &mut [Running]) -> Result<()> {
    let ended: Vec<String> = running
        .iter_mut()
        .filter_map(|one| one.check().err())
        .map(|error| error.to_string())
        .collect();
    if ended.is_empty() {
        return Ok(());
    }
    bail!("{}", ended.join("\n"))
}
