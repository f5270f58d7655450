//! The file of the audit log: appended to, rotated by size, never rewritten.
//!
//! A full file becomes `<path>.1`, the one before it `<path>.2`, and so on; the oldest goes. The chain runs
//! through all of them: the first line of a file is a checkpoint that names the last line of the file before.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use trustbridge_domain::audit::{Head, MAX_LINE_BYTES, Reason, torn_sha256};

/// A file's size, and how many there are with the newest: together less than the 256 MiB of the pod's volume,
/// or the kubelet would evict the pod.
const FILE_BYTES: u64 = 32 << 20;
const FILES: u32 = 6;
/// How much of an existing file is searched for its last line.
const TAIL_BYTES: u64 = MAX_LINE_BYTES as u64;

/// What an earlier start left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The last whole line.
    pub(super) head: Option<Head>,
    /// Digest of what lies behind it: lines that a crash cut off.
    pub(super) torn_sha256: Option<String>,
    /// The chain comes from the file before; this one has no whole line yet.
    is_new_file: bool,
}

impl Found {
    /// What the first checkpoint of this start is.
    pub(super) fn reason(&self) -> Reason {
        if self.is_new_file {
            Reason::File
        } else {
            Reason::Start
        }
    }
}

/// See the module.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Where the next line goes.
    bytes: u64,
    limit: u64,
    /// What lies before that place has no line's end yet.
    lacks_end: bool,
    /// A piece of a line that was not written whole lies there still.
    has_piece: bool,
    /// Files that were rotated away since the last sync.
    full: Vec<File>,
}

impl Log {
    /// Opens the log and finds its last whole line. Lines that are torn (the machine died while writing) are ended
    /// before the next and left in place; the next start's checkpoint answers for them.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Found)> {
        Self::open_with(path, FILE_BYTES)
    }

    pub(super) fn open_with(path: &Path, limit: u64) -> io::Result<(Self, Found)> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let tail = tail_of(&mut file, bytes)?;
        let found = found(path, &tail, bytes)?;
        let log = Self {
            path: path.to_owned(),
            file,
            bytes,
            limit,
            lacks_end: tail.last().is_some_and(|byte| *byte != b'\n'),
            has_piece: false,
            full: Vec::new(),
        };
        Ok((log, found))
    }

    /// Appends one line, `\n` at its end. After an error nothing of the line is part of the log.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.has_piece {
            self.file.set_len(self.bytes)?;
            self.has_piece = false;
        }
        let ended;
        let line = if self.lacks_end {
            ended = format!("\n{line}");
            &ended
        } else {
            line
        };
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Where even that fails, the next line tries again before it is written.
            self.has_piece = self.file.set_len(self.bytes).is_err();
            return Err(error);
        }
        self.bytes += line.len() as u64;
        self.lacks_end = false;
        Ok(())
    }

    /// The files to sync so that everything that was appended is on the disk.
    pub(super) fn take_unsynced(&mut self) -> io::Result<Vec<File>> {
        let file = self.file.try_clone()?;
        let mut files = std::mem::take(&mut self.full);
        files.push(file);
        Ok(files)
    }

    /// Whether the next line belongs into a new file.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.limit
    }

    /// Puts this file behind the others and begins an empty one.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.rotate_with(append_to)
    }

    fn rotate_with(&mut self, open: impl FnOnce(&Path) -> io::Result<File>) -> io::Result<()> {
        // Only as far as the first free name: a rotation that failed half-way costs no second file.
        let free = (1..FILES)
            .find(|number| !rotated(&self.path, *number).exists())
            .unwrap_or(FILES - 1);
        for number in (1..free).rev() {
            std::fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1))?;
        }
        std::fs::rename(&self.path, rotated(&self.path, 1))?;
        let file = match open(&self.path) {
            Ok(file) => file,
            Err(error) => {
                // The next lines go on in the same file, and the next rotation looks for it under its name.
                std::fs::rename(rotated(&self.path, 1), &self.path)?;
                return Err(error);
            }
        };
        self.full.push(std::mem::replace(&mut self.file, file));
        self.bytes = 0;
        self.lacks_end = false;
        Ok(())
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

