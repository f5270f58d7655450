//! Network namespaces: ours by name, those of pods by what the runtime wrote down and by what was there before.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use super::mounts;
use crate::journal::Entry;
use crate::netns::Place;
use crate::network::CNI_NETWORK;

/// Where named namespaces live.
pub(crate) const FOLDER: &str = "/run/netns";
/// Where the runtime keeps what each CNI plug-in answered.
const RESULTS: &str = "/var/lib/cni/results";
/// The container runtime's prefix for a pod's namespace.
const POD_PREFIX: &str = "cni-";

/// The namespaces of this cluster's pods: they appeared after `up` began, and the runtime wrote down that they are
/// of our pod network. Whoever stands in one of them is ours.
pub(super) fn of_pods(entries: &[Entry]) -> Vec<PathBuf> {
    let results = files_of(RESULTS).into_iter().filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(CNI_NETWORK))
    });
    let written: Vec<String> = results.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let ours = appeared(&names(), entries)
        .into_iter()
        .filter(|name| written.iter().any(|text| text.contains(name.as_str())));
    ours.map(|name| Path::new(FOLDER).join(name)).collect()
}

/// Namespaces that were made for a pod and never came into use: a crash fell between making one and writing it down.
/// One in which a process stands belongs to somebody else's runtime, and is left alone.
pub(super) fn abandoned(entries: &[Entry], occupied: &BTreeSet<u64>) -> Vec<PathBuf> {
    let paths = appeared(&names(), entries)
        .into_iter()
        .map(|name| Path::new(FOLDER).join(name));
    paths
        .filter(|path| fs::metadata(path).is_ok_and(|data| !occupied.contains(&data.ino())))
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

fn files_of(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// Names of pods' namespaces that were not there before. Without a journal nothing is known, and nothing is taken.
fn appeared(now: &[String], entries: &[Entry]) -> Vec<String> {
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
        assert_eq!(appeared(&now, &entries), ["cni-new"]);
        assert!(appeared(&now, &[]).is_empty());
    }
}
