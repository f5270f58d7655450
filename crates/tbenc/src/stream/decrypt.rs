//! The file that a manifest describes becomes its plaintext.

use std::io::{Read, Write};
use std::ops::ControlFlow;

use super::Output;
use super::drive::Stages;
use super::record::{Record, at_end, read_array};
use crate::budget::{Budget, MAX_BUFFERS};
use crate::error::{Error, Place};
use crate::header::{HEADER_BYTES, Header};
use crate::key::Key;
use crate::layout::{next_chunk_bytes, next_record_bytes};
use crate::open::Opener;
use crate::sha256::Sha256;

/// What the manifest says about the file that is to be decrypted.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Plaintext length.
    pub plaintext_bytes: u64,
    /// Chunk size.
    pub chunk_bytes: u32,
    /// SHA-256 of the ciphertext, lowercase hexadecimal.
    pub sha256_ciphertext: &'a str,
}

/// What one decryption released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Plaintext bytes written.
    pub plaintext_bytes: u64,
    /// SHA-256 of the plaintext, lowercase hexadecimal, where it was asked for.
    pub plaintext_sha256: Option<String>,
}

/// One decryption.
///
/// A file of two chunks or more is worked on by three threads, where [`Self::buffers`] allows: the caller's reads
/// and hashes the ciphertext, the second opens and hashes the plaintext, the third writes. Memory is `buffers`
/// records of the length that the manifest gives, made when they are needed and wiped in the end.
pub struct Decrypt<'a> {
    /// The key.
    pub key: &'a Key,
    /// What the manifest says.
    pub expected: Expected<'a>,
    /// Whether the plaintext's SHA-256 is computed: for a manifest that states it, or a report that does.
    pub plaintext_digest: bool,
    /// Record buffers, 1 to [`MAX_BUFFERS`]; 1 keeps everything on the caller's thread. See [`Budget`].
    pub buffers: usize,
}

impl<'a> Decrypt<'a> {
    /// With the plaintext's digest, and the buffers of a file that has the machine for itself.
    #[must_use]
    pub fn new(key: &'a Key, expected: Expected<'a>) -> Self {
        Self {
            key,
            expected,
            plaintext_digest: true,
            buffers: Budget::here(expected.chunk_bytes, 1).buffers,
        }
    }

    /// Decrypts exactly the expected file from `reader`.
    ///
    /// Chunks are written as they verify; the last one only after the end, the length and the ciphertext's
    /// digest stand. `observe` is called after each chunk was written, with its bytes, from whatever thread
    /// writes; when it says [`ControlFlow::Break`] the run ends with [`Error::Interrupted`]. A reader or writer
    /// that waits is not interrupted by that.
    ///
    /// # Errors
    /// That of the earliest record. What was written before is a true beginning of the plaintext, without its
    /// last chunk: a writer that gets less than all must throw away what it got.
    pub fn run(
        self,
        mut reader: impl Read,
        writer: impl Write + Send,
        observe: impl FnMut(u64) -> ControlFlow<()> + Send,
    ) -> Result<Opened, Error> {
        let expected = self.expected;
        let bytes: [u8; HEADER_BYTES] = read_array(&mut reader, Place::Header)?;
        let header = Header::parse(&bytes)?;
        header.expect_chunk_bytes(expected.chunk_bytes)?;
        let mut target = Target {
            opener: Opener::new(self.key, header, expected.plaintext_bytes)?,
            sha256: self.plaintext_digest.then(Sha256::new),
        };
        let mut sha256 = Sha256::new();
        sha256.update(&bytes);
        let mut source = Source {
            reader,
            sha256,
            expected,
            remaining: expected.plaintext_bytes,
            next_index: 0,
        };
        let mut output = Output {
            writer,
            observe,
            doing: "writing the plaintext",
        };
        self.records(&mut source, &mut target, &mut output)?;
        output.flush()?;
        Ok(Opened {
            plaintext_bytes: expected.plaintext_bytes,
            plaintext_sha256: target.sha256.map(Sha256::finish_hex),
        })
    }

    fn records<W: Write + Send, O: FnMut(u64) -> ControlFlow<()> + Send>(
        &self,
        source: &mut Source<'_, impl Read>,
        target: &mut Target,
        output: &mut Output<W, O>,
    ) -> Result<(), Error> {
        let Expected {
            plaintext_bytes,
            chunk_bytes,
            ..
        } = self.expected;
        // The largest record is the first one; a small file needs no room for a whole chunk.
        let room = next_chunk_bytes(plaintext_bytes, chunk_bytes);
        let Some(first) = source.next(Record::with_room_for(room))? else {
            target.opener.finish()?;
            return source.check_end();
        };
        let small = plaintext_bytes < 2 * u64::from(chunk_bytes);
        let buffers = if small { 1 } else { self.buffers.min(MAX_BUFFERS) };
        let stages = Stages {
            produce: |record| source.next(record),
            work: |ciphertext| target.open(ciphertext),
            consume: |record: &Record| output.put(record.text(), record.text().len()),
        };
        stages.run(first, room, buffers)
    }
}

/// A record as it was read.
struct Ciphertext {
    record: Record,
    /// With the last record: whether the file ends behind it and its digest is the stated one.
    end: Option<Result<(), Error>>,
}

/// The ciphertext, in records of the lengths that the manifest's numbers give: no length field is believed.
struct Source<'a, R> {
    reader: R,
    sha256: Sha256,
    expected: Expected<'a>,
    remaining: u64,
    next_index: u64,
}

impl<R: Read> Source<'_, R> {
    fn next(&mut self, mut record: Record) -> Result<Option<Ciphertext>, Error> {
        let chunk_bytes = self.expected.chunk_bytes;
        let length = next_record_bytes(self.remaining, chunk_bytes);
        if length == 0 {
            return Ok(None);
        }
        record.read_whole(&mut self.reader, length, self.next_index)?;
        self.sha256.update(record.whole());
        let text = next_chunk_bytes(self.remaining, chunk_bytes);
        self.remaining = self.remaining.saturating_sub(u64::from(text));
        self.next_index = self.next_index.saturating_add(1);
        let end = (self.remaining == 0).then(|| self.check_end());
        Ok(Some(Ciphertext { record, end }))
    }

    fn check_end(&mut self) -> Result<(), Error> {
        if !at_end(&mut self.reader)? {
            return Err(Error::Trailing { place: Place::End });
        }
        let actual = std::mem::take(&mut self.sha256).finish_hex();
        if actual == self.expected.sha256_ciphertext {
            return Ok(());
        }
        Err(Error::Digest {
            what: "sha256_ciphertext",
            actual,
            expected: self.expected.sha256_ciphertext.to_owned(),
        })
    }
}

/// The plaintext.
struct Target {
    opener: Opener,
    sha256: Option<Sha256>,
}

impl Target {
    /// Opens a record. The last one is given only when the end of the file stands.
    fn open(&mut self, ciphertext: Ciphertext) -> Result<Record, Error> {
        let Ciphertext { mut record, end } = ciphertext;
        record.open(&mut self.opener)?;
        if let Some(end) = end {
            self.opener.finish()?;
            end?;
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(record.text());
        }
        Ok(record)
    }
}
