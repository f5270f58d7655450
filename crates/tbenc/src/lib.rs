//! The tbenc/v1 encrypted asset format: seal, open, strict reader, manifest.
//!
//! A tbenc file is a 32-byte [`Header`] and then records of `pt_len ‖ ciphertext ‖ tag`, each one an
//! AES-256-GCM message whose nonce and associated data bind it to its place in the file. The format has
//! no end marker, so a reader must know the plaintext's length beforehand, from the [`manifest`]:
//! [`Opener`] takes it and refuses everything that is not exactly that file.
//!
//! The core does no IO: it works on slices and says how many bytes it wants next
//! ([`Opener::next_record_bytes`]). [`encrypt_stream`] and [`decrypt_stream`] drive it over `Read` and
//! `Write` and compute the digests in the same pass.
//!
//! ```
//! use trustbridge_tbenc::{Header, Key, Opener, Sealer};
//! # fn main() -> Result<(), trustbridge_tbenc::Error> {
//! let key = Key::generate()?;
//! let header = Header::generate(4)?;
//! let mut sealer = Sealer::new(&key, header)?;
//! let (mut first, mut second) = (Vec::new(), Vec::new());
//! sealer.seal_chunk(b"abcd", &mut first)?;
//! sealer.seal_chunk(b"ef", &mut second)?;
//!
//! let mut opener = Opener::new(&key, header, 6)?;
//! assert_eq!(opener.next_record_bytes(), first.len());
//! assert_eq!(opener.open_record(&mut first)?, b"abcd");
//! assert_eq!(opener.open_record(&mut second)?, b"ef");
//! opener.finish()?;
//! # Ok(())
//! # }
//! ```

mod cipher;
mod error;
mod header;
mod key;
mod layout;
pub mod manifest;
mod open;
mod seal;
mod sha256;
mod stream;

pub use error::{Class, Error, Place};
pub use header::{ALGO_AES_256_GCM_CHUNKED, HEADER_BYTES, Header, MAGIC, VERSION};
pub use key::{KEY_BYTES, Key};
pub use layout::{
    DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_PLAINTEXT_BYTES, MIN_CHUNK_BYTES, RECORD_OVERHEAD, check_size,
    ciphertext_bytes, record_count,
};
pub use open::Opener;
pub use seal::Sealer;
pub use sha256::{Sha256, hex_digest};
pub use stream::{Expected, Opened, Sealed, decrypt_stream, encrypt_stream};

#[cfg(test)]
mod tests;
