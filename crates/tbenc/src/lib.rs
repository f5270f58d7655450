//! The tbenc/v1 encrypted asset format: seal, open, strict reader, manifest.
//!
//! A tbenc file is a 32-byte [`Header`] and then records of `pt_len ‖ ciphertext ‖ tag`, each one an
//! AES-256-GCM message whose nonce and associated data bind it to its place in the file. The format has
//! no end marker, so a reader must know the plaintext's length beforehand, from the [`manifest`]:
//! [`Opener`] takes it and refuses everything that is not exactly that file.
//!
//! # The core and its drivers
//!
//! The core ([`Sealer`], [`Opener`]) does no IO: it works on slices and says how many bytes it wants next
//! ([`Opener::next_record_bytes`]). [`Encrypt`] and [`Decrypt`] drive it over `Read` and `Write`, hash in the same
//! pass, and overlap reading, hashing and writing on three threads where that pays. Memory is a few record
//! buffers whatever the file's length, see [`Budget`].
//!
//! There is no async driver. A reader that lives in a tokio program asks the core itself, as the sentinel does
//! for its FIFOs: [`Opener`] borrows a buffer of any owner, waits for nothing and may be dropped at any await.
//! Only the CPU work of a record (about 0.4 ms for 4 MiB, with a SHA-256 of it 3.5 ms) belongs on a blocking
//! thread, where the drivers serve as well.
//!
//! # What a reader refuses
//!
//! | Rule | Class | Where |
//! |---|---|---|
//! | The blob is exactly `32 + P + 20·ceil(P/C)` bytes | SIZE | [`check_size`], the first question |
//! | Magic, version 1, algorithm 1, and 13 reserved bytes of zero, which no tag covers | HEADER | [`Header::parse`] |
//! | `chunk_bytes` is 1 byte to 64 MiB | LIMIT | [`Header::parse`], [`check_size`], the [`manifest`] |
//! | `chunk_bytes` is the manifest's | LIMIT | [`Header::expect_chunk_bytes`]; [`Decrypt`] asks it |
//! | `plaintext_bytes` is at most 16 TiB; a writer stops there too | LIMIT | [`Opener::new`], [`check_size`], [`Sealer`] |
//! | Both are judged before a buffer is made; it is as long as the longest record of this file | LIMIT | [`Decrypt`] |
//! | `pt_len` is exactly what `P` and `C` give here: never 0, never over `C`, short in the last record alone | LIMIT | [`Opener::open_record`] |
//! | Each record verifies at its own index; one that does not is wiped, and nothing of it is released | AUTH | [`Opener::open_record`] |
//! | The key is the one that the manifest commits to | AUTH | [`manifest::Manifest::check_key`] |
//! | Header and records are whole | TRUNCATED | [`Opener::open_record`], [`Decrypt`] |
//! | At the end exactly `P` bytes in `ceil(P/C)` records were opened, even if a digest stood before | TRUNCATED | [`Opener::finish`] |
//! | An empty file is a header alone, and only where `P` is 0 | TRUNCATED, TRAILING | [`Opener::finish`], [`Decrypt`] |
//! | Nothing follows a record or the end | TRAILING | [`Opener::open_record`], [`Decrypt`] |
//! | The ciphertext's SHA-256 is the manifest's; the last chunk is held back until then | DIGEST | [`Decrypt`] |
//! | After an error every call gives that error again | its own | [`Opener`] |
//! | What was released is a true beginning, and the error is the earliest record's, on one thread or three | its own | [`Encrypt`], [`Decrypt`] |
//!
//! # Example
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

mod budget;
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

pub use budget::{Budget, MAX_BUFFER_BYTES, MAX_BUFFERS};
pub use error::{Class, Error, Place};
pub use header::{ALGO_AES_256_GCM_CHUNKED, HEADER_BYTES, Header, MAGIC, VERSION};
pub use key::{KEY_BYTES, Key, KeyMemory};
pub use layout::{
    DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_PLAINTEXT_BYTES, MIN_CHUNK_BYTES, RECORD_OVERHEAD, check_size,
    ciphertext_bytes, record_count,
};
pub use open::Opener;
pub use seal::Sealer;
pub use sha256::{Sha256, hex_digest};
pub use stream::{Decrypt, Encrypt, Expected, Opened, Sealed, decrypt_stream, encrypt_stream, unobserved};

#[cfg(test)]
mod tests;
