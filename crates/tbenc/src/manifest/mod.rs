//! The manifest beside the ciphertext (spec 5.5 and CONTRACTS section 3).
//!
//! A manifest says which bytes make the asset. It protects nothing by itself: its own SHA-256
//! ([`Manifest::sha256_of_bytes`]) must come from somewhere that is trusted.

mod order;
mod path;
mod strict;
mod validate;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::key::Key;
use crate::sha256::{Sha256, hex_digest};

pub use order::{loader_order, natural_order};
pub use path::{check_asset_id, check_path};

/// `format` of every manifest.
pub const FORMAT: &str = "tbenc/v1";
/// `algo` of every manifest.
pub const ALGO: &str = "aes-256-gcm-chunked";
/// `weights_filename` of a single-file asset, as the spec names it.
pub const SINGLE_FILE: &str = "model.tbenc";
/// `weights_filename` of a directory asset.
pub const DIRECTORY: &str = "files/";
/// Largest manifest that is read.
pub const MAX_MANIFEST_BYTES: usize = 4 << 20;
/// Most files that a directory asset may have.
pub const MAX_FILES: usize = 1024;

/// What a file is to the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Model and generation configuration.
    Config,
    /// What the tokenizer reads.
    Tokenizer,
    /// Anything else, the index of the shards included.
    Other,
    /// Tensors; large, and delivered as a stream.
    Weights,
}

impl Role {
    /// The word in the manifest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Tokenizer => "tokenizer",
            Self::Other => "other",
            Self::Weights => "weights",
        }
    }
}

/// One file of a directory asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Source path relative to the model's directory, `/`-separated. Its key is derived from it.
    pub path: String,
    /// Where the ciphertext is, relative to the manifest.
    pub blob: String,
    /// What the file is to the loader.
    #[serde(deserialize_with = "strict::word")]
    pub role: Role,
    /// Plaintext length.
    pub plaintext_bytes: u64,
    /// SHA-256 of the plaintext.
    pub plaintext_sha256: String,
    /// SHA-256 of the ciphertext.
    pub sha256_ciphertext: String,
}

/// The manifest. Fields that this version does not know are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`ALGO`].
    pub algo: String,
    /// Plaintext bytes of every record but a file's last.
    pub chunk_bytes: u32,
    /// Plaintext length; of a directory the sum.
    pub plaintext_bytes: u64,
    /// SHA-256 of the ciphertext; of a directory [`directory_digest`].
    pub sha256_ciphertext: String,
    /// The asset's id.
    pub asset_id: String,
    /// Where the ciphertext is, relative to the manifest; [`DIRECTORY`] for a directory.
    pub weights_filename: String,
    /// Whether the buyer may fine-tune the model.
    #[serde(default = "allowed")]
    pub allow_finetune: bool,
    /// The files of a directory asset, in the order in which a loader reads them.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "strict::objects"
    )]
    pub files: Option<Vec<FileEntry>>,
    /// Hexadecimal [`Key::commitment`]: shows a wrong key before any ciphertext is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_commitment: Option<String>,
    /// SHA-256 of a single file's plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext_sha256: Option<String>,
    /// When it was encrypted (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// What encrypted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

fn allowed() -> bool {
    true
}

impl Manifest {
    /// Reads and validates a manifest. Repeated keys are refused wherever they are.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            let rule = format!("is {} bytes, at most {MAX_MANIFEST_BYTES} are read", bytes.len());
            return Err(Error::manifest("document", rule));
        }
        strict::check(bytes)?;
        let strict::Object(manifest) = serde_json::from_slice::<strict::Object<Self>>(bytes)
            .map_err(|e| Error::manifest("document", e.to_string()))?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// Checks every rule that the manifest alone can break.
    pub fn validate(&self) -> Result<(), Error> {
        validate::validate(self)
    }

    /// SHA-256 of a manifest's bytes in lowercase hexadecimal: what `register` anchors.
    #[must_use]
    pub fn sha256_of_bytes(bytes: &[u8]) -> String {
        hex_digest(bytes)
    }

    /// The bytes to publish.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        self.validate()?;
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|e| Error::manifest("document", e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether the asset is a directory of files, each under its own key.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.files.is_some()
    }

    /// Refuses a key that is not the one the manifest commits to. Without a commitment nothing is checked
    /// and the answer is `false`.
    pub fn check_key(&self, key: &Key) -> Result<bool, Error> {
        match &self.key_commitment {
            None => Ok(false),
            Some(stated) if *stated == commitment_hex(key, &self.asset_id) => Ok(true),
            Some(_) => Err(Error::WrongKey {
                asset_id: self.asset_id.clone(),
            }),
        }
    }
}

/// `key_commitment` of a manifest.
#[must_use]
pub fn commitment_hex(key: &Key, asset_id: &str) -> String {
    HEXLOWER.encode(&key.commitment(asset_id))
}

/// `sha256_ciphertext` of a directory: SHA-256 of the lines `<hex>  <blob>\n`, as `sha256sum` prints them.
#[must_use]
pub fn directory_digest(files: &[FileEntry]) -> String {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(format!("{}  {}\n", file.sha256_ciphertext, file.blob).as_bytes());
    }
    digest.finish_hex()
}
