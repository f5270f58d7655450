//! What a registration says: the manifest's facts, where the blobs lie, and the key.

use bytes::Bytes;
use serde::Serialize;
use trustbridge_tbenc::Key;
use trustbridge_tbenc::manifest::{FileEntry, Manifest, Role};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// One registration. Holds the key: neither `Debug` nor `Clone`.
pub(crate) struct Registration<'a> {
    manifest: &'a Manifest,
    manifest_sha256: &'a str,
    blob_base_url: &'a str,
    key_hex: Zeroizing<String>,
}

/// The body of the call.
#[derive(Serialize)]
struct Body<'a> {
    asset_id: &'a str,
    blob_base_url: &'a str,
    manifest_sha256: &'a str,
    sha256_ciphertext: &'a str,
    plaintext_bytes: u64,
    files: Vec<File<'a>>,
    decryption_key_hex: &'a str,
    allow_finetune: bool,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    blob: &'a str,
    sha256_ciphertext: &'a str,
    plaintext_bytes: u64,
    role: Role,
}

impl<'a> Registration<'a> {
    /// `blob_base_url` is the asset's folder in its container, without a query.
    pub(crate) fn new(
        manifest: &'a Manifest,
        manifest_sha256: &'a str,
        blob_base_url: &'a str,
        key: &Key,
    ) -> Self {
        Self {
            manifest,
            manifest_sha256,
            blob_base_url,
            key_hex: Zeroizing::new(key.to_hex().to_string()),
        }
    }

    pub(super) fn asset_id(&self) -> &str {
        &self.manifest.asset_id
    }

    pub(super) fn to_body(&self) -> Result<Bytes, Failure> {
        let manifest = self.manifest;
        let file = |file: &'a FileEntry| File {
            path: &file.path,
            blob: &file.blob,
            sha256_ciphertext: &file.sha256_ciphertext,
            plaintext_bytes: file.plaintext_bytes,
            role: file.role,
        };
        let body = Body {
            asset_id: &manifest.asset_id,
            blob_base_url: self.blob_base_url,
            manifest_sha256: self.manifest_sha256,
            sha256_ciphertext: &manifest.sha256_ciphertext,
            plaintext_bytes: manifest.plaintext_bytes,
            files: self.manifest.files.iter().flatten().map(file).collect(),
            decryption_key_hex: self.key_hex.as_str(),
            allow_finetune: manifest.allow_finetune,
        };
        serde_json::to_vec(&body)
            .map(Bytes::from)
            .map_err(|e| Failure::new(Exit::Data, format!("registration of {}: {e}", manifest.asset_id)))
    }
}
