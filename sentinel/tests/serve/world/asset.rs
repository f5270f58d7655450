//! An encrypted asset and what its plaintext is.

use std::collections::BTreeMap;

use trustbridge_tbenc::manifest::{self, FileEntry, Manifest, Role};
use trustbridge_tbenc::{Key, encrypt_stream, hex_digest};

pub const ID: &str = "tb-asset-e2e-001";
const CHUNK: u32 = 65_536;
/// Stands in every plaintext file, and nowhere else.
pub const CANARY: &str = "canary-5d41402abc4b2a76";

pub struct Asset {
    pub key: Key,
    /// Blob names relative to the asset, with their bytes.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Plaintext by path; the only file of a single-file asset has the path `model.tbenc`.
    pub plain: BTreeMap<String, Vec<u8>>,
    pub manifest: Vec<u8>,
    pub directory: bool,
}

/// Bytes that do not repeat soon, with the canary in the middle.
fn text(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect();
    let middle = length / 2;
    bytes[middle..middle + CANARY.len()].copy_from_slice(CANARY.as_bytes());
    bytes
}

impl Asset {
    pub fn directory() -> Self {
        let key = Key::generate().unwrap();
        let mut files = Vec::new();
        let (mut blobs, mut plain) = (BTreeMap::new(), BTreeMap::new());
        for (seed, (path, role, length)) in [
            ("config.json", Role::Config, 300),
            ("tokenizer.json", Role::Tokenizer, 70_000),
            ("model-00001-of-00002.safetensors", Role::Weights, 1_000_000),
            (
                "model-00002-of-00002.safetensors",
                Role::Weights,
                8 * CHUNK as usize,
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let bytes = text(u32::try_from(seed).unwrap(), length);
            let mut sealed_bytes = Vec::new();
            let sealed =
                encrypt_stream(bytes.as_slice(), &mut sealed_bytes, &key.derive_file(path), CHUNK).unwrap();
            let blob = format!("files/{path}.tbenc");
            files.push(FileEntry {
                path: path.to_owned(),
                blob: blob.clone(),
                role,
                plaintext_bytes: sealed.plaintext_bytes,
                plaintext_sha256: sealed.plaintext_sha256.unwrap(),
                sha256_ciphertext: sealed.sha256_ciphertext,
            });
            blobs.insert(blob, sealed_bytes);
            plain.insert(path.to_owned(), bytes);
        }
        let mut manifest = Self::manifest_of(&key);
        manifest.plaintext_bytes = files.iter().map(|file| file.plaintext_bytes).sum();
        manifest.sha256_ciphertext = manifest::directory_digest(&files);
        manifest::DIRECTORY.clone_into(&mut manifest.weights_filename);
        manifest.files = Some(files);
        Self {
            key,
            blobs,
            plain,
            manifest: manifest.to_bytes().unwrap(),
            directory: true,
        }
    }

    pub fn single() -> Self {
        let key = Key::generate().unwrap();
        let bytes = text(7, 3_000_000);
        let mut sealed_bytes = Vec::new();
        let sealed = encrypt_stream(bytes.as_slice(), &mut sealed_bytes, &key, CHUNK).unwrap();
        let mut manifest = Self::manifest_of(&key);
        manifest.plaintext_bytes = sealed.plaintext_bytes;
        manifest.sha256_ciphertext = sealed.sha256_ciphertext;
        manifest::SINGLE_FILE.clone_into(&mut manifest.weights_filename);
        Self {
            key,
            blobs: BTreeMap::from([("model.tbenc".to_owned(), sealed_bytes)]),
            plain: BTreeMap::from([("model.tbenc".to_owned(), bytes)]),
            manifest: manifest.to_bytes().unwrap(),
            directory: false,
        }
    }

    fn manifest_of(key: &Key) -> Manifest {
        Manifest {
            format: manifest::FORMAT.to_owned(),
            algo: manifest::ALGO.to_owned(),
            chunk_bytes: CHUNK,
            plaintext_bytes: 0,
            sha256_ciphertext: String::new(),
            asset_id: ID.to_owned(),
            weights_filename: String::new(),
            allow_finetune: true,
            files: None,
            key_commitment: Some(manifest::commitment_hex(key, ID)),
            plaintext_sha256: None,
            created_at: None,
            tool: None,
        }
    }

    pub fn sha256(&self, path: &str) -> String {
        hex_digest(&self.plain[path])
    }

    pub fn weights(&self) -> Vec<String> {
        self.plain
            .keys()
            .filter(|path| path.starts_with("model"))
            .cloned()
            .collect()
    }
}
