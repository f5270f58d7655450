//! What the drivers make of the machine: 256 MiB sealed and opened, on one thread and on three, with and without
//! the plaintext's digest, from memory to nowhere and from file to file in tmpfs. The reference of the ratios is
//! one bare stream of SHA-256 over the same bytes: with one digest a file cannot be faster than that.
//!
//! `cargo bench -p trustbridge-tbenc --bench pipeline`

mod contest;

use std::fs::File;
use std::io::{Read, Write, sink};
use std::iter::once;
use std::path::Path;

use criterion::Criterion;
use trustbridge_tbenc::{
    DEFAULT_CHUNK_BYTES, Decrypt, Encrypt, Expected, Key, MAX_BUFFERS, Sha256, encrypt_stream, unobserved,
};

use contest::{Contender, contender, contest};

const BYTES: usize = 256 << 20;

/// One way to do it, and how the table calls it.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    buffers: usize,
    plaintext_digest: bool,
}

const WAYS: [Way; 6] = [
    way("one thread, both digests", 1, true),
    way("three threads, 3 buffers, both digests", 3, true),
    way("three threads, 4 buffers, both digests", MAX_BUFFERS, true),
    way("one thread, ciphertext's digest alone", 1, false),
    way("three threads, 3 buffers, ciphertext's alone", 3, false),
    way("three threads, 4 buffers, ciphertext's alone", MAX_BUFFERS, false),
];

const fn way(name: &'static str, buffers: usize, plaintext_digest: bool) -> Way {
    Way {
        name,
        buffers,
        plaintext_digest,
    }
}

/// Plaintext bytes done.
type Outcome = Result<u64, Box<dyn std::error::Error>>;
/// Does the work of one contest in a way.
type Run<'r> = Box<dyn Fn(Way) -> Outcome + 'r>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = folder()?;
    let (plain, sealed, out) = (
        folder.path().join("plain"),
        folder.path().join("sealed"),
        folder.path().join("out"),
    );
    let key = Key::generate()?;
    let text: Vec<u8> = (0..BYTES)
        .map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[2])
        .collect();
    std::fs::write(&plain, &text)?;
    let made = encrypt_stream(&text[..], File::create(&sealed)?, &key, DEFAULT_CHUNK_BYTES)?;
    let expected = Expected {
        plaintext_bytes: made.plaintext_bytes,
        chunk_bytes: DEFAULT_CHUNK_BYTES,
        sha256_ciphertext: &made.sha256_ciphertext,
    };
    let ciphertext = std::fs::read(&sealed)?;

    let (key, text) = (&key, text.as_slice());
    let contests: [(&str, Run<'_>); 4] = [
        (
            "seal, memory to nowhere",
            Box::new(|way| encrypt(key, way, text, sink())),
        ),
        (
            "seal, file to file",
            Box::new(|way| encrypt(key, way, File::open(&plain)?, File::create(&out)?)),
        ),
        (
            "open, memory to nowhere",
            Box::new(|way| decrypt(key, way, expected, &ciphertext[..], sink())),
        ),
        (
            "open, file to file",
            Box::new(|way| decrypt(key, way, expected, File::open(&sealed)?, File::create(&out)?)),
        ),
    ];
    let mut criterion = Criterion::default().configure_from_args();
    for (title, run) in &contests {
        let ways = WAYS
            .iter()
            .map(|way| contender(way.name, move || done(&run(*way))));
        let contenders = once(hashing(text)).chain(ways).collect();
        contest(&mut criterion, title, BYTES as u64, contenders);
    }
    criterion.final_summary();
    Ok(())
}

/// A folder in memory where the machine has one, so that no disk is measured.
fn folder() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
}

fn hashing(text: &[u8]) -> Contender<'_> {
    contender("SHA-256, one stream", || {
        let mut sha256 = Sha256::new();
        text.chunks(DEFAULT_CHUNK_BYTES as usize)
            .for_each(|chunk| sha256.update(chunk));
        sha256.finish_hex()
    })
}

fn encrypt(key: &Key, way: Way, from: impl Read, to: impl Write + Send) -> Outcome {
    let encrypt = Encrypt {
        plaintext_digest: way.plaintext_digest,
        buffers: way.buffers,
        ..Encrypt::new(key, DEFAULT_CHUNK_BYTES)
    };
    let sealed = encrypt.run(from, to, unobserved)?;
    Ok(sealed.plaintext_bytes)
}

fn decrypt(key: &Key, way: Way, expected: Expected<'_>, from: impl Read, to: impl Write + Send) -> Outcome {
    let decrypt = Decrypt {
        plaintext_digest: way.plaintext_digest,
        buffers: way.buffers,
        ..Decrypt::new(key, expected)
    };
    let opened = decrypt.run(from, to, unobserved)?;
    Ok(opened.plaintext_bytes)
}

/// A measurement of something that failed is none. Unwinding takes the folder away.
fn done(outcome: &Outcome) {
    let whole = matches!(outcome, Ok(bytes) if *bytes == BYTES as u64);
    assert!(whole, "the measured work failed: {outcome:?}");
}
