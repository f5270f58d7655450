//! From ciphertext to plaintext that a reader takes, in memory only.
//!
//! Every file of weights is a FIFO with one writer task: it waits for a reader, takes the name away so that no
//! second reader can come in, decrypts record by record, and counts the file as read when the reader took the
//! last byte. Then the FIFO is there again, for a runtime that starts anew. Small files (configuration,
//! tokenizer) are files in the memory volume; with `TB_DELIVERY=ramfile` the weights are as well.
//!
//! A writer reads along while its file lands: every record is authenticated by its tag before a byte of it leaves,
//! and the last one waits for the digest of the whole file. Files in memory wait for it with all they hold.

mod fifo;
mod records;
mod room;
mod volume;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trustbridge_domain::sentinel::Event;
use trustbridge_tbenc::manifest::Role;
use trustbridge_tbenc::{self as tbenc, Class, Key};

use crate::config::{Config, DeliveryMode};
use crate::events::Events;
use crate::hydrate::{Asset, AssetFile};
use crate::shared::Shared;
use crate::sys::KeyPage;

pub(crate) use room::control_group;
pub(crate) use volume::Volume;

/// Why plaintext could not be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The ciphertext, read again, is not what was verified, or the key is wrong.
    #[error("{file}: {source}")]
    Integrity {
        /// Which file.
        file: String,
        /// What is wrong.
        source: tbenc::Error,
    },
    /// Memory volume or ciphertext volume failed.
    #[error("{what}: {source}; is the volume full, or is something else using its names?")]
    Io {
        /// Path or action.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// Hydration of this file ended without a digest that stands, and says why itself; or delivery was closed.
    #[error("{file}: no digest stands, or delivery was closed")]
    Abandoned {
        /// Which file.
        file: String,
    },
}

impl Error {
    fn of(file: &AssetFile, source: tbenc::Error) -> Self {
        match source.class() {
            Class::Io => Self::Io {
                what: file.local.display().to_string(),
                source: std::io::Error::other(source),
            },
            _ => Self::Integrity {
                file: file.shown().to_owned(),
                source,
            },
        }
    }

    fn abandoned(file: &AssetFile) -> Self {
        Self::Abandoned {
            file: file.shown().to_owned(),
        }
    }

    fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// What the state machine makes of it.
    pub(crate) fn event(&self) -> Event {
        match self {
            Self::Integrity { .. } => Event::IntegrityFailed,
            Self::Io { .. } | Self::Abandoned { .. } => Event::GaveUp,
        }
    }
}

/// Which files were read to their end by their latest reader.
struct Ledger {
    complete: Mutex<Vec<bool>>,
    digest: String,
    volume: Volume,
    events: Events,
    shared: Arc<Shared>,
}

impl Ledger {
    /// A stream began. The first one after a complete delivery begins a new one, of all files.
    fn began(&self, index: usize) {
        let mut all = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().all(|one| *one) {
            all.fill(false);
            self.volume.forget_delivered();
        }
        if let Some(one) = all.get_mut(index) {
            *one = false;
        }
        self.events.send(Event::DeliveryBegan);
    }

    /// A stream was read to its end. Events leave under the lock, in the order of the facts.
    fn ended(&self, index: usize) {
        self.shared.metrics.streams.inc();
        let mut all = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get_mut(index) {
            *one = true;
        }
        if all.iter().all(|one| *one) {
            self.volume.note_delivered(&self.digest);
            self.events.send(Event::Delivered);
        }
    }
}

/// What offers the files until it is closed.
pub(crate) struct Delivery {
    volume: Volume,
    stop: CancellationToken,
    writers: TaskTracker,
}

/// One file with its place, and the asset's key.
struct Job {
    index: usize,
    file: AssetFile,
    place: PathBuf,
    chunk_bytes: u32,
    key: Arc<Key>,
    /// Ends the writing of files in memory.
    stop: CancellationToken,
}

