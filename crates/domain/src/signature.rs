//! Whether a document's digest was signed by the key that it names, and whose key that may be.

use crate::canonical::signed_text;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What a document says of its digest and who signed it.
pub(crate) struct Signed<'a> {
    /// Where it says that: `spec` or `status`.
    pub(crate) at: &'a str,
    /// Which kind of document was signed.
    pub(crate) kind: &'a str,
    /// 64 hex digits.
    pub(crate) digest: &'a str,
    /// 64 hex digits.
    pub(crate) public_key: &'a str,
    /// First 16 hex digits of SHA-256 of the public key.
    pub(crate) key_id: &'a str,
    /// Ed25519 alone is known.
    pub(crate) algorithm: &'a str,
    /// 128 hex digits.
    pub(crate) value: &'a str,
}

impl Signed<'_> {
    /// What speaks against it, each with its place. `keys` are the seller's, in lower-case hex; none: whichever signed
    /// it. `is_signed` says whether the signature of a text is of a key.
    pub(crate) fn findings(
        &self,
        keys: &[String],
        is_signed: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
    ) -> Vec<String> {
        let Self {
            at,
            public_key,
            key_id,
            algorithm,
            ..
        } = self;
        let mut findings = Vec::new();
        let known: Option<[u8; 32]> = bytes(public_key);
        let given: Option<[u8; 64]> = bytes(self.value);
        let text = signed_text(self.kind, self.digest);
        let holds = known
            .zip(given)
            .is_some_and(|(key, value)| is_signed(&key, text.as_bytes(), &value));
        if !holds || *algorithm != "Ed25519" {
            findings.push(format!(
                "`{at}.signature` ({algorithm}) is not the signature of `{at}.digest` by the key '{public_key}'"
            ));
        }
        if known.is_none_or(|key| *key_id != key_id_of(&key)) {
            findings.push(format!(
                "`{at}.signature.keyId` is '{key_id}', which is not the id of `{at}.publicKey`"
            ));
        }
        if !keys.is_empty() && !keys.iter().any(|key| key == public_key) {
            findings.push(format!(
                "`{at}.publicKey` is '{public_key}', which is none of the keys that were given"
            ));
        }
        findings
    }
}

/// First 16 hex digits of SHA-256 of the public key.
fn key_id_of(key: &[u8; 32]) -> String {
    let mut id = HEXLOWER.encode(&Sha256::digest(key));
    id.truncate(16);
    id
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}
