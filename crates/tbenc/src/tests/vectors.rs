//! The checked-in vectors, made by `vectors/generate.py` in another language.

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::decrypt_with;
use crate::Key;
use crate::manifest::commitment_hex;

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is missing in {value}"))
}

#[test]
fn every_file_vector_gives_its_plaintext_or_its_class() {
    let document: Value = serde_json::from_str(include_str!("../../vectors/tbenc-v1.json")).unwrap();
    let vectors = document["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 30, "only {} vectors", vectors.len());
    for vector in vectors {
        let comment = text(vector, "comment");
        let key = Key::from_hex(text(vector, "key")).unwrap();
        let ciphertext = HEXLOWER.decode(text(vector, "ciphertext").as_bytes()).unwrap();
        let chunk_bytes = u32::try_from(vector["chunk_bytes"].as_u64().unwrap()).unwrap();
        let plaintext_bytes = vector["plaintext_bytes"].as_u64().unwrap();
        let (released, opened) = decrypt_with(&key, &ciphertext, plaintext_bytes, chunk_bytes);
        match text(vector, "result") {
            "valid" => {
                opened.unwrap_or_else(|error| panic!("{comment}: {error}"));
                assert_eq!(HEXLOWER.encode(&released), text(vector, "plaintext"), "{comment}");
            }
            _ => assert_eq!(
                opened.unwrap_err().class().as_str(),
                text(vector, "error"),
                "{comment}"
            ),
        }
    }
}

#[test]
fn every_key_vector_gives_its_key() {
    let document: Value = serde_json::from_str(include_str!("../../vectors/keys-v1.json")).unwrap();
    let key = Key::from_hex(text(&document, "key")).unwrap();
    for file in document["files"].as_array().unwrap() {
        assert_eq!(*key.derive_file(text(file, "path")).to_hex(), text(file, "key"));
    }
    for commitment in document["commitments"].as_array().unwrap() {
        let asset_id = text(commitment, "asset_id");
        assert_eq!(commitment_hex(&key, asset_id), text(commitment, "key_commitment"));
    }
}
