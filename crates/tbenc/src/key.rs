//! Asset keys and what is derived from them (CONTRACTS section 3).

use aws_lc_rs::{hkdf, rand};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::Error;

/// Length of a key.
pub const KEY_BYTES: usize = 32;

const FILE_INFO: &[u8] = b"trustbridge/tbenc/v1/file\0";
const COMMIT_INFO: &[u8] = b"trustbridge/tbenc/v1/commit\0";

/// An AES-256 key. It is wiped when dropped, cannot be cloned and has no `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// A fresh random key.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Self([0; KEY_BYTES]);
        rand::fill(&mut key.0).map_err(|_| Error::Random)?;
        Ok(key)
    }

    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(**bytes)
    }

    /// Reads exactly 64 hexadecimal characters, of either case, without any space around them.
    /// The error never repeats the text.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let refused = || Error::KeyText {
            chars: text.chars().count(),
        };
        if text.len() != 2 * KEY_BYTES {
            return Err(refused());
        }
        let mut key = Self([0; KEY_BYTES]);
        match HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut key.0) {
            Ok(KEY_BYTES) => Ok(key),
            _ => Err(refused()),
        }
    }

    /// The key as 64 lowercase hexadecimal characters, wiped when dropped.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&self.0))
    }

    /// The key of one file of a directory asset. `path` is the source path relative to the directory.
    #[must_use]
    pub fn derive_file(&self, path: &str) -> Self {
        Self(*self.hkdf(&[FILE_INFO, path.as_bytes()]))
    }

    /// The public value by which a manifest commits to this key for this asset.
    #[must_use]
    pub fn commitment(&self, asset_id: &str) -> [u8; 32] {
        *self.hkdf(&[COMMIT_INFO, asset_id.as_bytes()])
    }

    /// HKDF-SHA256 with an empty salt: a key for another purpose, bound to `info`.
    #[must_use]
    pub fn derive(&self, info: &[&[u8]]) -> Self {
        Self(*self.hkdf(info))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn hkdf(&self, info: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut out = Zeroizing::new([0; KEY_BYTES]);
        let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&self.0)
            .expand(info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out.as_mut()));
        match filled {
            Ok(()) => out,
            // One block of 32 bytes is always allowed; going on with zeros would be a known key.
            Err(_) => unreachable!("HKDF-SHA256 refused an output of one block"),
        }
    }
}
