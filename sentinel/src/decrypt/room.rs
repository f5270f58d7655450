//! Whether the plaintext files fit into memory, asked before the first one is written.
//!
//! A tmpfs is charged to whoever writes it: files that are larger than the container may be would end in a kill
//! without a word, again and again.

use std::path::Path;
use std::sync::OnceLock;

use nix::sys::statvfs::statvfs;

use super::Error;

/// What the process itself needs beside the files.
const OWN_BYTES: u64 = 64 << 20;
/// Where control groups are mounted (version 2).
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// The process's control groups, as they were before the fence. Behind it nothing of `/proc` can be relied on: a rule of
/// Landlock is for an inode, and the kernel makes new ones there whenever it dropped the old ones from its caches.
static GROUP: OnceLock<String> = OnceLock::new();

/// The control groups of this process, read at the first call: before the fence is closed. Empty where the kernel has
/// none to tell; then there is no limit of theirs either.
pub(crate) fn control_group() -> &'static str {
    GROUP.get_or_init(|| std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// Refuses files that the volume of `dir` or the container's memory limit cannot hold.
pub(super) fn check(dir: &Path, needed: u64) -> Result<(), Error> {
    let failed = |error: nix::Error| Error::io(dir.display().to_string(), error.into());
    let volume = statvfs(dir).map_err(failed)?;
    // A tmpfs without a size tells no blocks at all.
    let free = (volume.blocks() > 0).then(|| volume.blocks_available() * volume.fragment_size());
    // The limit itself is read now: it may have been changed, and the inodes of that file system stay.
    let limit = memory_limit(Path::new(CONTROL_GROUPS), control_group());
    judge(needed, free, limit)
        .map_err(|text| Error::io(dir.display().to_string(), std::io::Error::other(text)))
}

fn judge(needed: u64, free: Option<u64>, limit: Option<u64>) -> Result<(), String> {
    if let Some(free) = free.filter(|free| *free < needed) {
        return Err(format!(
            "the files need {needed} bytes of memory, the volume has {free} left; raise its sizeLimit"
        ));
    }
    if let Some(limit) = limit.filter(|limit| *limit < needed.saturating_add(OWN_BYTES)) {
        return Err(format!(
            "the files need {needed} bytes of memory and the sentinel {OWN_BYTES}, its limit is {limit}; raise \
             resources.limits.memory, or use TB_DELIVERY=fifo"
        ));
    }
    Ok(())
}

/// `memory.max` of the process' control group; nothing where there is none, or no limit.
fn memory_limit(mount: &Path, group: &str) -> Option<u64> {
    let own = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let text = std::fs::read_to_string(mount.join(own).join("memory.max")).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{OWN_BYTES, judge, memory_limit};

    #[test]
    fn files_that_do_not_fit_are_refused_with_the_number() {
        assert_eq!(judge(10, None, None), Ok(()));
        assert_eq!(judge(10, Some(10), Some(10 + OWN_BYTES)), Ok(()));
        assert!(judge(10, Some(9), None).unwrap_err().contains("sizeLimit"));
        let error = judge(10, Some(10), Some(9 + OWN_BYTES)).unwrap_err();
        assert!(error.contains("limits.memory"), "{error}");
        assert!(judge(u64::MAX, None, Some(1)).is_err());
    }

    #[test]
    fn the_limit_is_that_of_the_own_group() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(mount.path().join("kube/pod")).unwrap();
        let file = mount.path().join("kube/pod/memory.max");
        std::fs::write(&file, "1073741824\n").unwrap();
        let limit = |group| memory_limit(mount.path(), group);
        assert_eq!(limit("3:cpu:/x\n0::/kube/pod\n"), Some(1 << 30));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("3:cpu:/x\n"), None);
        std::fs::write(&file, "max\n").unwrap();
        assert_eq!(limit("0::/kube/pod\n"), None);
    }
}
