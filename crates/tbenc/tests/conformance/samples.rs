//! Files that attacks start from.

use trustbridge_tbenc::Key;

use crate::readers::{Outcome, Stated, by_stream};
use crate::reference;

/// The key of samples, unless they say otherwise.
pub(crate) const KEY: [u8; 32] = [0x0f; 32];
/// The nonce prefix of samples, unless they say otherwise.
pub(crate) const PREFIX: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];

/// Bytes without a pattern that a shifted copy would repeat.
pub(crate) fn text(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|i| u8::try_from((i * 31 + i / 251 * 7) % 256).unwrap())
        .collect()
}

/// One file with everything that is known about it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) key: [u8; 32],
    pub(crate) chunk_bytes: u32,
    pub(crate) plain: Vec<u8>,
    pub(crate) file: Vec<u8>,
}

impl Sample {
    pub(crate) fn new(key: [u8; 32], prefix: [u8; 4], chunk_bytes: u32, plain: Vec<u8>) -> Self {
        let file = reference::seal(&key, prefix, chunk_bytes, &plain);
        Self {
            key,
            chunk_bytes,
            plain,
            file,
        }
    }

    /// Three records of 1 KiB.
    pub(crate) fn three_kib() -> Self {
        Self::new(KEY, PREFIX, 1024, text(3 * 1024))
    }

    /// The header and the records one by one.
    pub(crate) fn parts(&self) -> (&[u8], Vec<&[u8]>) {
        let (head, body) = self.file.split_at(32);
        (head, body.chunks(self.chunk_bytes as usize + 20).collect())
    }

    /// What the manifest says. The digest is that of the bytes given, so that the format alone refuses them.
    pub(crate) fn stated(&self, bytes: &[u8]) -> Stated {
        Stated {
            plaintext_bytes: self.plain.len() as u64,
            chunk_bytes: self.chunk_bytes,
            sha256_ciphertext: reference::sha256_hex(bytes),
        }
    }

    pub(crate) fn opened(&self, bytes: &[u8]) -> Outcome {
        by_stream(&key_of(&self.key), &self.stated(bytes), bytes)
    }

    /// The crate refuses these bytes with this class and has released exactly that much of the true plaintext.
    pub(crate) fn refuses(
        &self,
        what: &str,
        bytes: &[u8],
        class: &str,
        released: usize,
    ) -> Result<(), String> {
        let wanted = Outcome {
            released: self.plain[..released].to_vec(),
            refused: Some(class.to_owned()),
        };
        self.opened(bytes).expect_same(what, &wanted)
    }

    /// The crate refuses these bytes, as the reference does: same class, same prefix of the true plaintext.
    pub(crate) fn refuses_as_reference(&self, what: &str, bytes: &[u8]) -> Result<(), String> {
        self.refuses_as_reference_with(&self.stated(bytes), what, bytes)
    }

    /// The same under a manifest of the caller's.
    pub(crate) fn refuses_as_reference_with(
        &self,
        stated: &Stated,
        what: &str,
        bytes: &[u8],
    ) -> Result<(), String> {
        let wanted = reference::open(&self.key, stated, bytes);
        if wanted.refused.is_none() {
            return Err(format!("{what}: the reference accepts it; it is no attack"));
        }
        if !self.plain.starts_with(&wanted.released) || wanted.released.len() >= self.plain.len().max(1) {
            return Err(format!("{what}: the reference released what is no true prefix"));
        }
        by_stream(&key_of(&self.key), stated, bytes).expect_same(what, &wanted)
    }
}

pub(crate) fn key_of(bytes: &[u8; 32]) -> Key {
    Key::from_bytes(&zeroize::Zeroizing::new(*bytes))
}
