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

/// Whether a file was read to its end by its latest reader, and in whose time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    No,
    Yes,
    /// From what was offered before this delivery began, by a load that still lacked others.
    Before,
}

/// What the files are for the load that is under way.
struct Reads(Vec<Read>);

impl Reads {
    /// Those that were `taken` before. If that is all of them, the load is over, and the next stream begins another.
    fn carrying(taken: impl Iterator<Item = bool>) -> Self {
        let taken: Vec<bool> = taken.collect();
        let known = if taken.iter().all(|one| *one) {
            Read::Yes
        } else {
            Read::Before
        };
        Self(
            taken
                .iter()
                .map(|one| if *one { known } else { Read::No })
                .collect(),
        )
    }

    fn are_all(&self) -> bool {
        self.0.iter().all(|one| *one != Read::No)
    }

    /// A stream began. The first one after a complete load begins a new one, of all files; a file that was read before
    /// this delivery, and is read once more, belongs to the load that reads the others.
    fn began(&mut self, index: usize) {
        let is_carried = self.0.get(index) == Some(&Read::Before);
        if self.are_all() && !is_carried {
            self.0.fill(Read::No);
        }
        self.set(index, Read::No);
    }

    fn set(&mut self, index: usize, read: Read) {
        if let Some(one) = self.0.get_mut(index) {
            *one = read;
        }
    }
}

/// Which files were read to their end by their latest reader.
struct Ledger {
    reads: Mutex<Reads>,
    /// How each of them is called.
    names: Vec<String>,
    digest: String,
    volume: Volume,
    events: Events,
    shared: Arc<Shared>,
}

impl Ledger {
    fn began(&self, index: usize) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.began(index);
        self.note(&reads);
        self.events.send(Event::DeliveryBegan);
    }

    /// Writes down which files were read, for whoever offers the rest of them.
    fn note(&self, reads: &Reads) {
        let taken = self
            .names
            .iter()
            .zip(&reads.0)
            .filter(|(_, read)| **read != Read::No);
        self.volume
            .note_taken(&self.digest, taken.map(|(name, _)| name.as_str()));
    }

    /// A stream was read to its end. Events leave under the lock, in the order of the facts.
    fn ended(&self, index: usize) {
        self.shared.metrics.streams.inc();
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.set(index, Read::Yes);
        self.note(&reads);
        if reads.are_all() {
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
        // Read in an earlier start's time, or from what was offered before and taken back: whoever has them does not
        // come for them again. The digest says that they are the same.
        let taken = delivery.volume.taken(&asset.digest);
        let names: Vec<String> = streams.iter().map(|job| job.file.shown().to_owned()).collect();
        let reads = Reads::carrying(names.iter().map(|name| taken.contains(name)));
        // Without a stream every byte lies in the memory volume.
        let known = reads.are_all();
        if !taken.is_empty() {
            tracing::info!(
                carried = taken.len(),
                of = names.len(),
                "files that were read already count as read"
            );
        }
        let ledger = Arc::new(Ledger {
            reads: Mutex::new(reads),
            names,
            digest: asset.digest.clone(),
            volume: delivery.volume.clone(),
            events: events.clone(),
            shared: shared.clone(),
        });
        for job in &streams {
            volume::make_fifo(&job.place)?;
        }
        if known {
            // What is left to know is the digest of what lies there still, and the runtime's health.
            events.send(Event::Delivered);
        }
        for (index, job) in streams.into_iter().enumerate() {
            delivery.spawn(Job { index, ..job }, &ledger);
        }
        delivery.volume.write_ready_signal()?;
        shared.facts.set_offered(true);
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

#[cfg(test)]
mod tests {
    use super::Reads;

    /// What is all read after each stream, which is read to its end.
    fn after_each(mut reads: Reads, streams: &[usize]) -> Vec<bool> {
        let read = |index: &usize| {
            reads.began(*index);
            let is_new = reads.are_all();
            reads.set(*index, super::Read::Yes);
            assert!(!is_new, "a stream that has just begun is not read");
            reads.are_all()
        };
        streams.iter().map(read).collect()
    }

    #[test]
    fn a_load_is_of_all_files_and_the_next_one_too() {
        let none = Reads::carrying([false, false].into_iter());
        assert_eq!(after_each(none, &[0, 1, 0, 1]), [false, true, false, true]);
        // The runtime had all of it; it starts anew.
        let all = Reads::carrying([true, true].into_iter());
        assert!(all.are_all());
        assert_eq!(after_each(all, &[1, 0]), [false, true]);
    }

    #[test]
    fn what_was_read_before_counts_for_the_load_that_lacks_the_rest() {
        let between = || Reads::carrying([true, false].into_iter());
        assert!(!between().are_all());
        assert_eq!(after_each(between(), &[1]), [true]);
        // The runtime started anew meanwhile, and reads in whatever order.
        assert_eq!(after_each(between(), &[0, 1]), [false, true]);
        assert_eq!(after_each(between(), &[1, 0, 0, 1]), [true, true, false, true]);
    }
}
