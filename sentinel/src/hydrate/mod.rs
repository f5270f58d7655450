//! Fetching the ciphertext and proving that it is the one that was promised.
//!
//! The manifest comes first: its digest against the anchor, its key commitment against the key, before the
//! first byte of ciphertext. Then ranges of all files, by several workers from one queue. SHA-256 follows the
//! bytes in order while they land, so a file's digest stands moments after its last byte. Whoever delivers may read
//! along ([`Follow`]) and holds each file's last chunk back until its digest stands; [`run`] ends when all do.

mod landing;
mod manifest;
mod patience;
mod progress;
mod ranges;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use trustbridge_azure::http::Client;
use trustbridge_tbenc::manifest::{Manifest, Role, SINGLE_FILE};
use trustbridge_tbenc::{check_size, ciphertext_bytes};

use crate::license::{self, License};
use crate::shared::Shared;
use landing::Landing;
use progress::Progress;
pub(crate) use progress::{Abandoned, Follow};
use ranges::Queue;

/// How often a blob may turn out to be another one than at the start.
const ROUNDS: u32 = 3;

/// Why there is no verified ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The control plane, or the blob store in spite of a fresh authorisation.
    #[error("{0}")]
    Denied(String),
    /// Bytes, digests, key or asset are wrong.
    #[error("{0}")]
    Integrity(String),
    /// A budget is used up, or the volume is full.
    #[error("{0}")]
    GaveUp(String),
    /// The blob is another one than when its transfer began.
    #[error("{0}")]
    Changed(String),
}

impl From<license::Error> for Error {
    fn from(error: license::Error) -> Self {
        let text = error.to_string();
        match error {
            license::Error::Denied { .. } => Self::Denied(text),
            license::Error::Contradiction(_) => Self::Integrity(text),
            license::Error::Unavailable(_) => Self::GaveUp(text),
        }
    }
}

/// One file of ciphertext.
#[derive(Clone, Debug)]
pub(crate) struct AssetFile {
    /// Path in a directory asset; nothing for the only file of a single-file asset.
    pub(crate) path: Option<String>,
    /// What it is to the loader.
    pub(crate) role: Role,
    /// Plaintext length.
    pub(crate) plaintext_bytes: u64,
    /// SHA-256 of the ciphertext.
    pub(crate) sha256_ciphertext: String,
    /// Where the ciphertext lies.
    pub(crate) local: PathBuf,
    /// How much of it has landed, and whether its digest stands.
    pub(crate) follow: Follow,
}

impl AssetFile {
    /// The file's name in messages.
    pub(crate) fn shown(&self) -> &str {
        self.path.as_deref().unwrap_or(SINGLE_FILE)
    }
}

/// The asset as the manifest describes it.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    /// `sha256_ciphertext` of the manifest: tells one asset's content from another's.
    pub(crate) digest: String,
    /// Plaintext bytes of each record but a file's last.
    pub(crate) chunk_bytes: u32,
    /// In the order in which a loader reads.
    pub(crate) files: Vec<AssetFile>,
}

impl Asset {
    /// The asset, and for each file the end that tells how far it is.
    fn of(manifest: Manifest, target: &Path) -> (Self, Vec<Progress>) {
        let digest = manifest.sha256_ciphertext.clone();
        let mut told = Vec::new();
        let mut follow = || {
            let (progress, follow) = Progress::new();
            told.push(progress);
            follow
        };
        let files = match manifest.files {
            None => vec![AssetFile {
                path: None,
                role: Role::Weights,
                plaintext_bytes: manifest.plaintext_bytes,
                sha256_ciphertext: manifest.sha256_ciphertext,
                local: target.join(SINGLE_FILE),
                follow: follow(),
            }],
            Some(entries) => entries
                .into_iter()
                .map(|entry| AssetFile {
                    local: target.join(&entry.blob),
                    path: Some(entry.path),
                    role: entry.role,
                    plaintext_bytes: entry.plaintext_bytes,
                    sha256_ciphertext: entry.sha256_ciphertext,
                    follow: follow(),
                })
                .collect(),
        };
        let asset = Self {
            digest,
            chunk_bytes: manifest.chunk_bytes,
            files,
        };
        (asset, told)
    }

    fn ciphertext_bytes(&self) -> u64 {
        let bytes = self
            .files
            .iter()
            .map(|file| ciphertext_bytes(file.plaintext_bytes, self.chunk_bytes));
        bytes.fold(0, u64::saturating_add)
    }
}

