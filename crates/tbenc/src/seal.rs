//! Writing: plaintext chunks become records.

use crate::cipher::RecordCipher;
use crate::error::Error;
use crate::header::Header;
use crate::key::Key;
use crate::layout::PT_LEN_BYTES;

/// Seals the chunks of one file in order.
///
/// A key and a nonce prefix may encrypt one content only: make a new [`Key`] and a new
/// [`Header::generate`] for each run, and never resume or rewrite a file.
pub struct Sealer {
    cipher: RecordCipher,
    chunk_bytes: u32,
    next_index: u64,
    ended: bool,
}

impl Sealer {
    /// A writer at the file's beginning. Write [`Header::encode`] first.
    pub fn new(key: &Key, header: Header) -> Result<Self, Error> {
        let cipher = RecordCipher::new(key, header)?;
        Ok(Self {
            cipher,
            chunk_bytes: header.chunk_bytes,
            next_index: 0,
            ended: false,
        })
    }

    /// Appends the record of the next chunk to `out`. A chunk shorter than `chunk_bytes` is the last one.
    pub fn seal_chunk(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.reserve(plaintext.len() + crate::layout::RECORD_OVERHEAD);
        out.extend_from_slice(&[0; PT_LEN_BYTES]);
        out.extend_from_slice(plaintext);
        let sealed = self.seal_tail(start, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Seals a record whose plaintext already stands in `record` behind four free bytes: no copy.
    pub fn seal_in_place(&mut self, record: &mut Vec<u8>) -> Result<(), Error> {
        self.seal_tail(0, record)
    }

    fn seal_tail(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let index = self.next_index;
        let tail = out.get_mut(start..).unwrap_or_default();
        let Some((length, text)) = tail.split_first_chunk_mut::<PT_LEN_BYTES>() else {
            return Err(Error::Usage {
                index,
                rule: "a record needs four bytes for its length",
            });
        };
        let pt_len = self.admit(index, text.len())?;
        *length = pt_len.to_be_bytes();
        // From here on the nonce is spent, whatever happens.
        self.ended = true;
        let tag = self
            .cipher
            .seal(index, text)
            .map_err(|_| Error::Cipher { what: "a chunk" })?;
        out.extend_from_slice(&tag);
        self.ended = pt_len < self.chunk_bytes;
        self.next_index = index.saturating_add(1);
        Ok(())
    }

    fn admit(&self, index: u64, bytes: usize) -> Result<u32, Error> {
        let refused = |rule| Err(Error::Usage { index, rule });
        if self.ended || index == u64::MAX {
            return refused("the last chunk was sealed already");
        }
        match u32::try_from(bytes) {
            Ok(0) => refused("a chunk must hold at least one byte; an empty file is a header alone"),
            Ok(pt_len) if pt_len <= self.chunk_bytes => Ok(pt_len),
            _ => refused("a chunk must not be longer than chunk_bytes"),
        }
    }
}
