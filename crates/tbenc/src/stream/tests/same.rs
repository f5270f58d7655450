//! One thread and three give the same bytes, digests and errors.

use proptest::prelude::*;

use super::{CHUNK, RECORD, WAYS, decrypt, decrypt_to, encrypt_to, encrypted, key, text};
use crate::{Class, Decrypt, Encrypt, Expected, ciphertext_bytes, hex_digest, unobserved};

const SIZES: [usize; 11] = [0, 1, 15, 16, 17, 31, 32, 33, 48, 160, 1000];

#[test]
fn every_way_round_trips_every_size() {
    for bytes in SIZES {
        for buffers in WAYS {
            let mut ciphertext = Vec::new();
            let sealed = encrypt_to(buffers, &text(bytes)[..], &mut ciphertext, unobserved).unwrap();
            assert_eq!(sealed.plaintext_bytes, bytes as u64);
            assert_eq!(sealed.ciphertext_bytes, ciphertext.len() as u64);
            assert_eq!(sealed.ciphertext_bytes, ciphertext_bytes(bytes as u64, CHUNK));
            assert_eq!(sealed.sha256_ciphertext, hex_digest(&ciphertext));
            assert_eq!(sealed.plaintext_sha256, Some(hex_digest(&text(bytes))));
            for buffers in WAYS {
                let (released, opened) = decrypt(buffers, &ciphertext, bytes);
                assert_eq!(opened.unwrap().plaintext_sha256, sealed.plaintext_sha256);
                assert_eq!(released, text(bytes), "{bytes} bytes, {buffers} buffers");
            }
        }
    }
}

#[test]
fn every_damage_ends_the_same_way() {
    const BYTES: usize = 90;
    let good = encrypted(BYTES);
    let flipped = (0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let cut = (0..good.len()).map(|length| good[..length].to_vec());
    let swapped = (0..4).map(|record| {
        let (mut bytes, start) = (good.clone(), 32 + record * RECORD);
        bytes[start..start + 2 * RECORD].rotate_left(RECORD);
        bytes
    });
    let longer = [[&good[..], &[0]].concat()];
    for damaged in flipped.chain(cut).chain(swapped).chain(longer) {
        let (released, opened) = decrypt(1, &damaged, BYTES);
        let error = opened.unwrap_err();
        assert!(text(BYTES).starts_with(&released) && released.len() < BYTES);
        for buffers in WAYS {
            let other = decrypt(buffers, &damaged, BYTES);
            assert_eq!(other.0, released, "{buffers} buffers: {error}");
            assert_eq!(other.1.unwrap_err(), error);
        }
    }
}

#[test]
fn the_last_chunk_waits_for_the_digest() {
    let ciphertext = encrypted(90);
    for buffers in WAYS {
        let mut released = Vec::new();
        let wrong = (&ciphertext[..], 90, "0");
        let error = decrypt_to(buffers, wrong, &mut released, unobserved).unwrap_err();
        assert_eq!(error.class(), Class::Digest);
        assert_eq!(released, text(80));
    }
}

/// The last record and the digest are both wrong: the record comes first.
#[test]
fn a_tag_is_judged_before_the_digest() {
    let mut ciphertext = encrypted(90);
    *ciphertext.last_mut().unwrap() ^= 1;
    for buffers in WAYS {
        let wrong = (&ciphertext[..], 90, "0");
        let error = decrypt_to(buffers, wrong, Vec::new(), unobserved).unwrap_err();
        assert_eq!(error.class(), Class::Auth);
    }
}

#[test]
fn the_plaintexts_digest_can_be_left_out() {
    let key = key();
    for buffers in WAYS {
        let encrypt = Encrypt {
            plaintext_digest: false,
            buffers,
            ..Encrypt::new(&key, CHUNK)
        };
        let (mut ciphertext, mut plaintext) = (Vec::new(), Vec::new());
        let sealed = encrypt.run(&text(90)[..], &mut ciphertext, unobserved).unwrap();
        assert_eq!(sealed.plaintext_sha256, None);
        let expected = Expected {
            plaintext_bytes: 90,
            chunk_bytes: CHUNK,
            sha256_ciphertext: &hex_digest(&ciphertext),
        };
        let decrypt = Decrypt {
            plaintext_digest: false,
            buffers,
            ..Decrypt::new(&key, expected)
        };
        let opened = decrypt.run(&ciphertext[..], &mut plaintext, unobserved).unwrap();
        assert_eq!((opened.plaintext_sha256, plaintext), (None, text(90)));
    }
}

proptest! {
    #[test]
    fn any_edit_of_any_file_ends_the_same_way(
        bytes in 1_usize..400, at: prop::sample::Index, mask in 1_u8.., buffers in 2_usize..5,
    ) {
        let mut damaged = encrypted(bytes);
        let at = at.index(damaged.len());
        damaged[at] ^= mask;
        let (one, other) = (decrypt(1, &damaged, bytes), decrypt(buffers, &damaged, bytes));
        prop_assert_eq!(one.0, other.0);
        prop_assert_eq!(one.1.unwrap_err(), other.1.unwrap_err());
    }
}
