//! A second implementation on `aes-gcm` and `sha2`, written from the spec, sharing no code with the first.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use sha2::{Digest, Sha256};

use crate::readers::{Outcome, Stated};

/// Encrypts as spec 5.2 to 5.4 say.
pub(crate) fn seal(key: &[u8; 32], prefix: [u8; 4], chunk_bytes: u32, plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let head = head(prefix, chunk_bytes);
    let mut out = head.clone();
    out.extend([0; 13]);
    for (index, chunk) in plaintext.chunks(chunk_bytes as usize).enumerate() {
        out.extend(seal_record(&cipher, &head, index as u64, chunk));
    }
    out
}

/// Some records of a file, in any order: `ranges` are first and last index of each run.
pub(crate) fn seal_ranges(
    key: &[u8; 32],
    prefix: [u8; 4],
    chunk_bytes: u32,
    plaintext: &[u8],
    ranges: &[(usize, usize)],
) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let head = head(prefix, chunk_bytes);
    let mut out = head.clone();
    out.extend([0; 13]);
    let chunk = chunk_bytes as usize;
    for index in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        let end = plaintext.len().min((index + 1) * chunk);
        out.extend(seal_record(
            &cipher,
            &head,
            index as u64,
            &plaintext[index * chunk..end],
        ));
    }
    out
}

fn head(prefix: [u8; 4], chunk_bytes: u32) -> Vec<u8> {
    let mut head = b"TBENC001".to_vec();
    head.extend(1_u16.to_be_bytes());
    head.push(1);
    head.extend(chunk_bytes.to_be_bytes());
    head.extend(prefix);
    head
}

fn seal_record(cipher: &Aes256Gcm, head: &[u8], index: u64, chunk: &[u8]) -> Vec<u8> {
    let index = index.to_be_bytes();
    let pt_len = u32::try_from(chunk.len()).unwrap().to_be_bytes();
    let nonce = [&head[15..19], &index].concat();
    let aad = [head, &index, &pt_len].concat();
    let payload = Payload {
        msg: chunk,
        aad: &aad,
    };
    let nonce = Nonce::try_from(nonce.as_slice()).unwrap();
    let mut record = pt_len.to_vec();
    record.extend(cipher.encrypt(&nonce, payload).unwrap());
    record
}

/// Decrypts as the rules of the format say; the class of a refusal is a word.
pub(crate) fn open(key: &[u8; 32], stated: &Stated, bytes: &[u8]) -> Outcome {
    let mut released = Vec::new();
    let refused = open_into(key, stated, bytes, &mut released).err();
    Outcome {
        released,
        refused: refused.map(str::to_owned),
    }
}

fn open_into(
    key: &[u8; 32],
    stated: &Stated,
    bytes: &[u8],
    released: &mut Vec<u8>,
) -> Result<(), &'static str> {
    if bytes.len() < 32 {
        return Err("TRUNCATED");
    }
    if &bytes[..11] != b"TBENC001\x00\x01\x01" || bytes[19..32].iter().any(|byte| *byte != 0) {
        return Err("HEADER");
    }
    let chunk = u32::from_be_bytes(bytes[11..15].try_into().unwrap());
    if chunk == 0 || chunk > 67_108_864 || chunk != stated.chunk_bytes {
        return Err("LIMIT");
    }
    if stated.plaintext_bytes > 17_592_186_044_416 {
        return Err("LIMIT");
    }
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let (mut at, mut index, mut left) = (32, 0_u64, stated.plaintext_bytes);
    let mut held = Vec::new();
    while left > 0 {
        released.append(&mut held);
        let want = usize::try_from(left.min(u64::from(chunk))).unwrap();
        if bytes.len() - at < want + 20 {
            return Err("TRUNCATED");
        }
        if bytes[at..at + 4] != u32::try_from(want).unwrap().to_be_bytes() {
            return Err("LIMIT");
        }
        let nonce = [&bytes[15..19], &index.to_be_bytes()].concat();
        let aad = [&bytes[..19], &index.to_be_bytes(), &bytes[at..at + 4]].concat();
        let msg = &bytes[at + 4..at + 20 + want];
        let nonce = Nonce::try_from(nonce.as_slice()).unwrap();
        held = cipher
            .decrypt(&nonce, Payload { msg, aad: &aad })
            .map_err(|_| "AUTH")?;
        (at, index, left) = (at + 20 + want, index + 1, left - want as u64);
    }
    if at < bytes.len() {
        return Err("TRAILING");
    }
    if sha256_hex(bytes) != stated.sha256_ciphertext {
        return Err("DIGEST");
    }
    released.append(&mut held);
    Ok(())
}

/// HKDF-SHA256 with an empty salt and 32 bytes of output, from RFC 5869 and RFC 2104.
pub(crate) fn hkdf(key: &[u8], info: &[u8]) -> [u8; 32] {
    let prk = hmac(&[0; 32], key);
    let block: Vec<u8> = info.iter().copied().chain([1]).collect();
    hmac(&prk, &block)
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
