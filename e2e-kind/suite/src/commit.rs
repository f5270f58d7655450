//! Which commit a report is about.

use crate::world::World;
use std::process::Command;

/// The commit, and whether the tree has changed since.
#[must_use]
pub fn of(world: &World) -> String {
    let git = |arguments: &[&str]| {
        let said = Command::new("git")
            .current_dir(world.root())
            .args(arguments)
            .output()
            .ok()?;
        said.status
            .success()
            .then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed =
        git(&["status", "--porcelain", "--", ":!docs/benchmarks"]).is_some_and(|lines| !lines.is_empty());
    if changed {
        format!("{head}, with changes")
    } else {
        head
    }
}
