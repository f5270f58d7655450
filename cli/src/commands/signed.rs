//! What the commands about signed documents share: keys, signatures, and documents as kubectl prints them.

use std::path::Path;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Longest file that is read, in bytes: objects of the API server are shorter.
const MAX_BYTES: u64 = 4 << 20;

/// Whether the Ed25519 signature of `text` is of `key`.
pub(super) fn is_signed(key: &[u8; 32], text: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text, signature)
        .is_ok()
}

/// An Ed25519 public key in hex, for an argument.
pub(super) fn public_key(text: &str) -> Result<String, String> {
    hexadecimal(text, "an Ed25519 public key of 64 hexadecimal characters")
}

/// 32 bytes in hex, for an argument that must be `what`.
pub(super) fn hexadecimal(text: &str, what: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("must be {what}"))
    }
}

/// Who signed it, for a report; `pinned`: the key had to be one that was given.
pub(super) const fn signer(pinned: bool) -> &'static str {
    if pinned {
        "by an expected key"
    } else {
        "by a key that nobody vouched for: give --public-key"
    }
}

/// The object of that kind in a file as kubectl prints it, YAML or JSON.
pub(super) fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T, Failure> {
    let failed = |error| Failure::file("reading", path, &error);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(Failure::data(format!(
            "{}: {length} bytes: an object of kind {kind} has at most {MAX_BYTES}; give the object alone",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    // JSON is YAML, too.
    serde_saphyr::from_str(&text).map_err(|error| {
        Failure::data(format!(
            "{}: no {kind}: {error}; give what `kubectl get {} NAME -o yaml` prints",
            path.display(),
            kind.to_lowercase()
        ))
    })
}

/// Nothing speaks against the document of a file; else what does, and what follows from that.
pub(super) fn right(path: &Path, findings: &[String], consequence: &str) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!(
        "{}: {} findings: {}; {consequence}",
        path.display(),
        findings.len(),
        findings.join("; ")
    )))
}

#[cfg(test)]
mod tests {
    use super::public_key;

    #[test]
    fn keys_are_read_strictly() {
        let key = "AB".repeat(32);
        assert_eq!(public_key(&key).unwrap(), key.to_lowercase());
        for text in ["", "00", &format!("{}x", &key[1..])] {
            assert!(public_key(text).is_err(), "{text}");
        }
    }
}
