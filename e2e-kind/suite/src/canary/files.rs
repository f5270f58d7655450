//! The files of every file system that is not memory.

use super::{Canary, Findings};
use anyhow::{Context, Result};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, fstatfs};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use walkdir::{DirEntry, WalkDir};

/// File systems that hold no file of a disk: memory, and views of the kernel.
const NOT_DISKS: [&str; 22] = [
    "tmpfs",
    "devtmpfs",
    "ramfs",
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "debugfs",
    "tracefs",
    "securityfs",
    "pstore",
    "bpf",
    "configfs",
    "fusectl",
    "hugetlbfs",
    "nsfs",
    "binfmt_misc",
    "efivarfs",
    "autofs",
    "rpc_pipefs",
];
/// The kernel's numbers of file systems whose files are on no disk: memory, and handles of namespaces, processes.
const NOT_ON_DISK: [FsType; 6] = [
    TMPFS_MAGIC,
    FsType(0x8584_58f6), // ramfs
    FsType(0x6e73_6673), // nsfs
    FsType(0x9fa0),      // proc
    FsType(0x6265_6572), // sysfs
    FsType(0x0027_e0eb), // cgroup
];

/// Reads every file that changed since then.
pub(super) fn search(canary: &Canary, since: SystemTime, findings: &mut Findings) -> Result<()> {
    let since = i64::try_from(since.duration_since(UNIX_EPOCH)?.as_secs())?;
    for mount in disks(&fs::read_to_string("/proc/self/mountinfo")?) {
        findings.mounts += 1;
        // A mount point may be hidden under another one; what hides it is in the list too.
        let Ok(device) = fs::metadata(&mount).map(|data| data.dev()) else {
            continue;
        };
        let same = move |entry: &DirEntry| {
            entry
                .metadata()
                .is_ok_and(|data| data.dev() == device || data.is_file())
        };
        for entry in WalkDir::new(&mount)
            .follow_links(false)
            .into_iter()
            .filter_entry(same)
        {
            match entry {
                Ok(entry) => look(canary, &entry, since, findings)?,
                Err(error) if vanished(error.io_error()) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn look(canary: &Canary, entry: &DirEntry, since: i64, findings: &mut Findings) -> Result<()> {
    let data = match entry.metadata() {
        Ok(data) => data,
        Err(error) if vanished(error.io_error()) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let kind = data.file_type();
    if !data.is_file() || kind.is_fifo() || data.ctime() < since {
        return Ok(());
    }
    read(canary, entry.path(), findings)
}

fn read(canary: &Canary, path: &Path, findings: &mut Findings) -> Result<()> {
    // Not to be stopped by a file that became a FIFO, nor to change its times.
    let opened = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if vanished(Some(&error)) => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot search {}", path.display())),
    };
    if is_memory(&file)? {
        return Ok(());
    }
    let (found, bytes) = canary
        .is_in(&mut file)
        .with_context(|| format!("cannot search {}", path.display()))?;
    findings.files += 1;
    findings.bytes += bytes;
    if found {
        findings.places.insert(path.display().to_string());
    }
    Ok(())
}

/// Whether the file lies in memory, or is no file but a handle of the kernel.
pub(super) fn is_memory(file: &File) -> Result<bool> {
    Ok(NOT_ON_DISK.contains(&fstatfs(file)?.filesystem_type()))
}

fn vanished(error: Option<&std::io::Error>) -> bool {
    error.is_some_and(|error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            || error.raw_os_error() == Some(nix::libc::ESRCH)
    })
}

/// Mount points of file systems that may be on a disk; overlays included, whose layers are searched besides.
fn disks(mountinfo: &str) -> Vec<PathBuf> {
    let line = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let kind = right.split(' ').next()?;
        let point = left.split(' ').nth(4)?;
        (!NOT_DISKS.contains(&kind)).then(|| PathBuf::from(unescaped(point)))
    };
    let mut points: Vec<PathBuf> = mountinfo.lines().filter_map(line).collect();
    points.sort();
    points.dedup();
    points
}

/// The kernel writes spaces, tabs, newlines and backslashes as octal numbers.
fn unescaped(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_kernel_views_are_no_disks() {
        let text = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                    23 22 0:20 / /proc rw - proc proc rw\n\
                    24 22 0:21 / /dev/shm rw shared:1 - tmpfs tmpfs rw\n\
                    25 22 0:44 / /a\\040b rw - overlay overlay rw\n";
        assert_eq!(disks(text), [PathBuf::from("/"), PathBuf::from("/a b")]);
    }
}