/// What hydration tells before it ends.
#[derive(Debug)]
pub(crate) enum Told {
    /// Manifest and key stand, every file has its place, and bytes begin to land.
    Described(Asset),
    /// What was described is given up; another description follows, or an error.
    Changed,
}

/// What hydration needs to know.
pub(crate) struct Hydration {
    pub(crate) http: Client,
    pub(crate) license: Arc<License>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) asset_id: String,
    pub(crate) target_dir: PathBuf,
    pub(crate) concurrency: usize,
    pub(crate) range_bytes: u64,
    /// A connection without a byte for so long is given up.
    pub(crate) idle: Duration,
    /// `TB_MANIFEST_SHA256`; the control plane's word comes before it.
    pub(crate) anchor: Option<String>,
    /// Hears of it.
    pub(crate) tell: Box<dyn Fn(Told) + Send + Sync>,
}

/// Fetches and verifies everything.
pub(crate) async fn run(job: &Hydration) -> Result<(), Error> {
    let mut round = 1;
    loop {
        match once(job).await {
            Err(Error::Changed(message)) if round < ROUNDS => {
                tracing::warn!(round, "{message}; beginning again with a fresh authorisation");
                round += 1;
                (job.tell)(Told::Changed);
                let seen = job.license.current().map_or(0, |grant| grant.generation);
                job.license.renew(seen).await?;
            }
            Err(Error::Changed(message)) => {
                return Err(Error::GaveUp(format!(
                    "{message}, {ROUNDS} times; does somebody overwrite the blob?"
                )));
            }
            other => return other,
        }
    }
}

async fn once(job: &Hydration) -> Result<(), Error> {
    tokio::fs::create_dir_all(&job.target_dir)
        .await
        .map_err(|error| volume(&job.target_dir, &error))?;
    let (asset, told) = Asset::of(manifest::fetch(job).await?, &job.target_dir);
    job.shared.facts.set_ciphertext_bytes(asset.ciphertext_bytes());
    let opening = asset.files.iter().zip(told);
    let files =
        try_join_all(opening.map(|(file, progress)| open(job, file, asset.chunk_bytes, progress))).await?;
    let landed = files.iter().map(Landing::landed_bytes).sum();
    job.shared.facts.set_landed_bytes(landed);
    let plans = asset.files.iter().zip(&files);
    // Small files first: a loader reads them before the weights, and they are offered whole.
    let plans = plans.map(|(file, landing)| landing.plan(file.role != Role::Weights));
    let queue = Queue::new(plans.collect(), job.range_bytes);
    for (index, file) in files.iter().enumerate() {
        // What an earlier start fetched is hashed again: only the digest says that it is right.
        file.landed(queue.frontier(index));
    }
    (job.tell)(Told::Described(asset.clone()));
    let queue = Mutex::new(queue);
    let landing = try_join_all((0..job.concurrency).map(|_| work(job, &queue, &asset, &files)));
    let verifying = try_join_all(files.iter().map(Landing::verify));
    tokio::try_join!(landing, verifying)?;
    tracing::info!(
        files = files.len(),
        bytes = asset.ciphertext_bytes(),
        resumed_bytes = landed,
        "ciphertext verified"
    );
    Ok(())
}

/// Asks for length and generation, judges the length, and prepares the file.
async fn open(
    job: &Hydration,
    file: &AssetFile,
    chunk_bytes: u32,
    progress: Progress,
) -> Result<Landing, Error> {
    let blob = transfer::head(job, file).await?;
    check_size(blob.bytes, file.plaintext_bytes, chunk_bytes)
        .map_err(|error| Error::Integrity(format!("{}: {error}", file.shown())))?;
    Landing::open(file, blob, job.range_bytes, progress).await
}

async fn work(job: &Hydration, queue: &Mutex<Queue>, asset: &Asset, files: &[Landing]) -> Result<(), Error> {
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(span) = lock().take() else {
            return Ok(());
        };
        let (Some(file), Some(landing)) = (asset.files.get(span.file), files.get(span.file)) else {
            return Ok(());
        };
        transfer::range(job, file, landing, span).await?;
        landing.note(span.index).await?;
        let frontier = lock().complete(span);
        landing.landed(frontier);
    }
}

fn volume(path: &Path, error: &std::io::Error) -> Error {
    let next = "is the volume full or read-only?";
    Error::GaveUp(format!("TB_TARGET_DIR: {}: {error}; {next}", path.display()))
}
