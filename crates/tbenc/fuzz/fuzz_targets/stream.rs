//! A file and a manifest's numbers: every reader gives the same bytes and the same class as the reference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../tests/conformance/readers.rs"]
mod readers;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../tests/conformance/reference.rs"]
mod reference;

use readers::{Stated, by_core, by_stream};
use trustbridge_tbenc::Key;

/// How the input begins: plaintext_bytes, chunk_bytes, whether the digest is another one. The file follows.
const NUMBERS: usize = 8 + 4 + 1;
/// The key of the vectors, so that the seeds open.
const KEY: &[u8] = b"245ac6552ce26c5bc8b0af44f291a572646e276c04701b98d1cb3c68df9ce7a5";

fuzz_target!(|input: &[u8]| {
    let Some((numbers, file)) = input.split_first_chunk::<NUMBERS>() else {
        return;
    };
    let stated = Stated {
        plaintext_bytes: u64::from_be_bytes(*numbers.first_chunk().unwrap()),
        chunk_bytes: u32::from_be_bytes(numbers[8..12].try_into().unwrap()),
        sha256_ciphertext: if numbers[12] & 1 == 0 {
            reference::sha256_hex(file)
        } else {
            "0".repeat(64)
        },
    };
    let bytes: [u8; 32] = data_encoding::HEXLOWER.decode(KEY).unwrap().try_into().unwrap();
    let key = Key::from_bytes(&Zeroizing::new(bytes));
    let wanted = reference::open(&bytes, &stated, file);
    assert_eq!(by_stream(&key, &stated, file), wanted);
    assert_eq!(by_core(&key, &stated, file), wanted);
    if wanted.refused.is_none() {
        assert!(readers::length_is_exact(&stated, file));
    }
});
