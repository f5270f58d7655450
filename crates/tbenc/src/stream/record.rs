//! The room of one record, reused from record to record and wiped in the end.

use std::io::{ErrorKind, Read};

use zeroize::Zeroize;

use crate::error::{Error, Place};
use crate::layout::{PT_LEN_BYTES, RECORD_OVERHEAD, TAG_BYTES};
use crate::open::Opener;
use crate::seal::Sealer;

/// A buffer for one record. It never grows, and what was written into it is wiped when it is dropped.
pub(super) struct Record {
    bytes: Vec<u8>,
    /// Bytes of the record that stands in it.
    length: usize,
    /// How far it was ever written.
    touched: usize,
}

impl Record {
    /// Room for records of at most `chunk_bytes` of text. The bounds were checked before.
    ///
    /// Zeroed memory of this size comes from the system page by page as it is used: a small file touches little
    /// of a large chunk, and nothing is written twice.
    pub(super) fn with_room_for(chunk_bytes: u32) -> Self {
        Self {
            bytes: vec![0; RECORD_OVERHEAD.saturating_add(chunk_bytes as usize)],
            length: 0,
            touched: 0,
        }
    }

    /// Bytes of text that a full record here has.
    pub(super) fn room(&self) -> usize {
        self.bytes.len().saturating_sub(RECORD_OVERHEAD)
    }

    /// The whole record: `pt_len ‖ ciphertext ‖ tag`.
    pub(super) fn whole(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The text between length and tag: ciphertext or plaintext.
    pub(super) fn text(&self) -> &[u8] {
        let end = self.length.saturating_sub(TAG_BYTES);
        self.bytes.get(PT_LEN_BYTES..end).unwrap_or_default()
    }

    /// Reads text until the room is full or the reader ends, and gives the number of bytes.
    pub(super) fn read_text(&mut self, reader: &mut impl Read) -> Result<usize, Error> {
        let end = self.bytes.len().saturating_sub(TAG_BYTES);
        let read = self.fill(reader, PT_LEN_BYTES, end)?;
        self.length = RECORD_OVERHEAD.saturating_add(read);
        Ok(read)
    }

    /// Reads a record of exactly this length.
    pub(super) fn read_whole(
        &mut self,
        reader: &mut impl Read,
        length: usize,
        index: u64,
    ) -> Result<(), Error> {
        let read = self.fill(reader, 0, length)?;
        self.length = length;
        whole(read, length, Place::Record(index))
    }

    /// Turns the text that was read into a record.
    pub(super) fn seal(&mut self, sealer: &mut Sealer) -> Result<(), Error> {
        self.touched = self.touched.max(self.length);
        sealer.seal_record(self.bytes.get_mut(..self.length).unwrap_or_default())
    }

    /// Opens the record that was read. On an error it is wiped.
    pub(super) fn open(&mut self, opener: &mut Opener) -> Result<(), Error> {
        let record = self.bytes.get_mut(..self.length).unwrap_or_default();
        opener.open_record(record).map(|_| ())
    }

    fn wipe(&mut self) {
        self.bytes.get_mut(..self.touched).unwrap_or_default().zeroize();
    }

    /// Fills a part as far as the reader goes.
    fn fill(&mut self, reader: &mut impl Read, start: usize, end: usize) -> Result<usize, Error> {
        let part = self.bytes.get_mut(start..end).unwrap_or_default();
        let mut filled = 0;
        let read = read_full(reader, part, &mut filled);
        self.touched = self.touched.max(start.saturating_add(filled));
        read.map(|()| filled)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Reads an array that must be there whole.
pub(super) fn read_array<const N: usize>(reader: &mut impl Read, place: Place) -> Result<[u8; N], Error> {
    let (mut bytes, mut read) = ([0; N], 0);
    read_full(reader, &mut bytes, &mut read)?;
    whole(read, N, place).map(|()| bytes)
}

/// Whether the reader has nothing more.
pub(super) fn at_end(reader: &mut impl Read) -> Result<bool, Error> {
    read_some(reader, &mut [0; 1]).map(|read| read == 0)
}

fn whole(read: usize, wanted: usize, place: Place) -> Result<(), Error> {
    if read == wanted {
        return Ok(());
    }
    let missing = wanted.saturating_sub(read) as u64;
    Err(Error::Truncated { place, missing })
}

/// `filled` counts up to an error as well: what stands in the buffer then must be wiped.
fn read_full(reader: &mut impl Read, buffer: &mut [u8], filled: &mut usize) -> Result<(), Error> {
    while let Some(rest) = buffer.get_mut(*filled..).filter(|rest| !rest.is_empty()) {
        match read_some(reader, rest)? {
            0 => break,
            read => *filled = filled.saturating_add(read),
        }
    }
    Ok(())
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    loop {
        match reader.read(buffer) {
            // A reader that claims more than it was given is not believed.
            Ok(read) => return Ok(read.min(buffer.len())),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("reading", &e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::{Header, Key, Opener, Sealer};

    const HEADER: Header = Header {
        chunk_bytes: 8,
        nonce_prefix: [1; 4],
    };

    fn sealed(text: &[u8]) -> Record {
        let mut record = Record::with_room_for(8);
        assert_eq!(record.read_text(&mut &text[..]).unwrap(), text.len());
        assert_eq!(record.text(), text);
        let mut sealer = Sealer::new(&Key::from_hex(&"0f".repeat(32)).unwrap(), HEADER).unwrap();
        record.seal(&mut sealer).unwrap();
        record
    }

    #[test]
    fn everything_that_was_written_is_wiped() {
        let mut record = sealed(b"12345678");
        assert_eq!(record.touched, record.bytes.len());
        record.wipe();
        assert_eq!(record.bytes, [0; 28]);

        let mut read = Record::with_room_for(8);
        read.read_whole(&mut &[9_u8; 20][..], 28, 3).unwrap_err();
        assert_eq!((read.touched, read.bytes[19]), (20, 9));
        read.wipe();
        assert_eq!(read.bytes, [0; 28]);
    }

    #[test]
    fn a_record_that_does_not_verify_is_wiped_at_once() {
        let mut record = sealed(b"1234567");
        record.bytes[6] ^= 1;
        let mut opener = Opener::new(&Key::from_hex(&"0f".repeat(32)).unwrap(), HEADER, 7).unwrap();
        record.open(&mut opener).unwrap_err();
        assert_eq!(record.bytes, [0; 28]);
    }

    #[test]
    fn a_reader_that_claims_too_much_is_not_believed() {
        struct Liar;
        impl std::io::Read for Liar {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                Ok(buffer.len() + 1)
            }
        }
        let mut record = Record::with_room_for(8);
        assert_eq!(record.read_text(&mut Liar).unwrap(), 8);
        assert_eq!(record.whole().len(), 28);
    }
}
