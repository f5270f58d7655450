//! Writing: plaintext chunks become records.

use zeroize::Zeroize;

use crate::cipher::RecordCipher;
use crate::error::Error;
use crate::header::Header;
use crate::key::Key;
use crate::layout::{PT_LEN_BYTES, RECORD_OVERHEAD, TAG_BYTES, check_plaintext_bytes};

/// Seals the chunks of one file in order.
///
/// A key and a nonce prefix may encrypt one content only: make a new [`Key`] and a new
/// [`Header::generate`] for each run, and never resume or rewrite a file.
pub struct Sealer {
    cipher: RecordCipher,
    chunk_bytes: u32,
    next_index: u64,
    sealed_bytes: u64,
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
            sealed_bytes: 0,
            ended: false,
        })
    }

    /// Appends the record of the next chunk to `out`. A chunk shorter than `chunk_bytes` is the last one.
    pub fn seal_chunk(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.reserve(plaintext.len().saturating_add(RECORD_OVERHEAD));
        out.extend_from_slice(&[0; PT_LEN_BYTES]);
        out.extend_from_slice(plaintext);
        let sealed = self.seal_tail(start, out);
        if sealed.is_err() {
            out.get_mut(start..).unwrap_or_default().zeroize();
            out.truncate(start);
        }
        sealed
    }

    /// Seals a record whose plaintext already stands in `record` behind four free bytes: no copy.
    pub fn seal_in_place(&mut self, record: &mut Vec<u8>) -> Result<(), Error> {
        self.seal_tail(0, record)
    }

    /// Seals a record whose plaintext already stands between four free bytes and sixteen: no copy, and the
    /// buffer keeps its length.
    pub fn seal_record(&mut self, record: &mut [u8]) -> Result<(), Error> {
        let Some((front, place)) = record.split_last_chunk_mut::<TAG_BYTES>() else {
            return Err(self.refused("a record needs sixteen bytes for its tag"));
        };
        *place = self.seal_front(front)?;
        Ok(())
    }

    /// The tag is appended after sealing: should the vector move, ciphertext is what it leaves behind.
    fn seal_tail(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let tag = self.seal_front(out.get_mut(start..).unwrap_or_default())?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn seal_front(&mut self, front: &mut [u8]) -> Result<[u8; TAG_BYTES], Error> {
        let Some((length, text)) = front.split_first_chunk_mut::<PT_LEN_BYTES>() else {
            return Err(self.refused("a record needs four bytes for its length"));
        };
        let pt_len = self.admit(text.len())?;
        *length = pt_len.to_be_bytes();
        // From here on the nonce is spent, whatever happens.
        self.ended = true;
        let tag = self
            .cipher
            .seal(self.next_index, text)
            .map_err(|_| Error::Cipher { what: "a chunk" })?;
        self.ended = pt_len < self.chunk_bytes;
        self.next_index = self.next_index.saturating_add(1);
        self.sealed_bytes = self.sealed_bytes.saturating_add(u64::from(pt_len));
        Ok(tag)
    }

    fn admit(&self, bytes: usize) -> Result<u32, Error> {
        if self.ended || self.next_index == u64::MAX {
            return Err(self.refused("the last chunk was sealed already"));
        }
        // No reader takes a longer file.
        check_plaintext_bytes(self.sealed_bytes.saturating_add(bytes as u64))?;
        match u32::try_from(bytes) {
            Ok(0) => {
                Err(self.refused("a chunk must hold at least one byte; an empty file is a header alone"))
            }
            Ok(pt_len) if pt_len <= self.chunk_bytes => Ok(pt_len),
            _ => Err(self.refused("a chunk must not be longer than chunk_bytes")),
        }
    }

    fn refused(&self, rule: &'static str) -> Error {
        Error::Usage {
            index: self.next_index,
            rule,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RECORD_OVERHEAD, Sealer};
    use crate::layout::MAX_PLAINTEXT_BYTES;
    use crate::{Class, Header, Key};

    const HEADER: Header = Header {
        chunk_bytes: 4,
        nonce_prefix: [1; 4],
    };

    fn sealer() -> Sealer {
        Sealer::new(&Key::from_hex(&"0f".repeat(32)).unwrap(), HEADER).unwrap()
    }

    #[test]
    fn all_three_ways_to_seal_write_the_same_record() {
        let (mut copied, mut grown, mut whole) = (
            Vec::new(),
            b"....abcd".to_vec(),
            b"....abcd................".to_vec(),
        );
        sealer().seal_chunk(b"abcd", &mut copied).unwrap();
        sealer().seal_in_place(&mut grown).unwrap();
        sealer().seal_record(&mut whole).unwrap();
        assert_eq!(copied, grown);
        assert_eq!(copied, whole);
    }

    #[test]
    fn a_record_without_room_is_refused() {
        for bytes in 0..=RECORD_OVERHEAD {
            let error = sealer().seal_record(&mut vec![0; bytes]).unwrap_err();
            assert_eq!(error.class(), Class::Usage, "{bytes} bytes");
        }
    }

    #[test]
    fn a_file_that_no_reader_takes_is_not_written() {
        let mut sealer = sealer();
        sealer.sealed_bytes = MAX_PLAINTEXT_BYTES - 4;
        sealer.seal_chunk(b"1234", &mut Vec::new()).unwrap();
        let error = sealer.seal_chunk(b"5", &mut Vec::new()).unwrap_err();
        assert_eq!(error.class(), Class::Limit);
    }
}
