//! Files outside the state folder: the few whose place the runtime and the kubelet do not let us choose.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::journal::Entry;
use crate::network::CNI_NETWORK;

/// Folders that come into being while a cluster runs, outermost first.
pub(crate) const PLACES: [&str; 7] = [
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/run/containerd",
    "/run/netns",
    "/etc/cni",
];

/// The kubelet's folder of device plug-ins; it ignores `--root-dir`.
const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins";

/// The outermost folder that would come into being with each place.
pub(crate) fn absent() -> Vec<PathBuf> {
    PLACES
        .iter()
        .filter_map(|place| first_absent(Path::new(place)))
        .collect()
}

fn first_absent(place: &Path) -> Option<PathBuf> {
    place
        .ancestors()
        .filter(|path| !path.exists())
        .last()
        .map(Path::to_path_buf)
}

/// Removes what was made: whole folders that were not there before, our own files in those that were.
pub(super) fn remove(entries: &[Entry], state: &Path) -> Result<()> {
    remove_made(entries)?;
    for file in own_files(state) {
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

fn remove_made(entries: &[Entry]) -> Result<()> {
    for path in made(entries) {
        let removed = match fs::symlink_metadata(path) {
            Ok(data) if data.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(_) => Ok(()),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is there of ours.
pub(super) fn left(entries: &[Entry], state: &Path) -> Vec<PathBuf> {
    let folders = made(entries).filter(|path| path.exists()).map(Path::to_path_buf);
    folders.chain(own_files(state)).collect()
}

fn made(entries: &[Entry]) -> impl Iterator<Item = &Path> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Outside { path } => Some(path.as_path()),
        _ => None,
    })
}

/// Files of ours in folders that belong to others as well.
fn own_files(state: &Path) -> Vec<PathBuf> {
    let ours = format!("{CNI_NETWORK}-");
    let results = files("/var/lib/cni/results")
        .into_iter()
        .filter(|path| name(path).starts_with(&ours));
    let plugins = files(DEVICE_PLUGINS).into_iter().filter(|path| {
        let socket = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
        socket && is_dead(path)
    });
    let links = files("/var/log/containers")
        .into_iter()
        .filter(|path| fs::read_link(path).is_ok_and(|target| target.starts_with(state)));
    results.chain(plugins).chain(links).collect()
}

/// A socket on which nobody listens any more.
fn is_dead(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket)
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn files(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_missing_folder_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            first_absent(&folder.path().join("a/b/c")),
            Some(folder.path().join("a"))
        );
        assert_eq!(first_absent(folder.path()), None);
    }

    #[test]
    fn what_was_made_goes_and_what_is_gone_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        fs::create_dir_all(made.join("deep")).unwrap();
        let entries = [
            Entry::Outside { path: made.clone() },
            Entry::Outside {
                path: folder.path().join("never"),
            },
        ];
        remove_made(&entries).unwrap();
        assert!(!made.exists());
    }
}
