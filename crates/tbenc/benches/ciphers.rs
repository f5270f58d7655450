//! Why aws-lc-rs is on the hot path: its SHA-256 and AES-256-GCM beside `RustCrypto`'s, on chunks of 4 MiB, in
//! one process. The reference of the ratios is aws-lc-rs' SHA-256: what a file's digest allows.
//!
//! `cargo bench -p trustbridge-tbenc --bench ciphers`

mod contest;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use criterion::Criterion;
use sha2::Digest;

use contest::{contender, contest, prepared};

const CHUNK: usize = 4 << 20;
const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [1; 12];
const AAD: [u8; 31] = [0; 31];

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key(NONCE)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let aws = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).map_err(|_| "the key has 32 bytes")?);
    let rust = Aes256Gcm::new(&KEY.into());
    let text = vec![0x5a_u8; CHUNK];
    let mut ciphertext = text.clone();
    let tag = aws
        .seal_in_place_separate_tag(nonce(), Aad::from(AAD), &mut ciphertext)
        .map_err(|_| "sealing")?;
    let tag_bytes: [u8; 16] = tag.as_ref().try_into()?;
    let whole = [&ciphertext[..], &tag_bytes].concat();
    let rust_tag = Tag::from(tag_bytes);
    let (mut one, mut two) = (text.clone(), text.clone());

    let mut criterion = Criterion::default().configure_from_args();
    let contenders = vec![
        contender("SHA-256 aws-lc-rs", || digest::digest(&digest::SHA256, &text)),
        contender("SHA-256 RustCrypto", || sha2::Sha256::digest(&text)),
        contender("AES-256-GCM seal aws-lc-rs", || {
            let sealed = aws.seal_in_place_separate_tag(nonce(), Aad::from(AAD), &mut one);
            assert!(sealed.is_ok());
        }),
        contender("AES-256-GCM seal RustCrypto", || {
            let sealed = rust.encrypt_inout_detached(&NONCE.into(), &AAD, two.as_mut_slice().into());
            assert!(sealed.is_ok());
        }),
        prepared(
            "AES-256-GCM open aws-lc-rs",
            || whole.clone(),
            |mut record| {
                let opened = aws.open_in_place(nonce(), Aad::from(AAD), &mut record);
                assert!(opened.is_ok());
                record
            },
        ),
        prepared(
            "AES-256-GCM open RustCrypto",
            || ciphertext.clone(),
            |mut text| {
                let (nonce, buffer) = (NONCE.into(), text.as_mut_slice().into());
                let opened = rust.decrypt_inout_detached(&nonce, &AAD, buffer, &rust_tag);
                assert!(opened.is_ok());
                text
            },
        ),
    ];
    contest(&mut criterion, "4 MiB", CHUNK as u64, contenders);
    criterion.final_summary();
    Ok(())
}
