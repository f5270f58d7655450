//! Deleted files that a process still holds open or mapped: they are on the disk until it lets go.

use super::{Canary, Findings, files};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const DELETED: &str = " (deleted)";

/// Reads every deleted file of every process.
pub(super) fn search(canary: &Canary, findings: &mut Findings) -> Result<()> {
    for process in fs::read_dir("/proc")?.flatten() {
        let name = process.file_name();
        if name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            for folder in ["fd", "map_files"] {
                search_folder(
                    canary,
                    &process.path().join(folder),
                    &name.to_string_lossy(),
                    findings,
                )?;
            }
        }
    }
    Ok(())
}

fn search_folder(canary: &Canary, folder: &Path, process: &str, findings: &mut Findings) -> Result<()> {
    // A process may end at any moment, and kernel threads have neither folder.
    let Ok(links) = fs::read_dir(folder) else {
        return Ok(());
    };
    for link in links.flatten() {
        let Ok(target) = fs::read_link(link.path()) else {
            continue;
        };
        if target.to_string_lossy().ends_with(DELETED) {
            read(canary, &link.path(), &target, process, findings)?;
        }
    }
    Ok(())
}

fn read(canary: &Canary, link: &Path, target: &Path, process: &str, findings: &mut Findings) -> Result<()> {
    // Not to be stopped by a deleted FIFO.
    let opened = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(link);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => return Ok(()),
        // A deleted socket or device has no bytes to read.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => return Ok(()),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot search {} of process {process}", target.display()));
        }
    };
    if !file.metadata()?.is_file() || files::is_memory(&file)? {
        return Ok(());
    }
    let (found, bytes) = canary.is_in(&mut file)?;
    findings.deleted += 1;
    findings.bytes += bytes;
    if found {
        findings
            .places
            .insert(format!("process {process}: {}", target.display()));
    }
    Ok(())
}
