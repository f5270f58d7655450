//! Both ways to drive the core do the same, whatever reader, writer and observer do.

mod ends;
mod same;

use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Decrypt, Encrypt, Expected, Opened, Sealed, unobserved};
use crate::{Error, Key, MAX_BUFFERS, hex_digest};

const CHUNK: u32 = 16;
const RECORD: usize = 36;
/// One thread, and every number of buffers that three threads can have.
const WAYS: std::ops::RangeInclusive<usize> = 1..=MAX_BUFFERS;

fn key() -> Key {
    Key::from_hex(&"0f".repeat(32)).unwrap()
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|i| u8::try_from((i * 31 + i / 251 * 7) % 256).unwrap())
        .collect()
}

fn encrypt_to(
    buffers: usize,
    reader: impl Read,
    writer: impl Write + Send,
    observe: impl FnMut(u64) -> ControlFlow<()> + Send,
) -> Result<Sealed, Error> {
    let key = key();
    let encrypt = Encrypt {
        buffers,
        ..Encrypt::new(&key, CHUNK)
    };
    encrypt.run(reader, writer, observe)
}

fn encrypted(bytes: usize) -> Vec<u8> {
    let mut ciphertext = Vec::new();
    encrypt_to(1, &text(bytes)[..], &mut ciphertext, unobserved).unwrap();
    ciphertext
}

fn decrypt_to(
    buffers: usize,
    (reader, bytes, digest): (impl Read, usize, &str),
    writer: impl Write + Send,
    observe: impl FnMut(u64) -> ControlFlow<()> + Send,
) -> Result<Opened, Error> {
    let key = key();
    let expected = Expected {
        plaintext_bytes: bytes as u64,
        chunk_bytes: CHUNK,
        sha256_ciphertext: digest,
    };
    let decrypt = Decrypt {
        buffers,
        ..Decrypt::new(&key, expected)
    };
    decrypt.run(reader, writer, observe)
}

/// What was released, and how it ended, with the digest of exactly these bytes stated.
fn decrypt(buffers: usize, ciphertext: &[u8], bytes: usize) -> (Vec<u8>, Result<Opened, Error>) {
    let mut released = Vec::new();
    let digest = hex_digest(ciphertext);
    let opened = decrypt_to(buffers, (ciphertext, bytes, &digest), &mut released, unobserved);
    (released, opened)
}

/// Gives or takes so many bytes, then fails.
struct Fails<T> {
    inner: T,
    left: usize,
}

impl<T> Fails<T> {
    fn after(left: usize, inner: T) -> Self {
        Self { inner, left }
    }

    fn allow(&mut self, wanted: usize) -> io::Result<usize> {
        if self.left == 0 && wanted > 0 {
            return Err(io::Error::other("the double gave up"));
        }
        let allowed = wanted.min(self.left);
        self.left -= allowed;
        Ok(allowed)
    }
}

impl<R: Read> Read for Fails<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allow(buffer.len())?;
        self.inner.read(&mut buffer[..allowed])
    }
}

impl<W: Write> Write for Fails<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let allowed = self.allow(bytes.len())?;
        self.inner.write(&bytes[..allowed])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Counts the bytes that went through, for both ends to see.
struct Counted<'c, T, F> {
    inner: T,
    bytes: &'c AtomicUsize,
    /// Called before every read or write.
    before: F,
}

impl<R: Read, F: FnMut()> Read for Counted<'_, R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.before)();
        let read = self.inner.read(buffer)?;
        self.bytes.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

impl<W: Write, F: FnMut()> Write for Counted<'_, W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.before)();
        let written = self.inner.write(bytes)?;
        self.bytes.fetch_add(written, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
