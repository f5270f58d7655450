//! What lies in the memory volume: FIFOs, small files, the ready signal. It is empty before and after.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio_util::sync::CancellationToken;
use trustbridge_tbenc::{Decrypt, Expected, unobserved};

use super::{Error, Job, file_key};
use crate::config::Config;

/// The places of the plaintext.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    model_dir: PathBuf,
    pipe_path: PathBuf,
    ready_signal: PathBuf,
    mark: PathBuf,
}

impl Volume {
    pub(crate) fn of(config: &Config) -> Self {
        let mut mark = config.ready_signal.as_os_str().to_owned();
        mark.push(".delivered");
        Self {
            mark: PathBuf::from(mark),
            model_dir: config.model_dir.clone(),
            pipe_path: config.pipe_path.clone(),
            ready_signal: config.ready_signal.clone(),
        }
    }

    /// Removes what an earlier start left, the signal first: nobody must take it for ours.
    pub(crate) fn clear(&self) {
        for path in [&self.ready_signal, &self.pipe_path] {
            report(path, remove(path));
        }
        // The directory may be a mount point, which cannot be removed.
        match std::fs::read_dir(&self.model_dir) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    report(&entry.path(), remove(&entry.path()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => report(&self.model_dir, Err(error)),
        }
    }

    /// The files of this very asset that the runtime of this pod has read to their end, as they are called below. Kept
    /// in memory, where the runtime cannot write, for a runtime that lives on while the sentinel dies, or while what is
    /// offered is taken back: it will not read them again.
    pub(super) fn taken(&self, digest: &str) -> BTreeSet<String> {
        let text = std::fs::read_to_string(&self.mark).unwrap_or_default();
        // A line that is not ended was torn.
        let whole = text
            .rfind('\n')
            .and_then(|end| text.get(..end))
            .unwrap_or_default();
        let mut lines = whole.lines();
        match lines.next() {
            Some(first) if first == digest => lines.map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Notes which files were read to their end. Losing the note costs a restart of the runtime, no more.
    pub(super) fn note_taken<'a>(&self, digest: &'a str, names: impl Iterator<Item = &'a str>) {
        let lines = std::iter::once(digest)
            .chain(names)
            .map(|line| format!("{line}\n"));
        let text: String = lines.collect();
        let noted = private(&self.mark).and_then(|mut file| file.write_all(text.as_bytes()));
        report(&self.mark, noted);
    }

    /// Forgets that: a runtime is reading anew, or must never serve again.
    pub(crate) fn forget_taken(&self) {
        report(&self.mark, remove(&self.mark));
    }

    pub(super) fn prepare(&self) -> Result<(), Error> {
        self.clear();
        for dir in [
            Some(self.model_dir.as_path()),
            self.pipe_path.parent(),
            self.ready_signal.parent(),
        ] {
            dir.map_or(Ok(()), make_dir)?;
        }
        Ok(())
    }

    /// A directory of the volume that exists once it is prepared.
    pub(super) fn memory(&self) -> &Path {
        &self.model_dir
    }

    /// Where a file goes: below the model's directory, or the pipe's path for the only file of an asset.
    pub(super) fn place_of(&self, path: Option<&str>) -> PathBuf {
        path.map_or_else(|| self.pipe_path.clone(), |path| self.model_dir.join(path))
    }

    /// Tells runtimes that wait for it that they may open the files.
    pub(super) fn write_ready_signal(&self) -> Result<(), Error> {
        let written = private(&self.ready_signal).and_then(|mut file| file.write_all(b"ready\n"));
        written.map_err(|error| Error::io(self.ready_signal.display().to_string(), error))
    }
}

/// Makes the FIFO anew, for its owner only.
pub(super) fn make_fifo(place: &Path) -> Result<(), Error> {
    let shown = || place.display().to_string();
    place.parent().map_or(Ok(()), make_dir)?;
    remove(place).map_err(|error| Error::io(shown(), error))?;
    mkfifo(place, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| Error::io(shown(), error.into()))
}

/// Takes the FIFO's name away; a reader that has it open keeps it.
pub(super) fn unlink(place: &Path) -> Result<(), Error> {
    remove(place).map_err(|error| Error::io(place.display().to_string(), error))
}

/// Decrypts a whole file into memory; its name appears when it is complete and verified.
pub(super) fn write_ram_file(job: &Job) -> Result<(), Error> {
    let shown = || job.place.display().to_string();
    job.place.parent().map_or(Ok(()), make_dir)?;
    let mut partial = job.place.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let source = File::open(&job.file.local)
        .map_err(|error| Error::io(job.file.local.display().to_string(), error))?;
    let target = private(&partial).map_err(|error| Error::io(shown(), error))?;
    let target = Stoppable {
        file: target,
        stop: &job.stop,
    };
    let expected = Expected {
        plaintext_bytes: job.file.plaintext_bytes,
        chunk_bytes: job.chunk_bytes,
        sha256_ciphertext: &job.file.sha256_ciphertext,
    };
    let key = file_key(&job.key, &job.file)?;
    let decrypt = Decrypt {
        // The ciphertext's digest is what the manifest anchors; nobody asks for the plaintext's here.
        plaintext_digest: false,
        ..Decrypt::new(&key, expected)
    };
    if let Err(error) = decrypt.run(source, target, unobserved) {
        report(&partial, remove(&partial));
        return Err(Error::of(&job.file, error));
    }
    std::fs::rename(&partial, &job.place).map_err(|error| Error::io(shown(), error))
}

/// A file whose writing ends when delivery is closed.
struct Stoppable<'a> {
    file: File,
    stop: &'a CancellationToken,
}

impl io::Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("delivery was closed"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Error::io(dir.display().to_string(), error))
}

