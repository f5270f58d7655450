//! Output that is either whole or not there: written beside its place, synced, then moved.
//!
//! The temporary is `.<name>.partial-<process id>`, locked for as long as its process lives. What a killed
//! process left is taken away by the next one that writes to the same place.

pub(crate) mod location;
mod stale;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use walkdir::WalkDir;

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

/// How far an output has come, and so what is to be removed when it is given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing is there that this process made.
    Absent,
    /// The temporary is there.
    Hidden,
    /// It has its name, and may still be taken away.
    Shown,
    /// It stays.
    Kept,
}

/// A file or directory that appears under its name with [`Staged::commit`], and is removed when dropped before.
pub(crate) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    progress: Progress,
    /// The folders that were made for it, the outermost first.
    made: Vec<PathBuf>,
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
        staged.progress = Progress::Hidden;
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
        staged.progress = Progress::Hidden;
        staged.lock = File::open(&staged.temporary).ok().filter(stale::lock);
        Ok(staged)
    }

    /// Where the content is until it is committed.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Follows the output after the folder that it is in was renamed.
    pub(crate) fn moved(&mut self, from: &Path, to: &Path) {
        for path in [&mut self.temporary, &mut self.path]
            .into_iter()
            .chain(&mut self.made)
        {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = to.join(rest);
            }
        }
    }

    /// Moves a synced file to its place, without ever replacing one. After an error nothing of it is there.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        self.show()?;
        self.keep();
        Ok(())
    }

    /// Moves a directory whose files are synced to its place, without ever replacing one. After an error nothing of
    /// it is there.
    pub(crate) fn commit_directory(mut self, mode: fs::Permissions) -> Result<(), Failure> {
        self.show_directory(mode)?;
        self.keep();
        Ok(())
    }

    /// Moves a synced file to its place; it is taken away again unless [`Staged::keep`] follows.
    pub(crate) fn show(&mut self) -> Result<(), Failure> {
        self.show_then(sync_directory)
    }

    /// Moves a directory whose files are synced to its place, its names made durable first; it is taken away again
    /// unless [`Staged::keep`] follows.
    pub(crate) fn show_directory(&mut self, mode: fs::Permissions) -> Result<(), Failure> {
        self.show_directory_then(mode, sync_directory)
    }

    /// What is shown stays.
    pub(crate) fn keep(&mut self) {
        self.progress = Progress::Kept;
    }

    fn show_directory_then(
        &mut self,
        mode: fs::Permissions,
        sync: impl Fn(&Path) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for entry in WalkDir::new(&self.temporary) {
            let entry =
                entry.map_err(|e| Failure::new(Exit::Io, format!("reading what was written: {e}")))?;
            if entry.file_type().is_dir() {
                sync(entry.path())?;
            }
        }
        fs::set_permissions(&self.temporary, mode)
            .map_err(|e| Failure::file("setting the mode of", &self.temporary, &e))?;
        self.show_then(sync)
    }

    /// Moves, then makes the name durable, and with it the names of the folders that were made for it.
    fn show_then(&mut self, sync: impl Fn(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
        move_new(&self.temporary, &self.path)
            .map_err(|e| Failure::file("moving what is finished to", &self.path, &e))?;
        self.progress = Progress::Shown;
        sync(parent(&self.path))?;
        self.made.iter().rev().try_for_each(|folder| sync(parent(folder)))
    }

    fn beside(path: &Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else {
            return Err(location::no_name("output", path));
        };
        let folder = parent(path);
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".partial-");
        let mut temporary = prefix.clone();
        temporary.push(std::process::id().to_string());
        let mut staged = Self {
            temporary: folder.join(temporary),
            path: path.to_owned(),
            progress: Progress::Absent,
            made: Vec::new(),
            lock: None,
        };
        make_folders(folder, &mut staged.made).map_err(|e| Failure::file("creating", folder, &e))?;
        stale::clear(folder, &prefix)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let ours = match self.progress {
            Progress::Kept => return,
            Progress::Absent => None,
            Progress::Hidden => Some(&self.temporary),
            Progress::Shown => Some(&self.path),
        };
        // Already failing: the first error is the one to report. A temporary that stays says `.partial-`, and the
        // next run takes it away. A folder that somebody else has put something into stays as well.
        if let Some(path) = ours {
            let _ = fs::remove_file(path);
            let _ = fs::remove_dir_all(path);
        }
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes a folder and those above it that are missing, and notes each that it made.
fn make_folders(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
        .collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => made.push(folder.to_owned()),
            // Somebody else was faster, and it is theirs.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
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
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    tolerated(synced).map_err(|e| Failure::file("syncing", path, &e))
}

/// Some file systems (FUSE, SMB) sync no directories and say so; there is nothing more to be done there.
fn tolerated(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::INVAL | Errno::NOTSUP)) => Ok(()),
        other => other,
    }
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
