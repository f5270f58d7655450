//! Where one file's ciphertext lands: preallocated, written at offsets, hashed in order.
//!
//! Beside the file lies a journal of complete ranges, so that another start goes on where this one ended. The
//! journal decides nothing but what is fetched: the digest is computed over what was written, or over what the
//! disk holds where an earlier start wrote it. Whoever reads the disk, along with the landing or later, checks every
//! record's tag.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nix::fcntl::{FallocateFlags, fallocate};
use trustbridge_tbenc::Sha256;

use super::progress::Progress;
use super::ranges::Plan;
use super::transfer::Blob;
use super::{AssetFile, Error, volume};

/// Bytes that are hashed at once.
const HASH_BYTES: usize = 1 << 20;
/// Bytes after which hashing lets itself be interrupted.
const HASH_TURN_BYTES: u64 = 64 << 20;

struct Digest {
    sha256: Sha256,
    upto: u64,
}

/// See the module.
pub(super) struct Landing {
    name: String,
    path: PathBuf,
    blob: Blob,
    expected: String,
    resumed: BTreeSet<u64>,
    range_bytes: u64,
    file: Arc<File>,
    journal: Arc<Mutex<File>>,
    digest: Arc<Mutex<Option<Digest>>>,
    progress: Progress,
}

impl Landing {
    /// Takes up what an earlier start left, if it was the same blob in the same ranges; else begins anew.
    pub(super) async fn open(
        file: &AssetFile,
        blob: Blob,
        range_bytes: u64,
        progress: Progress,
    ) -> Result<Self, Error> {
        let (path, size) = (file.local.clone(), blob.bytes);
        let head = format!("{} {size} {range_bytes} {}", file.sha256_ciphertext, blob.etag);
        let opened = blocking(&path, move |path| prepare(path, size, &head)).await?;
        let (data, journal, resumed) = opened;
        Ok(Self {
            name: file.shown().to_owned(),
            path: file.local.clone(),
            blob,
            expected: file.sha256_ciphertext.clone(),
            resumed,
            range_bytes,
            file: Arc::new(data),
            journal: Arc::new(Mutex::new(journal)),
            digest: Arc::new(Mutex::new(Some(Digest {
                sha256: Sha256::new(),
                upto: 0,
            }))),
            progress,
        })
    }

    /// What is left to fetch; `first` comes before the files that are not.
    pub(super) fn plan(&self, first: bool) -> Plan {
        Plan {
            bytes: self.blob.bytes,
            done: self.resumed.clone(),
            first,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.blob.bytes
    }

    pub(super) fn etag(&self) -> &str {
        &self.blob.etag
    }

    /// Bytes that an earlier start fetched.
    pub(super) fn landed_bytes(&self) -> u64 {
        let of = |index: &u64| {
            let start = index.saturating_mul(self.range_bytes);
            self.blob.bytes.saturating_sub(start).min(self.range_bytes)
        };
        self.resumed.iter().map(of).sum()
    }

    /// Writes pieces one after the other from an offset on. Bytes that come next in order are hashed while they are at
    /// hand; the others are read again when their turn comes.
    pub(super) async fn write(&self, from: u64, pieces: Vec<Bytes>) -> Result<(), Error> {
        let (file, digest) = (self.file.clone(), self.digest.clone());
        blocking(&self.path, move |_| {
            let mut at = from;
            for piece in pieces {
                file.write_all_at(&piece, at)?;
                // Locked means that what comes before is being hashed.
                if let Ok(mut digest) = digest.try_lock()
                    && let Some(digest) = digest.as_mut().filter(|digest| digest.upto == at)
                {
                    digest.pass(&piece);
                }
                at += piece.len() as u64;
            }
            Ok(())
        })
        .await
    }

    /// Notes a complete range in the journal.
    pub(super) async fn note(&self, index: u64) -> Result<(), Error> {
        let journal = self.journal.clone();
        blocking(&self.path, move |_| {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.write_all(format!("{index}\n").as_bytes())
        })
        .await
    }

    /// Tells that the file has landed so far from its beginning.
    pub(super) fn landed(&self, frontier: u64) {
        self.progress.landed(frontier);
    }

    /// Hashes after the landing, beside the workers, until the whole file is judged. Nobody waits for it but those
    /// who want the verdict.
    pub(super) async fn verify(&self) -> Result<(), Error> {
        let mut hashed = 0;
        while hashed < self.blob.bytes {
            let frontier = self.progress.beyond(hashed).await;
            let upto = frontier.min(hashed.saturating_add(HASH_TURN_BYTES));
            hashed = self.hash_to(upto).await?;
        }
        self.finish().await
    }

    /// Hashes on, up to `frontier`; how far the digest is.
    async fn hash_to(&self, frontier: u64) -> Result<u64, Error> {
        let (file, digest) = (self.file.clone(), self.digest.clone());
        blocking(&self.path, move |_| {
            let mut digest = digest.lock().unwrap_or_else(PoisonError::into_inner);
            digest
                .as_mut()
                .map_or(Ok(frontier), |digest| digest.go_on(&file, frontier))
        })
        .await
    }

    /// States that the file is complete and right, and makes it durable. A wrong one is thrown away; if a part
    /// of it was from an earlier start, that part may be to blame, and another attempt makes sense.
    async fn finish(&self) -> Result<(), Error> {
        let digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let complete = digest.filter(|digest| digest.upto == self.blob.bytes);
        let Some(digest) = complete else {
            return Err(Error::Integrity(format!(
                "{}: the file is not complete",
                self.name
            )));
        };
        let actual = digest.sha256.finish_hex();
        if actual == self.expected {
            self.progress.verified();
            let file = self.file.clone();
            return blocking(&self.path, move |_| file.sync_all()).await;
        }
        blocking(&self.path, |path| {
            std::fs::remove_file(journal_of(path))?;
            std::fs::remove_file(path)
        })
        .await?;
        if self.resumed.is_empty() {
            return Err(Error::Integrity(format!(
                "{}: SHA-256 of the ciphertext is {actual}, the manifest says {}; the blob was altered, upload it again",
                self.name, self.expected
            )));
        }
        Err(Error::Changed(format!(
            "{}: what an earlier start had fetched is damaged",
            self.name
        )))
    }
}

impl Digest {
    fn go_on(&mut self, file: &File, frontier: u64) -> io::Result<u64> {
        if self.upto >= frontier {
            return Ok(self.upto);
        }
        let mut buffer = vec![0; HASH_BYTES];
        while self.upto < frontier {
            let wanted = usize::try_from(frontier - self.upto)
                .unwrap_or(HASH_BYTES)
                .min(HASH_BYTES);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(piece, self.upto)?;
            self.pass(piece);
        }
        Ok(self.upto)
    }