/// What the end of a file of so many bytes tells; where it has no whole line, what the file before it tells.
fn found(path: &Path, tail: &[u8], bytes: u64) -> io::Result<Found> {
    let (head, behind) = last_line(tail);
    if head.is_none() && bytes > TAIL_BYTES {
        let text = format!(
            "no whole record in the last {TAIL_BYTES} bytes; move the file away so that a new log can begin"
        );
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    let mut found = Found {
        head,
        ..Found::default()
    };
    let mut torn = ended(behind);
    if found.head.is_none()
        && let Some(tail) = tail_before(path)?
        && let (Some(head), behind) = last_line(&tail)
    {
        // The end came between a rotation and the first whole line after it.
        found.head = Some(head);
        found.is_new_file = true;
        torn = [ended(behind), torn].concat();
    }
    found.torn_sha256 = (!torn.is_empty()).then(|| torn_sha256(&torn));
    Ok(found)
}

/// The end of the file that was full last.
fn tail_before(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match File::open(rotated(path, 1)) {
        Ok(mut before) => {
            let bytes = before.metadata()?.len();
            tail_of(&mut before, bytes).map(Some)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pieces of lines as a reader takes them: the last one has its end too.
fn ended(pieces: &[u8]) -> Vec<u8> {
    let end: &[u8] = if pieces.is_empty() || pieces.ends_with(b"\n") {
        b""
    } else {
        b"\n"
    };
    [pieces, end].concat()
}

/// The last whole line, and what lies behind it.
fn last_line(tail: &[u8]) -> (Option<Head>, &[u8]) {
    let mut end = tail.len();
    loop {
        let before = tail.get(..end).unwrap_or_default();
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |place| place + 1);
        if let Some(head) = Head::of_line(before.get(start..).unwrap_or_default()) {
            let behind = tail.get(end..).unwrap_or_default();
            return (Some(head), behind.strip_prefix(b"\n").unwrap_or(behind));
        }
        if start == 0 {
            return (None, tail);
        }
        end = start - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, rotated};
    use std::fs::{File, read_to_string};
    use std::io::ErrorKind;

    #[test]
    fn a_line_after_a_failed_write_begins_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut log = Log::open(&path).unwrap().0;
        log.append("one\n").unwrap();
        // A file that is open for reading only takes no write, and cannot be cut either.
        let good = std::mem::replace(&mut log.file, File::open(&path).unwrap());
        log.append("two\n").unwrap_err();
        assert!(log.has_piece);
        log.append("two\n").unwrap_err();
        log.file = good;
        // What a full volume took of a line.
        std::io::Write::write_all(&mut log.file, b"tw").unwrap();
        log.append("three\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "one\nthree\n");
    }

    #[test]
    fn a_rotation_that_failed_half_way_is_done_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut log = Log::open_with(&path, 4).unwrap().0;
        log.append("one\n").unwrap();
        log.rotate_with(|_| Err(ErrorKind::QuotaExceeded.into()))
            .unwrap_err();
        log.append("two\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "one\ntwo\n");
        log.rotate().unwrap();
        log.append("three\n").unwrap();
        assert_eq!(read_to_string(rotated(&path, 1)).unwrap(), "one\ntwo\n");
        assert_eq!(read_to_string(&path).unwrap(), "three\n");
        assert_eq!(log.take_unsynced().unwrap().len(), 2);
        assert_eq!(log.take_unsynced().unwrap().len(), 1);
    }

    #[test]
    fn there_are_never_more_files_than_fit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut log = Log::open_with(&path, 16).unwrap().0;
        for number in 0..40 {
            if log.is_full() {
                log.rotate().unwrap();
            }
            log.append(&format!("{number:07}\n")).unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
        assert_eq!(read_to_string(&path).unwrap(), "0000038\n0000039\n");
        assert_eq!(read_to_string(rotated(&path, 1)).unwrap(), "0000036\n0000037\n");
        assert_eq!(read_to_string(rotated(&path, 5)).unwrap(), "0000028\n0000029\n");
    }
}
