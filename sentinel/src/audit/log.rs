//! The file of the audit log: appended to, rotated by size, never rewritten.
//!
//! A full file becomes `<path>.1`, the one before it `<path>.2`, and so on; the oldest goes. The chain runs
//! through all of them: the first record of a file names the last one of the file before as its `prev`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A file's size, and how many there are with the newest: together less than the 256 MiB of the pod's volume,
/// or the kubelet would evict the pod.
const FILE_BYTES: u64 = 32 << 20;
const FILES: u32 = 6;
/// How much of an existing file is searched for its last line.
const TAIL_BYTES: u64 = 64 << 10;

/// What a line says of the chain.
#[derive(Deserialize)]
pub(super) struct Tail {
    pub(super) seq: u64,
    pub(super) hash: String,
}

/// See the module.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    limit: u64,
    /// The file does not end with a line's end.
    torn: bool,
}

impl Log {
    /// Opens the log and finds its last whole line. A torn one (the machine died while writing) is ended before
    /// the next and left in place: nothing is ever taken out of a line.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Tail>)> {
        Self::open_with(path, FILE_BYTES)
    }

    pub(super) fn open_with(path: &Path, limit: u64) -> io::Result<(Self, Option<Tail>)> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let tail = tail_of(&mut file, bytes)?;
        let mut last = last_line(&tail);
        if last.is_none() {
            // The end came between a rotation and the first record after it.
            last = match File::open(rotated(path, 1)) {
                Ok(mut before) => {
                    let bytes = before.metadata()?.len();
                    last_line(&tail_of(&mut before, bytes)?)
                }
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let log = Self {
            path: path.to_owned(),
            file,
            bytes,
            limit,
            torn: tail.last().is_some_and(|byte| *byte != b'\n'),
        };
        Ok((log, last))
    }

    /// Appends one line, `\n` at its end. After an error the line is not part of the log, though a piece of it
    /// may lie there.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.bytes > 0
            && self.bytes + line.len() as u64 > self.limit
            && let Err(error) = self.rotate()
        {
            tracing::error!(%error, "TB_AUDIT_PATH: the log was not rotated; going on in the same file");
        }
        if self.torn {
            self.put(b"\n")?;
        }
        match self.put(line.as_bytes()) {
            // All but the line's end is there: to whoever reads the log that is the record.
            Err(Unwritten(_, 1)) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Everything that was appended is on the disk when this returns.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Writes the bytes; an error comes with the number of those that were not written.
    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Unwritten> {
        while !bytes.is_empty() {
            let error = match self.file.write(bytes) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(count) => {
                    let (done, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
                    self.bytes += done.len() as u64;
                    self.torn = done.last() != Some(&b'\n');
                    bytes = rest;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return Err(Unwritten(error, bytes.len()));
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // Only as far as the first free name: a rotation that failed half-way costs no second file.
        let free = (1..FILES)
            .find(|number| !rotated(&self.path, *number).exists())
            .unwrap_or(FILES - 1);
        for number in (1..free).rev() {
            std::fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1))?;
        }
        std::fs::rename(&self.path, rotated(&self.path, 1))?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        self.torn = false;
        Ok(())
    }
}

/// An error, and how many bytes it left unwritten.
struct Unwritten(io::Error, usize);

impl From<Unwritten> for io::Error {
    fn from(unwritten: Unwritten) -> Self {
        unwritten.0
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path)
}

/// The name of the file that was full `number` rotations ago.
pub(super) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn tail_of(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(tail)
}

fn last_line(tail: &[u8]) -> Option<Tail> {
    tail.rsplit(|byte| *byte == b'\n')
        .find_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::{Log, rotated};
    use std::fs::{File, read_to_string};

    #[test]
    fn a_line_after_a_failed_write_begins_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut log = Log::open(&path).unwrap().0;
        log.append("one\n").unwrap();
        // A file that is open for reading only takes no write.
        let good = std::mem::replace(&mut log.file, File::open(&path).unwrap());
        log.append("two\n").unwrap_err();
        log.file = good;
        // What a full volume took of a line.
        log.put(b"tw").map_err(std::io::Error::from).unwrap();
        assert!(log.torn);
        log.append("three\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "one\ntw\nthree\n");
    }

    #[test]
    fn there_are_never_more_files_than_fit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut log = Log::open_with(&path, 16).unwrap().0;
        for number in 0..40 {
            log.append(&format!("{number:07}\n")).unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
        assert_eq!(read_to_string(&path).unwrap(), "0000038\n0000039\n");
        assert_eq!(read_to_string(rotated(&path, 1)).unwrap(), "0000036\n0000037\n");
        assert_eq!(read_to_string(rotated(&path, 5)).unwrap(), "0000028\n0000029\n");
    }
}