impl Delivery {
    /// Writes the small files as their digests come to stand, makes the FIFOs, starts the writers, then writes the
    /// ready signal. All of it ends when `stop` is cancelled.
    pub(crate) async fn start(
        config: &Config,
        asset: &Asset,
        key: &Arc<Key>,
        shared: &Arc<Shared>,
        events: &Events,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let volume = Volume::of(config);
        volume.prepare()?;
        let (streams, files): (Vec<_>, Vec<_>) = jobs(&volume, asset, key, stop)
            .partition(|job| config.delivery == DeliveryMode::Fifo && job.file.role == Role::Weights);
        let delivery = Self {
            volume,
            stop: stop.child_token(),
            writers: TaskTracker::new(),
        };
        let needed = files.iter().map(|job| job.file.plaintext_bytes);
        room::check(delivery.volume.memory(), needed.fold(0, u64::saturating_add))?;
        for job in files {
            write_file(job).await?;
        }
        let known = delivery.volume.was_delivered(&asset.digest);
        let ledger = Arc::new(Ledger {
            complete: Mutex::new(vec![known; streams.len()]),
            digest: asset.digest.clone(),
            volume: delivery.volume.clone(),
            events: events.clone(),
            shared: shared.clone(),
        });
        for job in &streams {
            volume::make_fifo(&job.place)?;
        }
        if known || streams.is_empty() {
            // Every byte lies in the memory volume, or was read in an earlier start's time; what is left to know
            // is the digest of what lies there still, and the runtime's health.
            events.send(Event::Delivered);
        }
        for (index, job) in streams.into_iter().enumerate() {
            delivery.spawn(Job { index, ..job }, &ledger);
        }
        delivery.volume.write_ready_signal()?;
        Ok(delivery)
    }

    fn spawn(&self, job: Job, ledger: &Arc<Ledger>) {
        let (stop, ledger) = (self.stop.clone(), ledger.clone());
        self.writers.spawn(async move {
            if let Err(error) = fifo::offer(&job, &ledger, &stop).await {
                ledger
                    .events
                    .send_because(error.event(), "delivery", &error.to_string());
            }
        });
    }

    /// Stops the writers, then removes everything from memory. Readers see the end of their pipe.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.writers.close();
        self.writers.wait().await;
        self.volume.clear();
    }
}

async fn write_file(job: Job) -> Result<(), Error> {
    let mut follow = job.file.follow.clone();
    tokio::select! {
        biased;
        () = job.stop.cancelled() => return Err(Error::abandoned(&job.file)),
        // Abandoned, it waits for its own end: hydration tells why, or begins anew.
        Ok(()) = follow.verified() => {}
    }
    let written = tokio::task::spawn_blocking(move || volume::write_ram_file(&job)).await;
    written.unwrap_or_else(|error| {
        Err(Error::io(
            "writing a file in memory",
            std::io::Error::other(error),
        ))
    })
}

fn jobs<'a>(
    volume: &'a Volume,
    asset: &'a Asset,
    key: &'a Arc<Key>,
    stop: &'a CancellationToken,
) -> impl Iterator<Item = Job> + 'a {
    asset.files.iter().map(|file| Job {
        stop: stop.clone(),
        index: 0,
        file: file.clone(),
        place: volume.place_of(file.path.as_deref()),
        chunk_bytes: asset.chunk_bytes,
        key: key.clone(),
    })
}

/// The key of one file: made when it is needed, in a page of its own, and gone when its reader is made.
fn file_key(asset_key: &Arc<Key>, file: &AssetFile) -> Result<Arc<Key>, Error> {
    let Some(path) = &file.path else {
        return Ok(asset_key.clone());
    };
    let page = KeyPage::new().map_err(|error| Error::io("memory for a file's key", error))?;
    Ok(Arc::new(asset_key.derive_file_in(Box::new(page), path)))
}
