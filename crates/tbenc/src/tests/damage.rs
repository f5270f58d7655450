//! Every damaged file is refused with the right class, and what was released before is a true prefix.

use proptest::prelude::*;

use super::{decrypt, decrypt_with, encrypt, key, text};
use crate::{Class, Error, Expected, Header, Key, Opener, Sealer, check_size, decrypt_stream};

const CHUNK: u32 = 16;
const BYTES: usize = 40;
const RECORD: usize = 16 + 20;

fn refused(ciphertext: &[u8], what: &str) -> Class {
    let (released, opened) = decrypt(ciphertext, BYTES as u64, CHUNK);
    let error = opened.expect_err(what);
    assert!(
        text(BYTES).starts_with(&released),
        "{what}: released bytes that are no prefix"
    );
    assert!(released.len() < BYTES, "{what}: the last chunk was released");
    error.class()
}

/// The class that a change of the byte at this place must have.
fn class_at(at: usize) -> Class {
    match at {
        0..11 | 19..32 => Class::Header,
        11..15 => Class::Limit,
        15..19 => Class::Auth,
        _ if (at - 32) % RECORD < 4 => Class::Limit,
        _ => Class::Auth,
    }
}

#[test]
fn every_flipped_bit_is_refused_with_its_class() {
    let (ciphertext, _) = encrypt(&text(BYTES), CHUNK);
    for at in 0..ciphertext.len() {
        for bit in 0..8 {
            let mut damaged = ciphertext.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(
                refused(&damaged, &format!("byte {at} bit {bit}")),
                class_at(at),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let (ciphertext, _) = encrypt(&text(BYTES), CHUNK);
    for length in 0..ciphertext.len() {
        assert_eq!(
            refused(&ciphertext[..length], &format!("{length} bytes")),
            Class::Truncated
        );
        let error = check_size(length as u64, BYTES as u64, CHUNK).unwrap_err();
        assert_eq!(error.class(), Class::Size);
    }
    for more in [1, 4, RECORD] {
        let mut extended = ciphertext.clone();
        extended.extend(text(more));
        assert_eq!(refused(&extended, &format!("{more} more bytes")), Class::Trailing);
    }
    check_size(ciphertext.len() as u64, BYTES as u64, CHUNK).unwrap();
}

#[test]
fn every_permutation_repetition_and_omission_of_records_is_refused() {
    let (ciphertext, _) = encrypt(&text(48), CHUNK);
    let (head, records) = ciphertext.split_at(32);
    let records: Vec<&[u8]> = records.chunks(RECORD).collect();
    for order in (0..27)
        .map(|n| [n / 9, n / 3 % 3, n % 3])
        .filter(|order| *order != [0, 1, 2])
    {
        let damaged: Vec<u8> = head
            .iter()
            .copied()
            .chain(order.iter().flat_map(|i| records[*i].to_vec()))
            .collect();
        let (_, opened) = decrypt(&damaged, 48, CHUNK);
        assert_eq!(opened.unwrap_err().class(), Class::Auth, "{order:?}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let (ciphertext, _) = encrypt(&text(BYTES), CHUNK);
    let other = Key::from_hex(&"10".repeat(32)).unwrap();
    let (released, opened) = decrypt_with(&other, &ciphertext, BYTES as u64, CHUNK);
    assert_eq!(opened.unwrap_err(), Error::Auth { index: 0 });
    assert!(released.is_empty());
}

#[test]
fn a_record_of_another_file_under_the_same_key_is_refused() {
    let (one, _) = encrypt(&text(BYTES), CHUNK);
    let (mut two, _) = encrypt(&text(BYTES), CHUNK);
    two[32..32 + RECORD].copy_from_slice(&one[32..32 + RECORD]);
    assert_eq!(refused(&two, "a foreign record"), Class::Auth);
}

#[test]
fn a_wrong_digest_holds_the_last_chunk_back() {
    let (ciphertext, _) = encrypt(&text(BYTES), CHUNK);
    let sha256_ciphertext = &"0".repeat(64);
    let expected = Expected {
        plaintext_bytes: BYTES as u64,
        chunk_bytes: CHUNK,
        sha256_ciphertext,
    };
    let mut released = Vec::new();
    let error = decrypt_stream(&ciphertext[..], &mut released, &key(), expected).unwrap_err();
    assert_eq!(error.class(), Class::Digest);
    assert_eq!(released, text(32));
}

/// An authentic file whose records are legal, but whose shape is not the one that the length gives.
#[test]
fn an_authentic_short_record_in_the_middle_is_refused() {
    let header = Header {
        chunk_bytes: CHUNK,
        nonce_prefix: [1; 4],
    };
    let mut file = header.encode().to_vec();
    Sealer::new(&key(), header)
        .unwrap()
        .seal_chunk(&text(8), &mut file)
        .unwrap();
    file.extend(text(100));
    let (_, opened) = decrypt(&file, BYTES as u64, CHUNK);
    assert_eq!(
        opened.unwrap_err(),
        Error::RecordLength {
            index: 0,
            pt_len: 8,
            expected: 16
        }
    );
}

#[test]
fn errors_stick_and_wipe_the_record() {
    let header = Header {
        chunk_bytes: 4,
        nonce_prefix: [1; 4],
    };
    let mut good = Vec::new();
    Sealer::new(&key(), header)
        .unwrap()
        .seal_chunk(b"1234", &mut good)
        .unwrap();
    let mut opener = Opener::new(&key(), header, 4).unwrap();
    let mut bad = good.clone();
    bad[5] ^= 1;
    let first = opener.open_record(&mut bad).unwrap_err();
    assert!(bad.iter().all(|byte| *byte == 0), "the record must be wiped");
    assert_eq!(opener.open_record(&mut good.clone()).unwrap_err(), first);
    assert_eq!(opener.finish().unwrap_err(), first);
}

#[test]
fn an_opener_knows_the_end() {
    let header = Header {
        chunk_bytes: 4,
        nonce_prefix: [1; 4],
    };
    let mut opener = Opener::new(&key(), header, 4).unwrap();
    assert!(opener.next_is_last());
    assert_eq!(opener.next_record_bytes(), 24);
    assert_eq!(opener.finish().unwrap_err().class(), Class::Truncated);

    let mut record = Vec::new();
    Sealer::new(&key(), header)
        .unwrap()
        .seal_chunk(b"1234", &mut record)
        .unwrap();
    let mut opener = Opener::new(&key(), header, 4).unwrap();
    assert_eq!(opener.open_record(&mut record.clone()).unwrap(), b"1234");
    opener.finish().unwrap();
    assert_eq!(opener.next_record_bytes(), 0);
    assert_eq!(
        opener.open_record(&mut record).unwrap_err().class(),
        Class::Trailing
    );
    assert_eq!(opener.finish().unwrap_err().class(), Class::Trailing);
}

#[test]
fn an_absurd_length_is_refused_before_anything_is_allocated() {
    let header = Header {
        chunk_bytes: 4,
        nonce_prefix: [1; 4],
    };
    assert_eq!(
        Opener::new(&key(), header, u64::MAX).err().unwrap().class(),
        Class::Limit
    );
}

proptest! {
    #[test]
    fn any_edit_of_any_file_is_refused(
        size in 1_usize..200, chunk_bytes in 1_u32..64, at: prop::sample::Index, mask in 1_u8..,
    ) {
        let (mut ciphertext, _) = encrypt(&text(size), chunk_bytes);
        let at = at.index(ciphertext.len());
        ciphertext[at] ^= mask;
        let (released, opened) = decrypt(&ciphertext, size as u64, chunk_bytes);
        prop_assert!(opened.is_err());
        prop_assert!(text(size).starts_with(&released) && released.len() < size);
    }
}
