//! A plaintext of unknown length becomes a tbenc file.

use std::io::{Read, Write};
use std::ops::ControlFlow;

use super::Output;
use super::drive::Stages;
use super::record::Record;
use crate::budget::{Budget, MAX_BUFFERS};
use crate::error::Error;
use crate::header::Header;
use crate::key::Key;
use crate::layout::ciphertext_bytes;
use crate::seal::Sealer;
use crate::sha256::Sha256;

/// What one encryption made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Plaintext bytes read.
    pub plaintext_bytes: u64,
    /// SHA-256 of the plaintext, lowercase hexadecimal, where it was asked for.
    pub plaintext_sha256: Option<String>,
    /// Ciphertext bytes written.
    pub ciphertext_bytes: u64,
    /// SHA-256 of the ciphertext, lowercase hexadecimal.
    pub sha256_ciphertext: String,
}

/// One encryption.
///
/// A file of two chunks or more is worked on by three threads, where [`Self::buffers`] allows: the caller's reads,
/// hashes the plaintext and seals, the second hashes the ciphertext, the third writes. What leaves the first
/// is ciphertext. Memory is `buffers` records, whatever the file's length; they are made when they are needed
/// and wiped in the end.
pub struct Encrypt<'k> {
    /// The key, which must be new.
    pub key: &'k Key,
    /// Plaintext bytes of a record, 1 byte to 64 MiB.
    pub chunk_bytes: u32,
    /// Whether the plaintext's SHA-256 is computed: it doubles the work, and not everybody publishes the hash of
    /// weights that are secret.
    pub plaintext_digest: bool,
    /// Record buffers, 1 to [`MAX_BUFFERS`]; 1 keeps everything on the caller's thread. See [`Budget`].
    pub buffers: usize,
}

impl<'k> Encrypt<'k> {
    /// With the plaintext's digest, and the buffers of a file that has the machine for itself.
    #[must_use]
    pub fn new(key: &'k Key, chunk_bytes: u32) -> Self {
        Self {
            key,
            chunk_bytes,
            plaintext_digest: true,
            buffers: Budget::here(chunk_bytes, 1).buffers,
        }
    }

    /// Encrypts everything that `reader` gives. The nonce prefix is made here.
    ///
    /// `observe` is called after each record was written, with its plaintext bytes, from whatever thread
    /// writes; when it says [`ControlFlow::Break`] the run ends with [`Error::Interrupted`]. A reader or writer
    /// that waits is not interrupted by that.
    ///
    /// # Errors
    /// That of the earliest record. What was written before is the file's true beginning, and useless: throw
    /// it away, and never go on under the same key.
    pub fn run(
        self,
        reader: impl Read,
        writer: impl Write + Send,
        observe: impl FnMut(u64) -> ControlFlow<()> + Send,
    ) -> Result<Sealed, Error> {
        let header = Header::generate(self.chunk_bytes)?;
        let mut source = Source {
            reader,
            sealer: Sealer::new(self.key, header)?,
            sha256: self.plaintext_digest.then(Sha256::new),
            plaintext_bytes: 0,
            ended: false,
        };
        let mut sha256 = Sha256::new();
        let mut output = Output {
            writer,
            observe,
            doing: "writing the ciphertext",
        };
        let encoded = header.encode();
        sha256.update(&encoded);
        output.write(&encoded)?;
        self.records(&mut source, &mut sha256, &mut output)?;
        output.flush()?;
        Ok(Sealed {
            plaintext_bytes: source.plaintext_bytes,
            plaintext_sha256: source.sha256.map(Sha256::finish_hex),
            ciphertext_bytes: ciphertext_bytes(source.plaintext_bytes, self.chunk_bytes),
            sha256_ciphertext: sha256.finish_hex(),
        })
    }

    /// The first record goes out before the second is read. Threads are started when a second full chunk is
    /// there: only then is there something to overlap.
    fn records<W: Write + Send, O: FnMut(u64) -> ControlFlow<()> + Send>(
        &self,
        source: &mut Source<impl Read>,
        sha256: &mut Sha256,
        output: &mut Output<W, O>,
    ) -> Result<(), Error> {
        let Some(first) = source.next(Record::with_room_for(self.chunk_bytes))? else {
            return Ok(());
        };
        sha256.update(first.whole());
        output.put(first.whole(), first.text().len())?;
        let Some(second) = source.next(first)? else {
            return Ok(());
        };
        let buffers = if source.ended {
            1
        } else {
            self.buffers.min(MAX_BUFFERS)
        };
        let stages = Stages {
            produce: |record| source.next(record),
            work: |record: Record| {
                sha256.update(record.whole());
                Ok(record)
            },
            consume: |record: &Record| output.put(record.whole(), record.text().len()),
        };
        stages.run(second, self.chunk_bytes, buffers)
    }
}

/// The plaintext, which leaves this sealed.
struct Source<R> {
    reader: R,
    sealer: Sealer,
    sha256: Option<Sha256>,
    plaintext_bytes: u64,
    /// A chunk was short: the reader is at its end and is not asked again.
    ended: bool,
}

impl<R: Read> Source<R> {
    fn next(&mut self, mut record: Record) -> Result<Option<Record>, Error> {
        if self.ended {
            return Ok(None);
        }
        let read = record.read_text(&mut self.reader)?;
        self.ended = read < record.room();
        if read == 0 {
            return Ok(None);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(record.text());
        }
        record.seal(&mut self.sealer)?;
        self.plaintext_bytes = self.plaintext_bytes.saturating_add(read as u64);
        Ok(Some(record))
    }
}
