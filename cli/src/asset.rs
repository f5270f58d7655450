//! An encrypted asset on disk: its manifest and where its ciphertext lies.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use trustbridge_tbenc::manifest::{MAX_MANIFEST_BYTES, Manifest};
use trustbridge_tbenc::{Expected, Key};

use crate::failure::Failure;
use crate::publish::parent;

/// The manifest's name, on disk and in the container.
pub(crate) const MANIFEST_NAME: &str = "model.manifest.json";

/// Which asset a command is about.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct AssetArgs {
    /// Folder that holds model.manifest.json.
    #[arg(long, visible_alias = "in", value_name = "DIR")]
    asset_dir: Option<PathBuf>,
    /// The manifest itself; the ciphertext lies beside it.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// One encrypted file, the same for both kinds of asset.
pub(crate) struct Blob {
    /// Source path in a directory asset; nothing for a single file.
    pub(crate) path: Option<String>,
    /// Name relative to the manifest.
    pub(crate) name: String,
    pub(crate) plaintext_bytes: u64,
    pub(crate) plaintext_sha256: Option<String>,
    pub(crate) sha256_ciphertext: String,
}

/// A manifest that was read and validated.
pub(crate) struct Asset {
    folder: PathBuf,
    pub(crate) manifest_path: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_sha256: String,
}

impl Asset {
    pub(crate) fn open(args: &AssetArgs) -> Result<Self, Failure> {
        let manifest_path = match (&args.asset_dir, &args.manifest) {
            (_, Some(file)) => file.clone(),
            (Some(folder), None) if folder.is_file() => folder.clone(),
            (Some(folder), None) => folder.join(MANIFEST_NAME),
            (None, None) => return Err(Failure::input("give --asset-dir DIR or --manifest FILE")),
        };
        let read = |e: &std::io::Error| {
            let doing = "reading the manifest (a finished `trustbridge encrypt` writes it last)";
            Failure::file(doing, &manifest_path, e)
        };
        let length = fs::metadata(&manifest_path).map_err(|e| read(&e))?.len();
        if length > MAX_MANIFEST_BYTES as u64 {
            let text = format!(
                "{}: is {length} bytes, a manifest has at most 4 MiB",
                manifest_path.display()
            );
            return Err(Failure::input(text));
        }
        let bytes = fs::read(&manifest_path).map_err(|e| read(&e))?;
        let manifest = Manifest::parse(&bytes).map_err(|e| Failure::format(&manifest_path, &e))?;
        let manifest_sha256 = Manifest::sha256_of_bytes(&bytes);
        Ok(Self {
            folder: parent(&manifest_path).to_owned(),
            manifest_path,
            manifest,
            manifest_sha256,
        })
    }

    /// The encrypted files in the manifest's order.
    pub(crate) fn blobs(&self) -> Vec<Blob> {
        let manifest = &self.manifest;
        let Some(files) = &manifest.files else {
            return vec![Blob {
                path: None,
                name: manifest.weights_filename.clone(),
                plaintext_bytes: manifest.plaintext_bytes,
                plaintext_sha256: manifest.plaintext_sha256.clone(),
                sha256_ciphertext: manifest.sha256_ciphertext.clone(),
            }];
        };
        let blob = |file: &trustbridge_tbenc::manifest::FileEntry| Blob {
            path: Some(file.path.clone()),
            name: file.blob.clone(),
            plaintext_bytes: file.plaintext_bytes,
            plaintext_sha256: Some(file.plaintext_sha256.clone()),
            sha256_ciphertext: file.sha256_ciphertext.clone(),
        };
        files.iter().map(blob).collect()
    }

    /// Where a blob lies on disk.
    pub(crate) fn local(&self, blob: &Blob) -> PathBuf {
        self.folder.join(&blob.name)
    }

    /// The key of one blob: derived in a directory asset, the asset's own for a single file.
    pub(crate) fn derived(key: &Key, blob: &Blob) -> Option<Key> {
        blob.path.as_deref().map(|path| key.derive_file(path))
    }

    /// What the manifest says about one blob.
    pub(crate) fn expected<'b>(&self, blob: &'b Blob) -> Expected<'b> {
        Expected {
            plaintext_bytes: blob.plaintext_bytes,
            chunk_bytes: self.manifest.chunk_bytes,
            sha256_ciphertext: &blob.sha256_ciphertext,
        }
    }

    /// Refuses a key that the manifest does not commit to.
    pub(crate) fn check_key(&self, key: &Key) -> Result<bool, Failure> {
        self.manifest
            .check_key(key)
            .map_err(|e| Failure::format(&self.manifest_path, &e))
    }
}

/// Reads the length of a file.
pub(crate) fn length(path: &Path) -> Result<u64, Failure> {
    fs::metadata(path)
        .map(|meta| meta.len())
        .map_err(|e| Failure::file("reading", path, &e))
}
