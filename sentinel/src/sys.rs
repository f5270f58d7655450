//! What the process asks of the kernel for itself. Safe wrappers only: no `unsafe` is needed here.

mod fence;
mod key_page;

pub(crate) use fence::{Fence, Fenced};
pub(crate) use key_page::KeyPage;

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

/// Keeps memory out of core dumps and out of the reach of `ptrace` by processes of the same user.
pub(crate) fn harden() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()
}

/// Whether `path` is on a tmpfs, so that what is written there stays in memory. Asks the nearest directory that exists.
pub(crate) fn is_in_memory(path: &Path) -> std::io::Result<bool> {
    let existing = path
        .ancestors()
        .find(|dir| dir.is_dir())
        .unwrap_or(Path::new("/"));
    Ok(statfs(existing)?.filesystem_type() == TMPFS_MAGIC)
}

/// Bytes in a pipe that its reader has not taken yet.
pub(crate) fn unread_bytes(pipe: impl AsFd) -> std::io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(pipe)?)
}

#[cfg(test)]
mod tests {
    use super::{is_in_memory, unread_bytes};
    use std::io::Write as _;
    use std::path::Path;

    #[test]
    fn memory_and_disk_are_told_apart() {
        assert!(is_in_memory(Path::new("/dev/shm/no/such/dir")).unwrap());
        assert!(!is_in_memory(Path::new("/proc/self")).unwrap());
    }

    #[test]
    fn a_pipe_tells_what_was_not_read() {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(unread_bytes(&writer).unwrap(), 3);
    }
}
