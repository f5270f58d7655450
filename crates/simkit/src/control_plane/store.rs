//! Registered assets, kept in one file that only its owner can read.

use anyhow::Context;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a provider registers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    /// Identity.
    pub asset_id: String,
    /// The asset's folder in the blob container, without a query.
    pub blob_base_url: String,
    /// Anchor of the manifest.
    pub manifest_sha256: String,
    /// As in the manifest.
    pub sha256_ciphertext: String,
    /// As in the manifest.
    pub plaintext_bytes: u64,
    /// Files of a directory asset; empty for a single file.
    #[serde(default)]
    pub files: Vec<AssetFile>,
    /// The key, 64 hex digits.
    pub decryption_key_hex: String,
    /// Whether buyers may fine-tune.
    #[serde(default = "yes")]
    pub allow_finetune: bool,
}

/// One file of a directory asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFile {
    /// Source path.
    pub path: String,
    /// Blob name below the asset's folder.
    pub blob: String,
    /// SHA-256 of the ciphertext.
    pub sha256_ciphertext: String,
    /// Length before sealing.
    pub plaintext_bytes: u64,
    /// `weights`, `config`, `tokenizer` or `other`.
    #[serde(default)]
    pub role: String,
}

fn yes() -> bool {
    true
}

impl Asset {
    /// SHA-256 of the key: tells two keys apart without showing either.
    #[must_use]
    pub fn key_fingerprint(&self) -> String {
        let key = self.decryption_key_hex.to_ascii_lowercase();
        HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes()).as_ref())
    }
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// New.
    Created,
    /// Known, and now as registered.
    Replaced,
    /// Refused: another asset has this key.
    KeyReused,
}

/// All registered assets.
pub struct Store {
    path: PathBuf,
    assets: BTreeMap<String, Asset>,
}

impl Store {
    /// Opens the store in `folder`, making it when it is missing.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("state folder {}", folder.display()))?;
        let path = folder.join("assets.json");
        let assets = match File::open(&path) {
            Ok(file) => {
                serde_json::from_reader(file).with_context(|| format!("reading {}", path.display()))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
        };
        Ok(Self { path, assets })
    }

    /// The asset.
    #[must_use]
    pub fn get(&self, asset_id: &str) -> Option<&Asset> {
        self.assets.get(asset_id)
    }

    /// Registers; the file is written before this returns.
    pub fn put(&mut self, asset: Asset) -> anyhow::Result<Stored> {
        let fingerprint = asset.key_fingerprint();
        let other =
            |known: &Asset| known.asset_id != asset.asset_id && known.key_fingerprint() == fingerprint;
        if self.assets.values().any(other) {
            return Ok(Stored::KeyReused);
        }
        let before = self.assets.insert(asset.asset_id.clone(), asset);
        self.save()?;
        Ok(if before.is_some() {
            Stored::Replaced
        } else {
            Stored::Created
        })
    }

    fn save(&self) -> anyhow::Result<()> {
        let temporary = self.path.with_extension("json.new");
        let what = || format!("writing {}", temporary.display());
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .with_context(what)?;
        file.write_all(&serde_json::to_vec_pretty(&self.assets)?)
            .with_context(what)?;
        file.sync_all().with_context(what)?;
        std::fs::rename(&temporary, &self.path).with_context(|| format!("replacing {}", self.path.display()))
    }
}
