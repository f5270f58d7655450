//! The rules of writer, reader and key that no file shows: order of calls, errors that stay, randomness.
//!
//! What files show is in `tests/conformance`.

use super::key;
use crate::{Class, Header, Key, Opener, Sealer, record_count};

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

#[test]
fn an_empty_file_has_no_record() {
    assert_eq!(record_count(0, 16), 0);
    assert_eq!(record_count(1, 16), 1);
    assert_eq!(record_count(17, 16), 2);
}
