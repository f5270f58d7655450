//! Asset keys and what is derived from them (CONTRACTS section 3).

use aws_lc_rs::{hkdf, rand};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::Error;

/// Length of a key.
pub const KEY_BYTES: usize = 32;

const FILE_INFO: &[u8] = b"trustbridge/tbenc/v1/file\0";
const COMMIT_INFO: &[u8] = b"trustbridge/tbenc/v1/commit\0";

/// Where a key's bytes lie. What implements it wipes them when it is dropped, and shows them to nobody else.
pub trait KeyMemory: Send + Sync {
    /// The key.
    fn bytes(&self) -> &[u8; KEY_BYTES];
    /// The place to write it to.
    fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES];
}

/// Memory of the heap, for programs that run for the length of a command.
#[derive(Default, ZeroizeOnDrop)]
struct Heap([u8; KEY_BYTES]);

impl KeyMemory for Heap {
    fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8; KEY_BYTES] {
        &mut self.0
    }
}

/// An AES-256 key. It is wiped when dropped, cannot be cloned and has no `Debug`. Its bytes never move: whoever moves
/// the key moves a pointer.
pub struct Key(Box<dyn KeyMemory>);

impl Key {
    /// A fresh random key.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Self::zero();
        rand::fill(key.0.bytes_mut()).map_err(|_| Error::Random)?;
        Ok(key)
    }

    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut key = Self::zero();
        key.0.bytes_mut().copy_from_slice(bytes.as_slice());
        key
    }

    /// Reads exactly 64 hexadecimal characters, of either case, without any space around them.
    /// The error never repeats the text.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        Self::from_hex_in(Box::<Heap>::default(), text)
    }

    /// The same into memory of the caller's choice, without a copy anywhere else.
    pub fn from_hex_in(mut memory: Box<dyn KeyMemory>, text: &str) -> Result<Self, Error> {
        let refused = || Error::KeyText {
            chars: text.chars().count(),
        };
        if text.len() != 2 * KEY_BYTES {
            return Err(refused());
        }
        match HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), memory.bytes_mut()) {
            Ok(KEY_BYTES) => Ok(Self(memory)),
            _ => Err(refused()),
        }
    }

    /// The key as 64 lowercase hexadecimal characters, wiped when dropped.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(self.bytes()))
    }

    /// The key of one file of a directory asset. `path` is the source path relative to the directory.
    #[must_use]
    pub fn derive_file(&self, path: &str) -> Self {
        self.derive_file_in(Box::<Heap>::default(), path)
    }

    /// The same into memory of the caller's choice, without a copy anywhere else.
    #[must_use]
    pub fn derive_file_in(&self, mut memory: Box<dyn KeyMemory>, path: &str) -> Self {
        self.hkdf(&[FILE_INFO, path.as_bytes()], memory.bytes_mut());
        Self(memory)
    }

    /// The public value by which a manifest commits to this key for this asset.
    #[must_use]
    pub fn commitment(&self, asset_id: &str) -> [u8; 32] {
        let mut commitment = [0; 32];
        self.hkdf(&[COMMIT_INFO, asset_id.as_bytes()], &mut commitment);
        commitment
    }

    /// HKDF-SHA256 with an empty salt: a key for another purpose, bound to `info`.
    #[must_use]
    pub fn derive(&self, info: &[&[u8]]) -> Self {
        let mut key = Self::zero();
        self.hkdf(info, key.0.bytes_mut());
        key
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.bytes()
    }

    fn zero() -> Self {
        Self(Box::<Heap>::default())
    }

    fn hkdf(&self, info: &[&[u8]], out: &mut [u8; KEY_BYTES]) {
        let filled = hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(self.bytes())
            .expand(info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out));
        // One block of 32 bytes is always allowed; going on with zeros would be a known key.
        if filled.is_err() {
            unreachable!("HKDF-SHA256 refused an output of one block");
        }
    }
}
