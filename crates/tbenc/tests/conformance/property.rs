//! Random files, edits and numbers: the crate and the reference agree, and nothing false is ever released.

use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use trustbridge_tbenc::encrypt_stream;
use trustbridge_tbenc::manifest::Manifest;

use crate::mutation::edit;
use crate::readers::{Stated, by_core, by_stream};
use crate::samples::{KEY, Sample, key_of};
use crate::{counted, reference, vectors};

const CASES: usize = 4_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        counted(
            CASES,
            "property: {} random files open again and are what the reference writes",
            round_trips,
        ),
        counted(
            CASES,
            "property: {} randomly edited files: readers agree, no false release",
            edited,
        ),
        counted(
            CASES,
            "property: {} random bytes and numbers: readers agree",
            arbitrary,
        ),
        counted(
            CASES,
            "property: {} edited manifests: no panic, what is accepted is a fixed point",
            manifests,
        ),
    ]
}

/// Runs as many cases as are promised; the failing one is printed smallest.
fn run<S: Strategy>(
    strategy: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<usize, String> {
    let config = Config {
        cases: u32::try_from(CASES).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let ran = AtomicUsize::new(0);
    let counting = |value| {
        check(value)?;
        ran.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    match TestRunner::new(config).run(strategy, counting) {
        Ok(()) => Ok(ran.into_inner()),
        Err(TestError::Fail(reason, smallest)) => Err(format!("{reason}: {smallest:?}")),
        Err(TestError::Abort(reason)) => Err(reason.to_string()),
    }
}

fn agreed(stated: &Stated, bytes: &[u8]) -> Result<crate::readers::Outcome, TestCaseError> {
    let outcome = by_stream(&key_of(&KEY), stated, bytes);
    for other in [
        by_core(&key_of(&KEY), stated, bytes),
        reference::open(&KEY, stated, bytes),
    ] {
        outcome
            .expect_same("decrypt_stream", &other)
            .map_err(TestCaseError::fail)?;
    }
    Ok(outcome)
}

fn round_trips() -> Result<usize, String> {
    let strategy = (prop::collection::vec(any::<u8>(), 0..600), 1_u32..200);
    run(&strategy, |(plain, chunk_bytes)| {
        let mut file = Vec::new();
        let sealed = encrypt_stream(plain.as_slice(), &mut file, &key_of(&KEY), chunk_bytes)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let prefix = file[15..19].try_into().unwrap();
        prop_assert_eq!(&file, &reference::seal(&KEY, prefix, chunk_bytes, &plain));
        prop_assert_eq!(&sealed.sha256_ciphertext, &reference::sha256_hex(&file));
        let stated = Stated {
            plaintext_bytes: sealed.plaintext_bytes,
            chunk_bytes,
            sha256_ciphertext: sealed.sha256_ciphertext,
        };
        let outcome = agreed(&stated, &file)?;
        prop_assert_eq!(outcome.refused, None);
        prop_assert_eq!(outcome.released, plain);
        Ok(())
    })
}

fn edited() -> Result<usize, String> {
    let strategy = (
        prop::collection::vec(any::<u8>(), 0..300),
        1_u32..80,
        prop::collection::vec(edit(), 1..4),
        any::<bool>(),
    );
    run(&strategy, |(plain, chunk_bytes, edits, true_digest)| {
        let sample = Sample::new(KEY, [7; 4], chunk_bytes, plain);
        let mut bytes = sample.file.clone();
        for edit in edits {
            edit.apply(&mut bytes);
        }
        let stated = sample.stated(if true_digest { &sample.file } else { &bytes });
        let outcome = agreed(&stated, &bytes)?;
        prop_assert!(sample.plain.starts_with(&outcome.released));
        prop_assert_eq!(outcome.refused.is_none(), bytes == sample.file);
        Ok(())
    })
}

/// Bytes that often begin like a file, with any numbers of a manifest.
fn arbitrary() -> Result<usize, String> {
    let small = prop_oneof![Just(1_u32), Just(16), Just(67_108_864), any::<u32>()];
    let strategy = (
        any::<bool>(),
        small.clone(),
        small,
        prop_oneof![0_u64..100, any::<u64>()],
        prop::collection::vec(any::<u8>(), 0..120),
    );
    run(
        &strategy,
        |(header, in_header, in_manifest, plaintext_bytes, tail)| {
            let mut bytes = Vec::new();
            if header {
                bytes.extend(b"TBENC001\0\x01\x01");
                bytes.extend(in_header.to_be_bytes());
                bytes.extend([0; 17]);
            }
            bytes.extend(tail);
            let stated = Stated {
                plaintext_bytes,
                chunk_bytes: in_manifest,
                sha256_ciphertext: reference::sha256_hex(&bytes),
            };
            let outcome = agreed(&stated, &bytes)?;
            prop_assert!(outcome.released.is_empty());
            prop_assert_eq!(
                outcome.refused.is_none(),
                plaintext_bytes == 0 && bytes.len() == 32 && header
            );
            Ok(())
        },
    )
}

fn manifests() -> Result<usize, String> {
    let texts = vectors::manifests();
    let strategy = (any::<prop::sample::Index>(), prop::collection::vec(edit(), 1..4));
    run(&strategy, |(which, edits)| {
        let mut bytes = which.get(&texts).clone();
        for edit in edits {
            edit.apply(&mut bytes);
        }
        if let Ok(manifest) = Manifest::parse(&bytes) {
            let written = manifest
                .to_bytes()
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(Manifest::parse(&written), Ok(manifest));
        }
        Ok(())
    })
}