/// Removes a file or a directory with all that is in it; what is not there is fine.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(meta) => {
            // A reader that waits in open() would wait for ever once the name is gone; opened and closed, the
            // pipe gives it an end at once.
            let wake = || {
                OpenOptions::new()
                    .write(true)
                    .custom_flags(OFlag::O_NONBLOCK.bits())
                    .open(path)
            };
            drop(meta.file_type().is_fifo().then(wake));
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn report(path: &Path, removed: io::Result<()>) {
    if let Err(error) = removed {
        tracing::error!(path = %path.display(), %error, "memory volume");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Job, Volume, write_ram_file};
    use crate::hydrate::{AssetFile, Follow};
    use std::path::Path;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;
    use trustbridge_tbenc::manifest::Role;
    use trustbridge_tbenc::{Key, encrypt_stream};

    /// Nine bytes of text in three records.
    pub(in crate::decrypt) fn job(dir: &Path) -> Job {
        let key = Key::generate().unwrap();
        let mut ciphertext = Vec::new();
        let sealed = encrypt_stream(&b"plaintext"[..], &mut ciphertext, &key, 4).unwrap();
        let local = dir.join("a.tbenc");
        std::fs::write(&local, &ciphertext).unwrap();
        Job {
            index: 0,
            file: AssetFile {
                path: None,
                role: Role::Weights,
                plaintext_bytes: sealed.plaintext_bytes,
                sha256_ciphertext: sealed.sha256_ciphertext,
                local,
                follow: Follow::verified_before(ciphertext.len() as u64),
            },
            place: dir.join("memory/model"),
            chunk_bytes: 4,
            key: Arc::new(key),
            stop: CancellationToken::new(),
        }
    }

    #[test]
    fn what_was_taken_is_noted_for_its_asset_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let volume = Volume {
            model_dir: place("model"),
            pipe_path: place("pipe"),
            ready_signal: place("ready"),
            mark: place("ready.delivered"),
        };
        assert!(volume.taken("d1").is_empty());
        volume.note_taken("d1", ["a/b c", "d"].into_iter());
        assert_eq!(volume.taken("d1"), ["a/b c".to_owned(), "d".to_owned()].into());
        assert!(volume.taken("d2").is_empty(), "another asset's");
        // What lies there is taken away for another offer, and the note stays.
        volume.clear();
        assert_eq!(volume.taken("d1").len(), 2);
        std::fs::write(place("ready.delivered"), "d1\na/b c\nd").unwrap();
        assert_eq!(volume.taken("d1"), ["a/b c".to_owned()].into(), "torn");
        std::fs::write(place("ready.delivered"), "d1").unwrap();
        assert!(volume.taken("d1").is_empty());
        volume.forget_taken();
        assert!(!place("ready.delivered").exists());
    }

    #[test]
    fn a_file_appears_whole_and_one_that_is_stopped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let job = job(dir.path());
        write_ram_file(&job).unwrap();
        assert_eq!(std::fs::read(&job.place).unwrap(), b"plaintext");
        std::fs::remove_file(&job.place).unwrap();
        job.stop.cancel();
        assert!(write_ram_file(&job).is_err());
        let left = std::fs::read_dir(dir.path().join("memory")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
