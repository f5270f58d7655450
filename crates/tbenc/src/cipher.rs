//! One record's AES-256-GCM: key schedule, nonce and associated data (spec 5.2, 5.4).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;

use crate::error::Error;
use crate::header::{HEADER_BYTES, Header};
use crate::key::Key;
use crate::layout::TAG_BYTES;

/// Header bytes that are in the associated data: all but the 13 reserved ones.
const AAD_HEADER_BYTES: usize = 19;
const AAD_BYTES: usize = AAD_HEADER_BYTES + 8 + 4;

/// The cipher of one file. The library wipes the key schedule when it is dropped.
pub(crate) struct RecordCipher {
    key: LessSafeKey,
    nonce_prefix: [u8; 4],
    header: [u8; HEADER_BYTES],
}

impl RecordCipher {
    pub(crate) fn new(key: &Key, header: Header) -> Result<Self, Error> {
        let header = header.checked()?;
        let unbound = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|Unspecified| Error::Cipher {
            what: "a 32-byte key",
        })?;
        Ok(Self {
            key: LessSafeKey::new(unbound),
            nonce_prefix: header.nonce_prefix,
            header: header.encode(),
        })
    }

    /// Encrypts in place and gives the tag.
    pub(crate) fn seal(&self, index: u64, text: &mut [u8]) -> Result<[u8; TAG_BYTES], Unspecified> {
        let aad = Aad::from(self.aad(index, pt_len(text.len())?));
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(index), aad, text)?;
        tag.as_ref().try_into().map_err(|_| Unspecified)
    }

    /// Decrypts `ciphertext ‖ tag` in place; the plaintext is what stands before the tag.
    pub(crate) fn open(&self, index: u64, body: &mut [u8]) -> Result<(), Unspecified> {
        let aad = Aad::from(self.aad(index, pt_len(body.len().saturating_sub(TAG_BYTES))?));
        self.key.open_in_place(self.nonce(index), aad, body).map(|_| ())
    }

    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        let (prefix, counter) = nonce.split_at_mut(4);
        prefix.copy_from_slice(&self.nonce_prefix);
        counter.copy_from_slice(&index.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn aad(&self, index: u64, pt_len: u32) -> [u8; AAD_BYTES] {
        let mut aad = [0; AAD_BYTES];
        let fields = self.header.iter().take(AAD_HEADER_BYTES).copied();
        let fields = fields.chain(index.to_be_bytes()).chain(pt_len.to_be_bytes());
        aad.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        aad
    }
}

fn pt_len(bytes: usize) -> Result<u32, Unspecified> {
    u32::try_from(bytes).map_err(|_| Unspecified)
}
