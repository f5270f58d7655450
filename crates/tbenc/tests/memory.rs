//! What opening a file takes from the allocator, counted: its record buffers and little else, whatever the
//! file says.
//!
//! A program of its own, because the allocator counts for the whole process; its trials run one after another.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    reason = "a test's helper may fail its test"
)]

use std::io;
use std::process::ExitCode;

use data_encoding::HEXLOWER;
use libtest_mimic::{Arguments, Failed, Trial};
use peak_alloc::PeakAlloc;
use serde_json::Value;
use trustbridge_tbenc::{
    Budget, Decrypt, Expected, Header, Key, MAX_BUFFER_BYTES, MAX_BUFFERS, MAX_CHUNK_BYTES,
    MAX_PLAINTEXT_BYTES, Opener, RECORD_OVERHEAD, encrypt_stream, hex_digest, unobserved,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// For what is not a record: the key schedule, digests, channels, threads' names, an error's text.
const SMALL: usize = 64 << 10;
const MIB: usize = 1 << 20;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let vectors = vectors();
    let trials = vec![
        trial(
            format!(
                "memory: {} vectors take no more than their buffers and 64 KiB",
                vectors.len()
            ),
            move || vectors.iter().try_for_each(vector),
        ),
        trial(
            "memory: a header that asks for 4 GiB takes 64 KiB at most".into(),
            hostile_header,
        ),
        trial(
            "memory: a pt_len that asks for 4 GiB takes 64 KiB at most".into(),
            hostile_length,
        ),
        trial(
            "memory: a manifest that promises 16 TiB takes one chunk at most".into(),
            hostile_manifest,
        ),
        trial(
            "memory: 64 MiB in chunks of 1 MiB take 1 to 4 buffers and 64 KiB".into(),
            long_file,
        ),
        trial(
            "memory: an Opener takes 64 KiB at most, whatever the chunk size".into(),
            opener,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: String, run: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    Trial::test(name, || run().map_err(Failed::from))
}

fn key() -> Key {
    Key::from_hex(&"0f".repeat(32)).unwrap()
}

/// The most bytes that were allocated at once while this ran, beyond those that were before.
fn peak_of<T>(run: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = run();
    (ALLOCATOR.peak_usage().saturating_sub(before), result)
}

fn at_most(what: &str, peak: usize, limit: usize) -> Result<(), String> {
    if peak <= limit {
        return Ok(());
    }
    Err(format!("{what} took {peak} bytes, at most {limit} are right"))
}

/// Opens with so many buffers and forgets the plaintext; the class where it is refused.
fn open(key: &Key, expected: Expected<'_>, bytes: &[u8], buffers: usize) -> Option<&'static str> {
    let decrypt = Decrypt {
        buffers,
        ..Decrypt::new(key, expected)
    };
    let opened = decrypt.run(bytes, io::sink(), unobserved);
    opened.err().map(|error| error.class().as_str())
}

fn vectors() -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../vectors/tbenc-v1.json")).unwrap();
    let mut vectors = document["vectors"].as_array().unwrap().clone();
    vectors.retain(|vector| vector["ciphertext"].is_string());
    vectors
}

fn vector(vector: &Value) -> Result<(), String> {
    let bytes = HEXLOWER
        .decode(vector["ciphertext"].as_str().unwrap().as_bytes())
        .unwrap();
    let (key, manifest) = (
        Key::from_hex(vector["key"].as_str().unwrap()).unwrap(),
        &vector["manifest"],
    );
    let expected = Expected {
        plaintext_bytes: manifest["plaintext_bytes"].as_u64().unwrap(),
        chunk_bytes: u32::try_from(manifest["chunk_bytes"].as_u64().unwrap()).unwrap(),
        sha256_ciphertext: manifest["sha256_ciphertext"].as_str().unwrap(),
    };
    let comment = vector["comment"].as_str().unwrap();
    for buffers in [1, MAX_BUFFERS] {
        let (peak, class) = peak_of(|| open(&key, expected, &bytes, buffers));
        if class != vector["error"].as_str() {
            return Err(format!("{comment}: {class:?}"));
        }
        // What is refused for its numbers has allocated nothing for them.
        let record = match class {
            Some("HEADER" | "LIMIT") if expected.chunk_bytes > 16 => 0,
            _ => expected.plaintext_bytes.min(u64::from(expected.chunk_bytes)),
        };
        let record = usize::try_from(record).unwrap() + RECORD_OVERHEAD;
        at_most(comment, peak, buffers * record + SMALL)?;
    }
    Ok(())
}

fn file(chunk_bytes: u32, body: &[u8]) -> Vec<u8> {
    let mut file = b"TBENC001\0\x01\x01".to_vec();
    file.extend(chunk_bytes.to_be_bytes());
    file.extend([0; 17]);
    file.extend(body);
    file
}

fn refused(expected: Expected<'_>, bytes: &[u8], class: &str, limit: usize) -> Result<(), String> {
    for buffers in 1..=MAX_BUFFERS {
        let key = key();
        let (peak, found) = peak_of(|| open(&key, expected, bytes, buffers));
        if found != Some(class) {
            return Err(format!("{found:?}, must be {class}"));
        }
        at_most("the reader", peak, limit)?;
    }
    Ok(())
}

fn hostile_header() -> Result<(), String> {
    for (in_header, in_manifest) in [
        (u32::MAX, 16),
        (u32::MAX, u32::MAX),
        (MAX_CHUNK_BYTES, 16),
        (16, MAX_CHUNK_BYTES),
    ] {
        let expected = Expected {
            plaintext_bytes: MAX_PLAINTEXT_BYTES,
            chunk_bytes: in_manifest,
            sha256_ciphertext: "",
        };
        refused(expected, &file(in_header, &[0xff; 100]), "LIMIT", SMALL)?;
    }
    Ok(())
}

fn hostile_length() -> Result<(), String> {
    let expected = Expected {
        plaintext_bytes: 1000,
        chunk_bytes: 16,
        sha256_ciphertext: "",
    };
    refused(expected, &file(16, &[0xff; 2000]), "LIMIT", SMALL)
}

fn hostile_manifest() -> Result<(), String> {
    for chunk_bytes in [16, 4096, MAX_CHUNK_BYTES] {
        let expected = Expected {
            plaintext_bytes: MAX_PLAINTEXT_BYTES,
            chunk_bytes,
            sha256_ciphertext: "",
        };
        let limit = chunk_bytes as usize + RECORD_OVERHEAD + SMALL;
        refused(expected, &file(chunk_bytes, &[]), "TRUNCATED", limit)?;
    }
    Ok(())
}

fn long_file() -> Result<(), String> {
    let key = key();
    let (plain, mut bytes) = (vec![7; 64 * MIB], Vec::with_capacity(65 * MIB));
    encrypt_stream(plain.as_slice(), &mut bytes, &key, 1 << 20).unwrap();
    drop(plain);
    let digest = hex_digest(&bytes);
    let expected = Expected {
        plaintext_bytes: 64 * MIB as u64,
        chunk_bytes: 1 << 20,
        sha256_ciphertext: &digest,
    };
    for buffers in 1..=MAX_BUFFERS {
        let (peak, class) = peak_of(|| open(&key, expected, &bytes, buffers));
        if class.is_some() {
            return Err(format!("{class:?}"));
        }
        at_most("a long file", peak, buffers * (MIB + RECORD_OVERHEAD) + SMALL)?;
    }
    let here = Budget::here(MAX_CHUNK_BYTES, 1).buffers * (MAX_CHUNK_BYTES as usize + RECORD_OVERHEAD);
    at_most(
        "the budget of the largest chunk",
        here,
        MAX_BUFFER_BYTES.max(MAX_CHUNK_BYTES as usize + RECORD_OVERHEAD),
    )
}

fn opener() -> Result<(), String> {
    let key = key();
    for chunk_bytes in [1, 16, MAX_CHUNK_BYTES] {
        let header = Header {
            chunk_bytes,
            nonce_prefix: [0; 4],
        };
        let mut record = vec![0xff; 4096];
        let (peak, result) = peak_of(|| {
            let mut opener = Opener::new(&key, header, MAX_PLAINTEXT_BYTES).unwrap();
            opener.open_record(&mut record).map(|_| ())
        });
        if result.is_ok() {
            return Err(String::from("garbage opened"));
        }
        at_most("an Opener", peak, SMALL)?;
    }
    Ok(())
}
