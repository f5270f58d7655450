//! The core driven over `Read` and `Write`, with the digests computed in the same pass.

use std::io::{ErrorKind, Read, Write};

use zeroize::Zeroize;

use crate::error::{Error, Place};
use crate::header::{HEADER_BYTES, Header};
use crate::key::Key;
use crate::layout::{PT_LEN_BYTES, RECORD_OVERHEAD, ciphertext_bytes};
use crate::open::Opener;
use crate::seal::Sealer;
use crate::sha256::Sha256;

/// What one encryption made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Plaintext bytes read.
    pub plaintext_bytes: u64,
    /// SHA-256 of the plaintext, lowercase hexadecimal.
    pub plaintext_sha256: String,
    /// Ciphertext bytes written.
    pub ciphertext_bytes: u64,
    /// SHA-256 of the ciphertext, lowercase hexadecimal.
    pub sha256_ciphertext: String,
}

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
    /// SHA-256 of the plaintext, lowercase hexadecimal.
    pub plaintext_sha256: String,
}

/// Encrypts everything that `reader` gives. The nonce prefix is made here; the key must be new.
pub fn encrypt_stream(
    mut reader: impl Read,
    mut writer: impl Write,
    key: &Key,
    chunk_bytes: u32,
) -> Result<Sealed, Error> {
    let header = Header::generate(chunk_bytes)?;
    let mut sealer = Sealer::new(key, header)?;
    let (mut plain, mut cipher) = (Sha256::new(), Sha256::new());
    let write = |writer: &mut dyn Write, bytes: &[u8]| {
        writer
            .write_all(bytes)
            .map_err(|e| Error::io("writing the ciphertext", &e))
    };
    let encoded = header.encode();
    cipher.update(&encoded);
    write(&mut writer, &encoded)?;

    let mut plaintext_bytes = 0_u64;
    let mut record = Record(Vec::with_capacity(chunk_bytes as usize + RECORD_OVERHEAD));
    loop {
        let read = record.read_chunk(&mut reader, chunk_bytes)?;
        if read == 0 {
            break;
        }
        plain.update(record.0.get(PT_LEN_BYTES..).unwrap_or_default());
        sealer.seal_in_place(&mut record.0)?;
        cipher.update(&record.0);
        write(&mut writer, &record.0)?;
        plaintext_bytes = plaintext_bytes.saturating_add(read as u64);
        if read < chunk_bytes as usize {
            break;
        }
    }
    writer
        .flush()
        .map_err(|e| Error::io("writing the ciphertext", &e))?;
    Ok(Sealed {
        plaintext_bytes,
        plaintext_sha256: plain.finish_hex(),
        ciphertext_bytes: ciphertext_bytes(plaintext_bytes, chunk_bytes),
        sha256_ciphertext: cipher.finish_hex(),
    })
}

/// Decrypts exactly the expected file from `reader`.
///
/// Chunks are written as they verify; the last one only after the end, the length and the ciphertext's
/// digest stand. A writer that gets less than all must throw away what it got.
pub fn decrypt_stream(
    mut reader: impl Read,
    mut writer: impl Write,
    key: &Key,
    expected: Expected<'_>,
) -> Result<Opened, Error> {
    let mut cipher = Sha256::new();
    let mut opener = open_header(&mut reader, key, expected, &mut cipher)?;
    let mut plain = Sha256::new();
    let mut record = Record(Vec::new());
    loop {
        let needed = opener.next_record_bytes();
        record.0.resize(needed, 0);
        read_whole(&mut reader, &mut record.0, Place::Record(opener.next_index()))?;
        cipher.update(&record.0);
        let last = needed == 0 || opener.next_is_last();
        let text: &[u8] = if needed == 0 {
            &[]
        } else {
            opener.open_record(&mut record.0)?
        };
        plain.update(text);
        if !last {
            release(&mut writer, text)?;
            continue;
        }
        opener.finish()?;
        check_end(&mut reader, cipher, expected.sha256_ciphertext)?;
        release(&mut writer, text)?;
        writer
            .flush()
            .map_err(|e| Error::io("writing the plaintext", &e))?;
        return Ok(Opened {
            plaintext_bytes: expected.plaintext_bytes,
            plaintext_sha256: plain.finish_hex(),
        });
    }
}

fn release(writer: &mut impl Write, text: &[u8]) -> Result<(), Error> {
    writer
        .write_all(text)
        .map_err(|e| Error::io("writing the plaintext", &e))
}

fn open_header(
    reader: &mut impl Read,
    key: &Key,
    expected: Expected<'_>,
    cipher: &mut Sha256,
) -> Result<Opener, Error> {
    let mut bytes = [0; HEADER_BYTES];
    read_whole(reader, &mut bytes, Place::Header)?;
    cipher.update(&bytes);
    let header = Header::parse(&bytes)?;
    header.expect_chunk_bytes(expected.chunk_bytes)?;
    Opener::new(key, header, expected.plaintext_bytes)
}

fn check_end(reader: &mut impl Read, cipher: Sha256, expected: &str) -> Result<(), Error> {
    if read_some(reader, &mut [0; 1])? != 0 {
        return Err(Error::Trailing { place: Place::End });
    }
    let actual = cipher.finish_hex();
    if actual == expected {
        return Ok(());
    }
    Err(Error::Digest {
        what: "sha256_ciphertext",
        actual,
        expected: expected.to_owned(),
    })
}

/// A buffer that held plaintext and is wiped when dropped.
struct Record(Vec<u8>);

impl Record {
    /// Reads up to one chunk behind the room for the length field; fewer bytes mean the end.
    fn read_chunk(&mut self, reader: &mut impl Read, chunk_bytes: u32) -> Result<usize, Error> {
        self.0.resize(PT_LEN_BYTES + chunk_bytes as usize, 0);
        let read = read_full(reader, self.0.get_mut(PT_LEN_BYTES..).unwrap_or_default())?;
        self.0.truncate(PT_LEN_BYTES + read);
        Ok(read)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    loop {
        match reader.read(buffer) {
            Ok(read) => return Ok(read),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("reading", &e)),
        }
    }
}

/// Fills the buffer as far as the reader goes.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some(reader, rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn read_whole(reader: &mut impl Read, buffer: &mut [u8], place: Place) -> Result<(), Error> {
    let read = read_full(reader, buffer)?;
    if read == buffer.len() {
        return Ok(());
    }
    Err(Error::Truncated {
        place,
        missing: (buffer.len() - read) as u64,
    })
}
