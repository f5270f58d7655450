//! What is sealed opens again, and the second implementation writes the same bytes.

use proptest::prelude::*;

use super::{decrypt, encrypt, key, reference, text};
use crate::{Class, HEADER_BYTES, Header, Key, Sealer, ciphertext_bytes, record_count};

const SIZES: [usize; 12] = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 100];

fn prefix_of(ciphertext: &[u8]) -> [u8; 4] {
    ciphertext[15..19].try_into().unwrap()
}

#[test]
fn every_size_around_chunk_boundaries_round_trips() {
    for chunk_bytes in [1, 2, 16, 17, 4096] {
        for size in SIZES {
            let plaintext = text(size);
            let (ciphertext, sealed) = encrypt(&plaintext, chunk_bytes);
            assert_eq!(
                ciphertext.len() as u64,
                ciphertext_bytes(size as u64, chunk_bytes)
            );
            assert_eq!(sealed.ciphertext_bytes, ciphertext.len() as u64);
            assert_eq!(sealed.plaintext_bytes, size as u64);
            assert_eq!(sealed.plaintext_sha256, reference::sha256_hex(&plaintext));
            assert_eq!(sealed.sha256_ciphertext, reference::sha256_hex(&ciphertext));
            let (released, opened) = decrypt(&ciphertext, size as u64, chunk_bytes);
            assert_eq!(opened.unwrap().plaintext_sha256, sealed.plaintext_sha256);
            assert_eq!(released, plaintext);
        }
    }
}

#[test]
fn both_implementations_write_the_same_bytes() {
    for chunk_bytes in [1, 3, 16, 100] {
        for size in SIZES {
            let (ciphertext, _) = encrypt(&text(size), chunk_bytes);
            let other = reference::seal(&[0x0f; 32], prefix_of(&ciphertext), chunk_bytes, &text(size));
            assert_eq!(ciphertext, other, "{size} bytes in chunks of {chunk_bytes}");
        }
    }
}

#[test]
fn an_empty_file_is_a_header_alone() {
    let (ciphertext, _) = encrypt(&[], 16);
    assert_eq!(ciphertext.len(), HEADER_BYTES);
    assert_eq!(record_count(0, 16), 0);
}

#[test]
fn two_runs_never_share_a_nonce_prefix_by_design() {
    let prefixes: std::collections::HashSet<_> = (0..64)
        .map(|_| Header::generate(16).unwrap().nonce_prefix)
        .collect();
    assert!(
        prefixes.len() > 60,
        "the prefix must be random: {} of 64 differ",
        prefixes.len()
    );
}

#[test]
fn derived_keys_agree_with_the_second_implementation() {
    let file = reference::hkdf(&[0x0f; 32], b"trustbridge/tbenc/v1/file\0model.safetensors");
    assert_eq!(
        *key().derive_file("model.safetensors").to_hex(),
        data_encoding::HEXLOWER.encode(&file)
    );
    let commitment = reference::hkdf(&[0x0f; 32], b"trustbridge/tbenc/v1/commit\0tb-asset-1");
    assert_eq!(key().commitment("tb-asset-1"), commitment);
}

#[test]
fn a_key_is_exactly_64_hexadecimal_characters_and_never_repeated() {
    let good = "AB".repeat(32);
    assert_eq!(*Key::from_hex(&good).unwrap().to_hex(), good.to_lowercase());
    let almost = [
        &good[1..],
        &format!("{good}0"),
        &format!("{good}\n"),
        &good.replace('B', "g"),
        "",
        "é",
    ];
    for text in almost {
        let error = Key::from_hex(text).err().unwrap();
        assert_eq!(error.class(), Class::Key);
        assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_writer_refuses_empty_long_and_late_chunks() {
    let mut sealer = Sealer::new(&key(), Header::generate(4).unwrap()).unwrap();
    let mut out = Vec::new();
    for bad in [&b""[..], b"12345"] {
        assert_eq!(
            sealer.seal_chunk(bad, &mut out).unwrap_err().class(),
            Class::Usage
        );
    }
    assert!(out.is_empty());
    sealer.seal_chunk(b"1234", &mut out).unwrap();
    sealer.seal_chunk(b"12", &mut out).unwrap();
    assert_eq!(
        sealer.seal_chunk(b"1234", &mut out).unwrap_err().class(),
        Class::Usage
    );
}

#[test]
fn a_chunk_size_outside_its_bounds_is_refused() {
    for chunk_bytes in [0, (64 << 20) + 1, u32::MAX] {
        assert_eq!(Header::generate(chunk_bytes).unwrap_err().class(), Class::Limit);
        let forged = Header {
            chunk_bytes,
            nonce_prefix: [0; 4],
        };
        assert_eq!(Sealer::new(&key(), forged).err().unwrap().class(), Class::Limit);
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_chunks_round_trip(plaintext: Vec<u8>, chunk_bytes in 1_u32..200) {
        let (ciphertext, _) = encrypt(&plaintext, chunk_bytes);
        prop_assert_eq!(
            &ciphertext,
            &reference::seal(&[0x0f; 32], prefix_of(&ciphertext), chunk_bytes, &plaintext)
        );
        let (released, opened) = decrypt(&ciphertext, plaintext.len() as u64, chunk_bytes);
        prop_assert!(opened.is_ok());
        prop_assert_eq!(released, plaintext);
    }
}
