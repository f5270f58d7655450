//! Reading: the strict state machine over records.

use zeroize::Zeroize;

use crate::cipher::RecordCipher;
use crate::error::{Error, Place};
use crate::header::Header;
use crate::key::Key;
use crate::layout::{PT_LEN_BYTES, TAG_BYTES, check_plaintext_bytes, next_chunk_bytes, next_record_bytes};

/// Opens the records of one file in order and accepts exactly that file.
///
/// The plaintext's length fixes the length of every record, so the reader knows what must come and never
/// believes a length field. After any error every later call gives the same error.
pub struct Opener {
    cipher: RecordCipher,
    chunk_bytes: u32,
    remaining: u64,
    next_index: u64,
    failed: Option<Error>,
}

impl Opener {
    /// A reader behind the header. `plaintext_bytes` is the manifest's.
    pub fn new(key: &Key, header: Header, plaintext_bytes: u64) -> Result<Self, Error> {
        check_plaintext_bytes(plaintext_bytes)?;
        let cipher = RecordCipher::new(key, header)?;
        let chunk_bytes = header.chunk_bytes;
        Ok(Self {
            cipher,
            chunk_bytes,
            remaining: plaintext_bytes,
            next_index: 0,
            failed: None,
        })
    }

    /// Exact length of the record that must come next; 0 at the end, where nothing may come.
    #[must_use]
    pub fn next_record_bytes(&self) -> usize {
        next_record_bytes(self.remaining, self.chunk_bytes)
    }

    /// Whether the record that comes next is the last one, which a careful reader holds back until every
    /// check of the file stands.
    #[must_use]
    pub fn next_is_last(&self) -> bool {
        self.remaining > 0 && self.remaining <= u64::from(self.chunk_bytes)
    }

    /// Index of the record that comes next.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    /// Plaintext bytes that are still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Opens one whole record (`pt_len ‖ ciphertext ‖ tag`) in place and gives its plaintext.
    ///
    /// On an error the whole of `record` is wiped and nothing of it is released.
    pub fn open_record<'r>(&mut self, record: &'r mut [u8]) -> Result<&'r mut [u8], Error> {
        match self.try_open(record) {
            Ok(pt_len) => {
                self.remaining = self.remaining.saturating_sub(u64::from(pt_len));
                self.next_index = self.next_index.saturating_add(1);
                Ok(record
                    .get_mut(PT_LEN_BYTES..PT_LEN_BYTES + pt_len as usize)
                    .unwrap_or_default())
            }
            Err(error) => {
                record.zeroize();
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// States that no byte is left. Fails when the file is not complete.
    pub fn finish(&mut self) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.remaining == 0 {
            return Ok(());
        }
        let missing = self.next_record_bytes() as u64;
        let error = Error::Truncated {
            place: Place::Record(self.next_index),
            missing,
        };
        self.failed = Some(error.clone());
        Err(error)
    }

    fn try_open(&self, record: &mut [u8]) -> Result<u32, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let index = self.next_index;
        let expected = next_chunk_bytes(self.remaining, self.chunk_bytes);
        if expected == 0 {
            return Err(Error::Trailing { place: Place::End });
        }
        let needed = self.next_record_bytes();
        let present = record.len();
        let Some((length, body)) = record.split_first_chunk_mut::<PT_LEN_BYTES>() else {
            return Err(truncated(index, needed, present));
        };
        // The length field is judged before the record's own length: it is what is wrong if both are.
        let pt_len = u32::from_be_bytes(*length);
        if pt_len != expected {
            return Err(Error::RecordLength {
                index,
                pt_len,
                expected,
            });
        }
        if present < needed {
            return Err(truncated(index, needed, present));
        }
        if present > needed {
            return Err(Error::Trailing {
                place: Place::Record(index),
            });
        }
        debug_assert_eq!(body.len(), pt_len as usize + TAG_BYTES);
        self.cipher.open(index, body).map_err(|_| Error::Auth { index })?;
        Ok(pt_len)
    }
}

fn truncated(index: u64, needed: usize, present: usize) -> Error {
    Error::Truncated {
        place: Place::Record(index),
        missing: needed.saturating_sub(present) as u64,
    }
}
