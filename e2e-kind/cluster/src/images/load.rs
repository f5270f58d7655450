//! Importing into the running containerd; what is there already is not imported again.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Archive;
use crate::command;
use crate::layout::Layout;

/// Imports an archive. Answers false when the cluster has it already.
pub fn load(layout: &Layout, archive: &Archive) -> Result<bool> {
    let folder = layout.state().join("images");
    fs::create_dir_all(&folder)?;
    let mark = folder.join(archive.reference.replace(['/', ':'], "_"));
    if fs::read_to_string(&mark).is_ok_and(|loaded| loaded == archive.digest) {
        return Ok(false);
    }
    let mut ctr = Command::new(layout.tool("ctr"));
    ctr.arg("--address").arg(layout.containerd_socket()).args([
        "--namespace",
        "k8s.io",
        "--timeout",
        "60s",
        "images",
        "import",
    ]);
    command::run(ctr.arg(&archive.file))?;
    fs::write(mark, &archive.digest)?;
    Ok(true)
}
