//! Reading one blob to its end: with the key every record, without it header and digest.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use trustbridge_tbenc::{Decrypt, Error, HEADER_BYTES, Header, Key, Sha256, check_size};

use super::{Asset, Blob, Source};
use crate::failure::Failure;
use crate::parallel::Stop;
use crate::progress::Progress;

/// What the blobs of one run share.
pub(crate) struct Run<'r> {
    pub(crate) progress: &'r Progress,
    pub(crate) stop: &'r Stop,
    /// Record buffers of each blob.
    pub(crate) buffers: usize,
}

impl Run<'_> {
    /// Counts, and says whether to go on.
    pub(crate) fn observe(&self, bytes: u64) -> ControlFlow<()> {
        self.progress.add(bytes);
        if self.stop.is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Opens every record of a blob into `writer` and compares both digests with the manifest.
pub(crate) fn open_into(
    asset: &Asset,
    blob: &Blob,
    key: &Key,
    writer: impl Write + Send,
    run: &Run<'_>,
) -> Result<(), Failure> {
    let derived = Asset::derived(key, blob);
    let stated = blob.plaintext_sha256.as_deref();
    judged(asset, blob, run, |source| {
        let decrypt = Decrypt {
            key: derived.as_ref().unwrap_or(key),
            expected: asset.expected(blob),
            plaintext_digest: stated.is_some(),
            buffers: run.buffers,
        };
        let opened = decrypt.run(source, writer, |bytes| run.observe(bytes))?;
        match (opened.plaintext_sha256, stated) {
            (Some(actual), Some(stated)) => same("plaintext_sha256", actual, stated),
            _ => Ok(()),
        }
    })
}

/// Checks what can be checked without a key, in one pass.
pub(crate) fn digest(asset: &Asset, blob: &Blob, run: &Run<'_>) -> Result<(), Failure> {
    judged(asset, blob, run, |source| {
        let actual = sha256(source, asset.manifest.chunk_bytes, run)?;
        same("sha256_ciphertext", actual, &blob.sha256_ciphertext)
    })
}

/// Does the work on a blob of the right length. An error names the blob, and where the bytes are those of
/// another file of the asset, that one too.
fn judged(
    asset: &Asset,
    blob: &Blob,
    run: &Run<'_>,
    work: impl FnOnce(&mut Kept) -> Result<(), Error>,
) -> Result<(), Failure> {
    let source = asset.source(blob)?;
    let (name, bytes) = (source.name.clone(), source.bytes);
    let mut kept = Kept::new(source);
    let result =
        check_size(bytes, blob.plaintext_bytes, asset.manifest.chunk_bytes).and_then(|()| work(&mut kept));
    let Err(error) = result else { return Ok(()) };
    if let Some(failure) = kept.failure {
        return Err(failure);
    }
    let another = if may_be_another(&error) {
        other_file(asset, blob, bytes, run)?
    } else {
        None
    };
    Err(match another {
        Some(other) => Failure::data(format!(
            "{name}: [DIGEST] holds the ciphertext of {other}, not of {}: the two were swapped, or one was copied over \
             the other; put each one in its place",
            blob.path.as_deref().unwrap_or(&blob.name)
        )),
        None => Failure::format(name, &error),
    })
}

/// Whether this error could come from a sound file in the wrong place. Each file has its own key, so that such
/// a one fails at its first record.
fn may_be_another(error: &Error) -> bool {
    matches!(
        error,
        Error::Size { .. } | Error::Digest { .. } | Error::Auth { index: 0 }
    )
}

/// The file of the asset whose ciphertext a blob holds instead of its own.
fn other_file(asset: &Asset, blob: &Blob, bytes: u64, run: &Run<'_>) -> Result<Option<String>, Failure> {
    let chunk_bytes = asset.manifest.chunk_bytes;
    let mut others = asset.blobs();
    others.retain(|other| {
        other.name != blob.name && check_size(bytes, other.plaintext_bytes, chunk_bytes).is_ok()
    });
    if others.is_empty() {
        return Ok(None);
    }
    let mut source = Kept::new(asset.source(blob)?);
    let actual = match sha256(&mut source, chunk_bytes, run) {
        Ok(actual) => actual,
        // The sibling that ended this one knows its own cause, and that one is reported.
        Err(Error::Interrupted) => return Err(Failure::interrupted()),
        // No tbenc file at all, or it cannot be read again: the first error says more.
        Err(_) => return Ok(None),
    };
    let found = others.into_iter().find(|other| other.sha256_ciphertext == actual);
    Ok(found.map(|other| other.path.unwrap_or(other.name)))
}

fn sha256(source: &mut Kept, chunk_bytes: u32, run: &Run<'_>) -> Result<String, Error> {
    let failed = |e: &io::Error| Error::Io {
        doing: "reading",
        kind: e.kind(),
        message: e.to_string(),
    };
    let mut head = [0; HEADER_BYTES];
    source.read_exact(&mut head).map_err(|e| failed(&e))?;
    Header::parse(&head)?.expect_chunk_bytes(chunk_bytes)?;
    let mut sha256 = Sha256::new();
    sha256.update(&head);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(sha256.finish_hex()),
            Ok(read) => {
                sha256.update(buffer.get(..read).unwrap_or_default());
                if run.observe(read as u64).is_break() {
                    return Err(Error::Interrupted);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(&e)),
        }
    }
}

/// Compares a digest with the manifest's.
fn same(what: &'static str, actual: String, expected: &str) -> Result<(), Error> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::Digest {
        what,
        actual,
        expected: expected.to_owned(),
    })
}

/// A reader that keeps the failure inside its error: a store that is not there must not end as a local file that
/// could not be read.
struct Kept {
    reader: Box<dyn Read + Send>,
    failure: Option<Failure>,
}

impl Kept {
    fn new(source: Source) -> Self {
        Self {
            reader: source.reader,
            failure: None,
        }
    }
}

impl Read for Kept {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.reader.read(out).map_err(|error| {
            let kind = error.kind();
            match error.downcast::<Failure>() {
                Ok(failure) => {
                    let text = failure.to_string();
                    self.failure = Some(failure);
                    io::Error::new(kind, text)
                }
                Err(error) => error,
            }
        })
    }
}
