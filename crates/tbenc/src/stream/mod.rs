//! The core driven over `Read` and `Write`, with the digests computed in the same pass.

mod decrypt;
mod drive;
mod encrypt;
mod record;

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::ops::ControlFlow;

pub use decrypt::{Decrypt, Expected, Opened};
pub use encrypt::{Encrypt, Sealed};

use crate::error::Error;
use crate::key::Key;

/// [`Encrypt`] with its defaults and without an observer. The key must be new.
pub fn encrypt_stream(
    reader: impl Read,
    writer: impl Write + Send,
    key: &Key,
    chunk_bytes: u32,
) -> Result<Sealed, Error> {
    Encrypt::new(key, chunk_bytes).run(reader, writer, unobserved)
}

/// [`Decrypt`] with its defaults and without an observer.
pub fn decrypt_stream(
    reader: impl Read,
    writer: impl Write + Send,
    key: &Key,
    expected: Expected<'_>,
) -> Result<Opened, Error> {
    Decrypt::new(key, expected).run(reader, writer, unobserved)
}

/// The observer of a run that nobody watches.
pub fn unobserved(_plaintext_bytes: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Where bytes go, and who is told.
struct Output<W, O> {
    writer: W,
    observe: O,
    doing: &'static str,
}

impl<W: Write, O: FnMut(u64) -> ControlFlow<()>> Output<W, O> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.writer.write_all(bytes);
        written.map_err(|e| Error::io(self.doing, &e))
    }

    /// Writes one record's bytes, which stand for so many of plaintext.
    fn put(&mut self, bytes: &[u8], plaintext_bytes: usize) -> Result<(), Error> {
        self.write(bytes)?;
        match (self.observe)(plaintext_bytes as u64) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(|e| Error::io(self.doing, &e))
    }
}
