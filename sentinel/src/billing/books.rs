//! The ledger on the disk: written down before anything is sent.

use std::io;

use serde::{Deserialize, Serialize};
use trustbridge_domain::metering::Ledger;

use super::storage::Storage;

/// The file.
pub(crate) const NAME: &str = "metering.json";

#[derive(Serialize, Deserialize)]
struct Saved {
    /// The outbox whose records the ledger has taken in.
    outbox: String,
    ledger: Ledger,
}

/// A ledger and its file.
#[derive(Debug)]
pub(crate) struct Books<S> {
    storage: S,
    outbox: String,
    ledger: Ledger,
    unsaved: bool,
}

impl<S: Storage> Books<S> {
    /// The books as they were written down last. A damaged file is an error: with an empty one, usage would be
    /// billed twice or never.
    pub(crate) fn open(storage: S, outbox: &str) -> io::Result<Self> {
        let mut ledger = Ledger::default();
        if let Some(bytes) = storage.read(NAME)? {
            let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| {
                let next = "move the file away to start anew, and compare with the service's own books";
                io::Error::other(format!("{NAME} in TB_STATE_DIR: {error}; {next}"))
            })?;
            ledger = saved.ledger.recovered();
            if saved.outbox != outbox {
                tracing::warn!(
                    "the outbox is another than the books'; its records are counted from the first"
                );
                ledger.rebase();
            }
        }
        Ok(Self {
            storage,
            outbox: outbox.to_owned(),
            ledger,
            unsaved: false,
        })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Changes the books on the disk, then here; after an error nothing has changed.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Ledger) -> T) -> io::Result<T> {
        let mut next = self.ledger.clone();
        let told = change(&mut next);
        if self.unsaved || next != self.ledger {
            self.save(&next)?;
            self.ledger = next;
        }
        Ok(told)
    }

    /// Changes the books here, then on the disk: what the service said is true even if it cannot be written down.
    /// Should it be forgotten, the service says it again.
    pub(crate) fn learn<T>(&mut self, change: impl FnOnce(&mut Ledger) -> T) -> (T, io::Result<()>) {
        let told = change(&mut self.ledger);
        self.unsaved = true;
        let ledger = self.ledger.clone();
        (told, self.save(&ledger))
    }

    fn save(&mut self, ledger: &Ledger) -> io::Result<()> {
        let saved = Saved {
            outbox: self.outbox.clone(),
            ledger: ledger.clone(),
        };
        self.storage.replace(NAME, &serde_json::to_vec(&saved)?)?;
        self.unsaved = false;
        Ok(())
    }
}
