//! An encrypted asset: its manifest, read and validated, and the place of its ciphertext.

mod open;
mod place;
mod urls;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use trustbridge_tbenc::manifest::Manifest;
use trustbridge_tbenc::{Budget, Expected, Key};

use crate::failure::Failure;
use crate::remote::RemoteArgs;
use crate::store::CredentialArgs;
use place::Place;

pub(crate) use open::{Run, digest, open_into};
pub(crate) use place::manifest_beside;

/// The manifest's name, on disk and in the container.
pub(crate) const MANIFEST_NAME: &str = "model.manifest.json";

/// Which asset a command is about.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct AssetArgs {
    /// The encrypted asset: the folder that `encrypt` wrote, or the ciphertext of a single file.
    #[arg(long = "in", visible_alias = "asset-dir", value_name = "FILE|DIR")]
    pub(crate) input: Option<PathBuf>,
    /// Its manifest [default: model.manifest.json in the folder, or `<stem>.manifest.json` beside the file]. Given
    /// alone, the ciphertext lies beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
}

/// How an asset is read that may lie behind a URL.
#[derive(Args)]
pub(crate) struct Access {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
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

/// Ciphertext that is about to be read.
pub(crate) struct Source {
    /// Path or URL, without a credential.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    pub(crate) reader: Box<dyn Read + Send>,
}

/// A manifest that was read and validated, and where its ciphertext is.
pub(crate) struct Asset {
    place: Place,
    /// The manifest's path or URL, without a credential.
    pub(crate) manifest_name: String,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_sha256: String,
    /// The manifest as it was read: these bytes are what its SHA-256 is of.
    pub(crate) manifest_bytes: Vec<u8>,
}

impl Asset {
    /// Opens an asset on disk.
    pub(crate) fn open(args: &AssetArgs) -> Result<Self, Failure> {
        Self::new(Place::local(args)?)
    }

    /// Opens an asset on disk or behind a URL.
    pub(crate) fn open_anywhere(args: &AssetArgs, access: &Access) -> Result<Self, Failure> {
        Self::new(Place::anywhere(args, access)?)
    }

    fn new((place, manifest_name, bytes): (Place, String, Vec<u8>)) -> Result<Self, Failure> {
        let manifest = Manifest::parse(&bytes).map_err(|e| Failure::format(&manifest_name, &e))?;
        place.check(&manifest, &manifest_name)?;
        Ok(Self {
            place,
            manifest_name,
            manifest_sha256: Manifest::sha256_of_bytes(&bytes),
            manifest_bytes: bytes,
            manifest,
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

    /// Where a blob's ciphertext lies on disk; nothing behind a URL.
    pub(crate) fn local(&self, blob: &Blob) -> Option<PathBuf> {
        self.place.local_path(blob)
    }

    /// What to call a blob in an error: its path or URL, without a credential.
    pub(crate) fn name_of(&self, blob: &Blob) -> String {
        self.place.name_of(blob)
    }

    /// The length of a blob's ciphertext as it is there; nothing where it is missing.
    pub(crate) fn length_of(&self, blob: &Blob) -> Result<Option<u64>, Failure> {
        self.place.length_of(blob)
    }

    /// The first bytes of a blob's ciphertext, read without the others; fewer where it is shorter.
    pub(crate) fn head(&self, blob: &Blob, bytes: u64) -> Result<Vec<u8>, Failure> {
        if let Some((remote, name)) = self.place.remote(blob) {
            return remote.head(&name, bytes);
        }
        let source = self.source(blob)?;
        let mut head = Vec::new();
        let read = source.reader.take(bytes).read_to_end(&mut head);
        read.map_err(|e| Failure::file("reading", Path::new(&source.name), &e))?;
        Ok(head)
    }

    /// Opens a blob's ciphertext. One that is missing is refused.
    pub(crate) fn source(&self, blob: &Blob) -> Result<Source, Failure> {
        self.place.source(blob)
    }

    /// How many blobs to read at once, and with how many record buffers each. A blob behind a URL has as much again in
    /// ranges that are on their way, so of several only two are read, with two buffers each.
    pub(crate) fn budget(&self) -> Budget {
        let files = self.manifest.files.as_ref().map_or(1, Vec::len);
        let budget = Budget::here(self.manifest.chunk_bytes, files);
        if budget.files == 1 {
            // Three stages hold one each. The fourth would take a single file of 4 MiB chunks over 24 MiB in all.
            return Budget {
                files: 1,
                buffers: budget.buffers.min(3),
            };
        }
        if !self.place.is_remote() {
            return budget;
        }
        Budget {
            files: budget.files.min(2),
            buffers: budget.buffers.min(2),
        }
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

    /// Refuses a key that the manifest does not commit to. `false` means that it commits to none.
    pub(crate) fn check_key(&self, key: &Key) -> Result<bool, Failure> {
        self.manifest
            .check_key(key)
            .map_err(|e| Failure::format(&self.manifest_name, &e))
    }
}

/// Reads the length of a file.
pub(crate) fn length(path: &Path) -> Result<u64, Failure> {
    fs::metadata(path)
        .map(|meta| meta.len())
        .map_err(|e| Failure::file("reading", path, &e))
}

/// Whether an error says that there is nothing at that path.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
