//! What processes that were killed left behind, told from what living ones are writing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::Failure;
use crate::report::note;

/// Takes the lock of a temporary; `false` where another process holds it or the file system has no locks.
pub(super) fn lock(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Removes the temporaries with this prefix whose process is dead. The others are named and left alone.
pub(super) fn clear(folder: &Path, prefix: &OsStr) -> Result<(), Failure> {
    let unread = |e: std::io::Error| Failure::file("reading", folder, &e);
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let Some(process) = process_of(&entry.file_name(), prefix) else {
            continue;
        };
        let path = entry.path();
        match state(&path, process) {
            State::Gone => {}
            State::Stale => remove(&path)?,
            State::Live(why) => note(
                "warning",
                &format!(
                    "{}: an unfinished output, left alone: {why}; remove it if nobody writes it any more",
                    path.display()
                ),
            ),
        }
    }
    Ok(())
}

/// The process id in a temporary's name.
fn process_of(name: &OsStr, prefix: &OsStr) -> Option<u32> {
    let digits = name.as_bytes().strip_prefix(prefix.as_bytes())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What is known about a temporary.
enum State {
    Gone,
    Stale,
    Live(&'static str),
}

/// Dead is what no process of that id and no lock speaks for: an id may have been given to another process
/// since, and on a shared folder the process may run on another machine, where only the lock shows it.
fn state(path: &Path, process: u32) -> State {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return State::Gone;
    };
    let own = fs::metadata("/proc/self").map(|me| me.uid());
    if own.ok() != Some(meta.uid()) || meta.is_symlink() {
        return State::Live("it belongs to another user");
    }
    let another = process != std::process::id();
    if another && Path::new("/proc").join(process.to_string()).exists() {
        return State::Live("a process of that id is running");
    }
    match File::open(path) {
        Ok(file) if lock(&file) => State::Stale,
        _ => State::Live("it is locked, perhaps by another machine"),
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(|e| Failure::file("removing what a killed run left,", path, &e))
}
