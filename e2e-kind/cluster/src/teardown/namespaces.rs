//! Network namespaces: ours by name, those of pods by what the runtime wrote down and by what was there before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use super::mounts;
use crate::journal::Entry;
use crate::netns::Place;

/// Where named namespaces live.
pub(crate) const FOLDER: &str = "/run/netns";
/// The container runtime's prefix for a pod's namespace.
const POD_PREFIX: &str = "cni-";

/// The names below `/run/netns` that are a pod's of this cluster: they appeared after `up` began.
pub(super) fn of_pods(entries: &[Entry]) -> Vec<PathBuf> {
    pods(&names(), entries)
        .iter()
        .map(|name| Path::new(FOLDER).join(name))
        .collect()
}

/// What is there now.
pub(crate) fn names() -> Vec<String> {
    let found = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut names: Vec<String> = found
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether somebody has mounted the folder itself, as `ip netns add` does.
pub(crate) fn folder_is_mounted() -> Result<bool> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    Ok(mounts::points(&text).iter().any(|path| path == Path::new(FOLDER)))
}

/// Removes the pods' namespaces, ours, and the folder's own mount when we caused it.
pub(super) fn remove(entries: &[Entry], pods: &[PathBuf]) -> Result<()> {
    for path in [Place::Node.path(), Place::Outside.path()].iter().chain(pods) {
        remove_one(path)?;
    }
    let mounted_before = entries
        .iter()
        .any(|entry| matches!(entry, Entry::NamespacesBefore { mounted: true, .. }));
    let noted = entries
        .iter()
        .any(|entry| matches!(entry, Entry::NamespacesBefore { .. }));
    if noted && !mounted_before && names().is_empty() {
        while folder_is_mounted()? {
            umount2(FOLDER, MntFlags::MNT_DETACH).with_context(|| format!("cannot unmount {FOLDER}"))?;
        }
    }
    Ok(())
}

fn remove_one(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    while umount2(path, MntFlags::MNT_DETACH) == Ok(()) {}
    match fs::remove_file(path) {
        Err(error) if error.raw_os_error() != Some(Errno::ENOENT as i32) => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Pure part of [`of_pods`]. Without a journal nothing is known, and nothing is taken.
fn pods(now: &[String], entries: &[Entry]) -> Vec<String> {
    let before = entries.iter().find_map(|entry| match entry {
        Entry::NamespacesBefore { names, .. } => Some(names),
        _ => None,
    });
    let Some(before) = before else { return Vec::new() };
    now.iter()
        .filter(|name| name.starts_with(POD_PREFIX) && !before.contains(name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_that_appeared_since_are_ours() {
        let now = ["cni-old", "cni-new", "tb-node", "vpn"].map(ToOwned::to_owned);
        let entries = [Entry::NamespacesBefore {
            names: vec!["cni-old".into(), "vpn".into()],
            mounted: true,
        }];
        assert_eq!(pods(&now, &entries), ["cni-new"]);
        assert!(pods(&now, &[]).is_empty());
    }
}
