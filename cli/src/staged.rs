//! Output that is either whole or not there: written beside its place, synced, then moved.
//!
//! The temporary is `.<name>.partial-<process id>`, locked for as long as its process lives. What a killed
//! process left is taken away by the next one that writes to the same place.

mod stale;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::failure::{Exit, Failure};

/// Refuses an output that exists: keys and ciphertext of an earlier run must never be mixed with a new one.
pub(crate) fn refuse_existing(flag: &str, path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Failure::file(flag, path, &e)),
        Ok(_) => Err(Failure::usage(format!(
            "{flag} {}: exists already and is never overwritten; choose another path or remove it",
            path.display()
        ))),
    }
}

/// A file or directory that appears under its name with [`Staged::commit`], and is removed when dropped before.
pub(crate) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
    /// Holds the lock that says this process lives.
    lock: Option<File>,
}

impl Staged {
    /// Opens the temporary file beside `path`. Nobody else can read it, then or later.
    pub(crate) fn file(path: &Path) -> Result<(Self, File), Failure> {
        Self::file_with(path, 0o600)
    }

    /// Opens the temporary file beside `path`, readable as the process's mask allows: for what is no secret.
    pub(crate) fn public(path: &Path) -> Result<(Self, File), Failure> {
        Self::file_with(path, 0o666)
    }

    fn file_with(path: &Path, mode: u32) -> Result<(Self, File), Failure> {
        let mut staged = Self::beside(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&staged.temporary)
            .map_err(|e| Failure::file("creating", &staged.temporary, &e))?;
        staged.lock = file.try_clone().ok().filter(stale::lock);
        Ok((staged, file))
    }

    /// Makes the temporary directory beside `path`. Nobody else can read it.
    pub(crate) fn directory(path: &Path) -> Result<Self, Failure> {
        let mut staged = Self::beside(path)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&staged.temporary)
            .map_err(|e| Failure::file("creating", &staged.temporary, &e))?;
        staged.lock = File::open(&staged.temporary).ok().filter(stale::lock);
        Ok(staged)
    }

    /// Where the content is until it is committed.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The same output after the folder that it is in was renamed.
    pub(crate) fn moved(mut self, from: &Path, to: &Path) -> Self {
        for path in [&mut self.temporary, &mut self.path] {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = to.join(rest);
            }
        }
        self
    }

    /// Moves a synced file to its place, without ever replacing one.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        move_new(&self.temporary, &self.path)
            .map_err(|e| Failure::file("moving the finished file to", &self.path, &e))?;
        self.committed = true;
        sync_directory(parent(&self.path))
    }

    /// Moves a directory whose content is synced to its place, without ever replacing one.
    pub(crate) fn commit_directory(mut self, mode: fs::Permissions) -> Result<(), Failure> {
        fs::set_permissions(&self.temporary, mode)
            .and_then(|()| move_new(&self.temporary, &self.path))
            .map_err(|e| Failure::file("moving the finished directory to", &self.path, &e))?;
        self.committed = true;
        sync_directory(parent(&self.path))
    }

    fn beside(path: &Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else {
            return Err(Failure::usage(format!(
                "output {}: must end in a name",
                path.display()
            )));
        };
        let folder = parent(path);
        fs::create_dir_all(folder).map_err(|e| Failure::file("creating", folder, &e))?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".partial-");
        stale::clear(folder, &prefix)?;
        prefix.push(std::process::id().to_string());
        Ok(Self {
            temporary: folder.join(prefix),
            path: path.to_owned(),
            committed: false,
            lock: None,
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // A failed clean-up leaves a name that says `.partial-`, which the next run takes away.
            let _ = fs::remove_file(&self.temporary);
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Renames, and fails where the new name exists.
fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems without this kind of rename (NFS): a hard link fails as well where the name exists.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if from.is_file() => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        // Of a directory a plain rename replaces at most an empty one.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        Err(e) => Err(e.into()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Failure::file("syncing", path, &e))
}

/// Creates a new file for ciphertext or other public content.
pub(crate) fn create_new(path: &Path) -> Result<File, Failure> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(|e| Failure::file("creating", folder, &e))?;
    File::create_new(path).map_err(|e| Failure::file("creating", path, &e))
}

/// The folder that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Syncs a finished file.
pub(crate) fn sync(file: &File, path: &Path) -> Result<(), Failure> {
    file.sync_all()
        .map_err(|e| Failure::new(Exit::Io, format!("syncing {}: {e}", path.display())))
}

#[cfg(test)]
mod tests;
