//! `down`: everything ends, in an order in which nothing is started again, and then it is proven that nothing is left.

mod mounts;
mod namespaces;
mod outside;
mod processes;
mod verify;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cgroup;
use crate::command;
use crate::journal::{self, Entry};
use crate::layout::Layout;
use crate::progress::Progress;
use crate::sysctl;

pub use verify::left_over;

pub(crate) use namespaces::{folder_is_mounted, names as namespace_names};
pub(crate) use outside::absent as absent_places;

/// Takes a local cluster down, whatever state it is in.
pub fn down(layout: &Layout, progress: &Progress) -> Result<()> {
    refuse_anothers(layout)?;
    let entries = journal::read(&layout.journal())?;
    // Noted before anything ends: the names are in files of the runtime.
    let pods = namespaces::of_pods(&entries);
    progress.step("end the processes", || {
        command::until("end of all processes", Duration::from_secs(15), || {
            processes::end_all(layout, &pods)
        })
    })?;
    progress.step("unmount", || mounts::unmount_below(layout.state()))?;
    progress.step("remove network namespaces", || {
        let abandoned = namespaces::abandoned(&entries, &processes::occupied());
        namespaces::remove(&entries, &[pods, abandoned].concat())
    })?;
    progress.step("remove control groups", || {
        all_groups(&entries)?
            .iter()
            .try_for_each(|group| cgroup::remove(group))
    })?;
    progress.step("put back files and kernel settings", || {
        outside::remove(&entries, layout.state())?;
        journal::settings_before(&entries)
            .iter()
            .try_for_each(|(name, before)| sysctl::restore(name, before))
    })?;
    let left = left_over(layout, &entries)?;
    if !left.is_empty() {
        bail!(
            "down left something behind; the state folder {} is kept:\n  {}",
            layout.state().display(),
            left.join("\n  ")
        );
    }
    remove_state(layout)?;
    progress
        .say("nothing is left: no process, mount, network namespace, control group, kernel setting or file");
    Ok(())
}

/// The names of namespaces and control groups are the machine's: a cluster of another state folder is not ours to end.
/// When that folder is gone nobody else can end it, and we do.
pub(crate) fn refuse_anothers(layout: &Layout) -> Result<()> {
    match processes::owner() {
        Some(state) if state != layout.state() && state.join("journal").exists() => bail!(
            "another cluster runs on this machine, with its state in {0}; use it, or run `TB_CLUSTER_STATE={0} tb-cluster down` first",
            state.display()
        ),
        _ => Ok(()),
    }
}

/// Our group in every hierarchy, also in one that was unmounted and named in the journal.
fn all_groups(entries: &[Entry]) -> Result<Vec<PathBuf>> {
    let mut groups = cgroup::roots()?;
    for entry in entries {
        if let Entry::Cgroup { path } = entry
            && !groups.contains(path)
        {
            groups.push(path.clone());
        }
    }
    Ok(groups)
}

/// The journal goes last: a `down` that is interrupted before can be run again.
fn remove_state(layout: &Layout) -> Result<()> {
    let folder = match fs::read_dir(layout.state()) {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", layout.state().display())),
    };
    for entry in folder {
        let path = entry?.path();
        if path == layout.journal() {
            continue;
        }
        let is_folder = fs::symlink_metadata(&path)?.is_dir();
        let removed = if is_folder {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    fs::remove_dir_all(layout.state()).with_context(|| format!("cannot remove {}", layout.state().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_state_folder_goes() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("s"), folder.path().join("c")).unwrap();
        fs::create_dir_all(layout.logs()).unwrap();
        fs::write(layout.journal(), "").unwrap();
        remove_state(&layout).unwrap();
        assert!(!layout.state().exists());
        remove_state(&layout).unwrap();
    }

    #[test]
    fn groups_of_the_journal_are_not_forgotten() {
        let extra = Entry::Cgroup {
            path: "/elsewhere/tb-node".into(),
        };
        assert!(
            all_groups(&[extra])
                .unwrap()
                .contains(&PathBuf::from("/elsewhere/tb-node"))
        );
    }
}
