//! Whether a document's digest was signed by the key that it names, and whose key that may be.

use super::{Printed, Signature, Verdict};
use crate::canonical::signed_text;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Checks key, signature and key id of a document of that `kind`.
pub(super) fn sign(
    verdict: &mut Verdict,
    printed: &Printed,
    kind: &str,
    keys: &[String],
    is_signed: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
) {
    let Signature {
        key_id,
        algorithm,
        value,
    } = &printed.status.signature;
    let key = printed.status.public_key.clone().unwrap_or_default();
    let known = HEXLOWER.decode(key.as_bytes()).ok();
    let known = known.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let given = HEXLOWER.decode(value.as_bytes()).ok();
    let given = given.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let text = signed_text(kind, printed.status.digest.as_deref().unwrap_or_default());
    let holds = known
        .zip(given)
        .is_some_and(|(k, s)| is_signed(&k, text.as_bytes(), &s));
    if !holds || algorithm != "Ed25519" {
        verdict.findings.push(format!(
            "`status.signature` ({algorithm}) is not the signature of `status.digest` by the key '{key}'"
        ));
    }
    if Some(key_id) != known.map(|k| key_id_of(&k)).as_ref() {
        verdict.findings.push(format!(
            "`status.signature.keyId` is '{key_id}', which is not the id of `status.publicKey`"
        ));
    }
    if !keys.is_empty() && !keys.contains(&key) {
        verdict.findings.push(format!(
            "`status.publicKey` is '{key}', which is none of the keys that were given"
        ));
    }
    verdict.public_key = key;
}

/// First 16 hex digits of SHA-256 of the public key.
fn key_id_of(key: &[u8; 32]) -> String {
    let mut id = HEXLOWER.encode(&Sha256::digest(key));
    id.truncate(16);
    id
}
