//! Why aws-lc-rs is on the hot path: its AES-256-GCM and SHA-256 beside RustCrypto's, on chunks of 4 MiB,
//! in one process, alternating, so that the machine's mood hits both. Prints medians and their ratio.
//!
//! `cargo bench -p trustbridge-tbenc --bench ciphers`

use aes_gcm::aead::{AeadInOut, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Digest;
use std::time::{Duration, Instant};

const CHUNK: usize = 4 << 20;
const ROUNDS: usize = 25;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = [7_u8; 32];
    let aws = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).map_err(|_| "the key has 32 bytes")?);
    let rust = aes_gcm::Aes256Gcm::new(&key.into());
    let mut buffer = vec![0x5a_u8; CHUNK];
    let mut other = buffer.clone();

    report(
        "AES-256-GCM seal",
        || {
            let nonce = Nonce::assume_unique_for_key([1; 12]);
            let tag = aws.seal_in_place_separate_tag(nonce, Aad::from([0_u8; 31]), &mut buffer);
            std::hint::black_box(tag.is_ok());
        },
        || {
            let tag = rust.encrypt_inout_detached(&[1; 12].into(), &[0_u8; 31], other.as_mut_slice().into());
            std::hint::black_box(tag.is_ok());
        },
    );
    let data = vec![0x5a_u8; CHUNK];
    report(
        "SHA-256",
        || {
            std::hint::black_box(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &data));
        },
        || {
            std::hint::black_box(sha2::Sha256::digest(&data));
        },
    );
    Ok(())
}

fn report(what: &str, mut aws: impl FnMut(), mut rust: impl FnMut()) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(timed(&mut aws));
        times.1.push(timed(&mut rust));
    }
    let (aws, rust) = (rate(times.0), rate(times.1));
    println!(
        "{what:<18} aws-lc-rs {aws:7.0} MiB/s   RustCrypto {rust:7.0} MiB/s   ratio {:.2}",
        aws / rust
    );
}

fn timed(work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default().as_secs_f64();
    4.0 / median
}
