//! The control groups below which all pods live: one folder in each hierarchy.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command;
use crate::journal::{Entry, Journal};

/// The name of our group in every hierarchy; the kubelet's `cgroupRoot` is `/` and this.
pub const ROOT: &str = "tb-node";

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Whether it is the unified one (version 2).
    pub unified: bool,
}

/// The hierarchies in a text of the form of `/proc/mounts`.
#[must_use]
pub fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let parsed = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, mount, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let unified = kind == "cgroup2";
        (unified || kind == "cgroup").then(|| Hierarchy {
            mount: PathBuf::from(mount),
            unified,
        })
    });
    parsed.collect()
}

/// Our group in every hierarchy of this machine.
pub fn roots() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    Ok(hierarchies(&mounts)
        .into_iter()
        .map(|hierarchy| hierarchy.mount.join(ROOT))
        .collect())
}

/// Makes our group in every hierarchy.
pub fn create(journal: &Journal) -> Result<()> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    let all = hierarchies(&mounts);
    let only_unified = all.iter().all(|hierarchy| hierarchy.unified);
    for hierarchy in all {
        let path = hierarchy.mount.join(ROOT);
        journal.write(&Entry::Cgroup { path: path.clone() })?;
        if let Err(error) = fs::create_dir(&path)
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(error).with_context(|| format!("cannot make {}", path.display()));
        }
        if only_unified {
            delegate_controllers(&hierarchy.mount)?;
            delegate_controllers(&path)?;
        } else if hierarchy.mount.join("cpuset.cpus").exists() {
            inherit_cpuset(&hierarchy.mount, &path)?;
        }
    }
    Ok(())
}

/// A new group of the unified hierarchy has the controllers that its parent hands down.
fn delegate_controllers(group: &Path) -> Result<()> {
    let available = fs::read_to_string(group.join("cgroup.controllers"))?;
    for controller in available.split_whitespace() {
        fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"))
            .with_context(|| format!("cannot hand {controller} down from {}", group.display()))?;
    }
    Ok(())
}

/// A new group of the cpuset hierarchy is empty, and no process can join it until it is filled.
fn inherit_cpuset(parent: &Path, group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let value = fs::read_to_string(parent.join(file))?;
        fs::write(group.join(file), value.trim())
            .with_context(|| format!("cannot set {file} of {}", group.display()))?;
    }
    Ok(())
}

/// Ends every process in the group and removes it, leaves first.
pub fn remove(root: &Path) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    command::until(
        &format!("removal of {}", root.display()),
        Duration::from_secs(10),
        || {
            for group in leaves_first(root) {
                let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                for pid in members.lines().filter_map(|line| line.parse().ok()) {
                    // A process that has ended meanwhile is what is wanted.
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                if let Err(error) = fs::remove_dir(&group)
                    && error.kind() != ErrorKind::NotFound
                {
                    bail!("{}: {error}", group.display());
                }
            }
            Ok(())
        },
    )
}

fn leaves_first(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(group) = open.pop() {
        let children = fs::read_dir(&group).into_iter().flatten().flatten();
        open.extend(
            children
                .filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|child| child.path()),
        );
        found.push(group);
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_and_nothing_else() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = hierarchies(mounts);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Hierarchy {
                mount: "/sys/fs/cgroup/cpu".into(),
                unified: false
            }
        );
        assert!(found[1].unified);
    }

    #[test]
    fn children_come_before_their_parents() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::create_dir_all(folder.path().join("c")).unwrap();
        let order = leaves_first(folder.path());
        let position = |name: &str| order.iter().position(|path| path.ends_with(name)).unwrap();
        assert!(position("b") < position("a"));
        assert_eq!(order.last().unwrap(), folder.path());
        remove(folder.path()).unwrap();
        assert!(!folder.path().exists());
    }
}