    fn pass(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.upto += piece.len() as u64;
    }
}

type Prepared = (File, File, BTreeSet<u64>);

fn prepare(path: &Path, size: u64, head: &str) -> io::Result<Prepared> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let journal_path = journal_of(path);
    let resumed = std::fs::read_to_string(&journal_path)
        .ok()
        .and_then(|text| resume(&text, head));
    let complete_size = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == size);
    let private =
        |options: &mut OpenOptions, path: &Path| options.read(true).create(true).mode(0o600).open(path);
    if let Some((resumed, whole)) = resumed.filter(|_| complete_size) {
        let data = private(OpenOptions::new().write(true), path)?;
        let journal = private(OpenOptions::new().append(true), &journal_path)?;
        // The next entry must not grow out of a torn one.
        journal.set_len(whole)?;
        return Ok((data, journal, resumed));
    }
    // New files, not the old ones cut: a write of the transfer that was given up may still be under way.
    for old in [&journal_path, path] {
        match std::fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let data = private(OpenOptions::new().write(true), path)?;
    // Blocks are taken now: a volume that is too small shows before the transfer, not after an hour of it.
    let length = i64::try_from(size).map_err(io::Error::other)?;
    match fallocate(&data, FallocateFlags::empty(), 0, length) {
        Err(nix::Error::EOPNOTSUPP) => data.set_len(size)?,
        other => other?,
    }
    let mut journal = private(OpenOptions::new().append(true), &journal_path)?;
    journal.write_all(format!("{head}\n").as_bytes())?;
    Ok((data, journal, BTreeSet::new()))
}

/// The complete ranges, and how long the journal is without a torn last line, if it is of this very blob. A wrong
/// entry costs a repetition, because the digest is judged in the end.
fn resume(text: &str, head: &str) -> Option<(BTreeSet<u64>, u64)> {
    let whole = text.rfind('\n')? + 1;
    let (first, rest) = text.get(..whole)?.split_once('\n')?;
    let ranges = || rest.lines().filter_map(|line| line.parse().ok()).collect();
    (first == head).then(|| (ranges(), whole as u64))
}

fn journal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ranges");
    PathBuf::from(name)
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let owned = path.to_owned();
    match tokio::task::spawn_blocking(move || work(&owned)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(volume(path, &error)),
        Err(error) => Err(Error::GaveUp(format!("{}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::{journal_of, resume};
    use std::path::Path;

    #[test]
    fn a_journal_counts_for_its_own_blob_only() {
        let text = "abc 30 10 \"e1\"\n0\n2\n1\n";
        let (ranges, whole) = resume(text, "abc 30 10 \"e1\"").unwrap();
        assert_eq!(ranges.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(whole, text.len() as u64);
        assert_eq!(resume(text, "abc 30 10 \"e2\""), None);
        assert_eq!(resume("", "abc"), None);
        assert_eq!(resume("abc\nx\n-1\n", "abc").unwrap().0.len(), 0);
    }

    #[test]
    fn a_torn_entry_is_no_entry() {
        let (ranges, whole) = resume("abc\n7\n12", "abc").unwrap();
        assert_eq!((ranges.into_iter().collect::<Vec<_>>(), whole), (vec![7], 6));
    }

    #[test]
    fn the_journal_lies_beside_the_file() {
        assert_eq!(
            journal_of(Path::new("/t/model.tbenc")),
            Path::new("/t/model.tbenc.ranges")
        );
    }
}
