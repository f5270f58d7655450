//! Output that is either whole or not there: written beside its place, synced, then moved.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// Refuses an output that exists: keys and ciphertext of an earlier run must never be mixed with a new one.
pub(crate) fn refuse_existing(flag: &str, path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Failure::file(flag, path, &e)),
        Ok(_) => Err(Failure::input(format!(
            "{flag} {}: exists already and is never overwritten; choose another path or remove it",
            path.display()
        ))),
    }
}

/// A file that appears under its name with [`Staged::commit`], and is removed when dropped before.
pub(crate) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl Staged {
    /// Opens the temporary file beside `path`. Nobody else can read it.
    pub(crate) fn file(path: &Path) -> Result<(Self, File), Failure> {
        let staged = Self::beside(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged.temporary)
            .map_err(|e| Failure::file("creating", &staged.temporary, &e))?;
        Ok((staged, file))
    }

    /// Makes the temporary directory beside `path`. Nobody else can read it.
    pub(crate) fn directory(path: &Path) -> Result<Self, Failure> {
        let staged = Self::beside(path)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&staged.temporary)
            .map_err(|e| Failure::file("creating", &staged.temporary, &e))?;
        Ok(staged)
    }

    /// Where the content is until it is committed.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Moves a synced file to its place, without ever replacing one.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        let failed = |e: io::Error| Failure::file("moving the finished file to", &self.path, &e);
        // A hard link fails where the name exists; a rename would replace it.
        fs::hard_link(&self.temporary, &self.path).map_err(failed)?;
        self.committed = true;
        fs::remove_file(&self.temporary).map_err(|e| Failure::file("removing", &self.temporary, &e))?;
        sync_directory(parent(&self.path))
    }

    /// Moves a directory whose content is synced to its place.
    pub(crate) fn commit_directory(mut self, mode: fs::Permissions) -> Result<(), Failure> {
        fs::set_permissions(&self.temporary, mode)
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(|e| Failure::file("moving the finished directory to", &self.path, &e))?;
        self.committed = true;
        sync_directory(parent(&self.path))
    }

    fn beside(path: &Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else {
            return Err(Failure::input(format!(
                "output {}: must end in a name",
                path.display()
            )));
        };
        let folder = parent(path);
        fs::create_dir_all(folder).map_err(|e| Failure::file("creating", folder, &e))?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".partial-{}", std::process::id()));
        Ok(Self {
            temporary: folder.join(temporary),
            path: path.to_owned(),
            committed: false,
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // A failed clean-up leaves a name that says `.partial-`; there is nobody left to tell.
            let _ = fs::remove_file(&self.temporary);
            let _ = fs::remove_dir_all(&self.temporary);
        }
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
        .map_err(|e| Failure::new(Exit::Local, format!("syncing {}: {e}", path.display())))
}
