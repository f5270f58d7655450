//! Tests of the format: against a second implementation, against vectors of a third, and by damage.

mod damage;
mod manifest;
mod reference;
mod round_trip;
mod vectors;

use crate::{Error, Expected, Key, Opened, Sealed, decrypt_stream, encrypt_stream};

/// A key that the tests know.
fn key() -> Key {
    Key::from_hex(&"0f".repeat(32)).unwrap()
}

/// Bytes without a pattern that a shifted copy would repeat.
fn text(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|i| u8::try_from((i * 31 + i / 251 * 7) % 256).unwrap())
        .collect()
}

fn encrypt(plaintext: &[u8], chunk_bytes: u32) -> (Vec<u8>, Sealed) {
    let mut ciphertext = Vec::new();
    let sealed = encrypt_stream(plaintext, &mut ciphertext, &key(), chunk_bytes).unwrap();
    (ciphertext, sealed)
}

/// Decrypts without a digest check of its own: `sha256_ciphertext` is that of the bytes given, so that
/// what refuses them is the format alone.
fn decrypt(ciphertext: &[u8], plaintext_bytes: u64, chunk_bytes: u32) -> (Vec<u8>, Result<Opened, Error>) {
    decrypt_with(&key(), ciphertext, plaintext_bytes, chunk_bytes)
}

fn decrypt_with(
    key: &Key,
    ciphertext: &[u8],
    plaintext_bytes: u64,
    chunk_bytes: u32,
) -> (Vec<u8>, Result<Opened, Error>) {
    let sha256_ciphertext = &crate::hex_digest(ciphertext);
    let expected = Expected {
        plaintext_bytes,
        chunk_bytes,
        sha256_ciphertext,
    };
    let mut released = Vec::new();
    let opened = decrypt_stream(ciphertext, &mut released, key, expected);
    (released, opened)
}
