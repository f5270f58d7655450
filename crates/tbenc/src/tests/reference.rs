//! A second implementation on `aes-gcm` and `sha2`, written from the spec, sharing no code with the first.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use sha2::{Digest, Sha256};

/// Encrypts as spec 5.2 to 5.4 say.
pub(super) fn seal(key: &[u8; 32], prefix: [u8; 4], chunk_bytes: u32, plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let mut head = b"TBENC001".to_vec();
    head.extend(1_u16.to_be_bytes());
    head.push(1);
    head.extend(chunk_bytes.to_be_bytes());
    head.extend(prefix);
    let mut out = head.clone();
    out.extend([0; 13]);
    for (index, chunk) in plaintext.chunks(chunk_bytes as usize).enumerate() {
        let index = (index as u64).to_be_bytes();
        let pt_len = u32::try_from(chunk.len()).unwrap().to_be_bytes();
        let nonce: Vec<u8> = prefix.into_iter().chain(index).collect();
        let aad: Vec<u8> = head.iter().copied().chain(index).chain(pt_len).collect();
        let nonce = Nonce::try_from(nonce.as_slice()).unwrap();
        out.extend(pt_len);
        out.extend(
            cipher
                .encrypt(
                    &nonce,
                    Payload {
                        msg: chunk,
                        aad: &aad,
                    },
                )
                .unwrap(),
        );
    }
    out
}

/// HKDF-SHA256 with an empty salt and 32 bytes of output, from RFC 5869 and RFC 2104.
pub(super) fn hkdf(key: &[u8], info: &[u8]) -> [u8; 32] {
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

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
