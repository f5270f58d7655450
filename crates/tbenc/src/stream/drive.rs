//! Three stages over the records of one file: one after the other, or each on a thread of its own.
//!
//! Both ways call the same stages on the same records in the same order. An error takes its record's place in
//! the line, so what is consumed before it, and which error comes out, is the same both ways: that of the
//! earliest record, and within it that of the earliest stage.

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

use super::record::Record;
use crate::error::Error;

/// The stages. A record goes through them as `T`, whatever it needs to have with it.
pub(super) struct Stages<P, W, C> {
    /// Fills a free record; `None` at the end. Stays on the caller's thread.
    pub(super) produce: P,
    /// What is done on the way.
    pub(super) work: W,
    /// Takes the record; then it is free again.
    pub(super) consume: C,
}

impl<P, W, C> Stages<P, W, C> {
    /// Runs them to the end, from a first record that was produced already.
    ///
    /// With `buffers` of 2 or more there are so many records of `chunk_bytes` at most, made when they are needed.
    pub(super) fn run<T>(self, first: T, chunk_bytes: u32, buffers: usize) -> Result<(), Error>
    where
        T: Send,
        P: FnMut(Record) -> Result<Option<T>, Error>,
        W: FnMut(T) -> Result<Record, Error> + Send,
        C: FnMut(&Record) -> Result<(), Error> + Send,
    {
        if buffers > 1 {
            self.overlapped(first, chunk_bytes, buffers)
        } else {
            self.in_turn(first)
        }
    }

    fn in_turn<T>(mut self, first: T) -> Result<(), Error>
    where
        P: FnMut(Record) -> Result<Option<T>, Error>,
        W: FnMut(T) -> Result<Record, Error>,
        C: FnMut(&Record) -> Result<(), Error>,
    {
        let mut next = Some(first);
        while let Some(produced) = next {
            let record = (self.work)(produced)?;
            (self.consume)(&record)?;
            next = (self.produce)(record)?;
        }
        Ok(())
    }

    /// Every stage ends when a neighbour does: a send or receive fails then. So all threads end on every path,
    /// and the last stage has seen the earliest error.
    fn overlapped<T>(self, first: T, chunk_bytes: u32, buffers: usize) -> Result<(), Error>
    where
        T: Send,
        P: FnMut(Record) -> Result<Option<T>, Error>,
        W: FnMut(T) -> Result<Record, Error> + Send,
        C: FnMut(&Record) -> Result<(), Error> + Send,
    {
        scope(|threads| {
            let (produced, to_work) = sync_channel(buffers);
            let (worked, to_consume) = sync_channel(buffers);
            let (spent, free) = channel();
            let ring = Ring {
                free,
                chunk_bytes,
                to_make: buffers.saturating_sub(1),
            };
            let Self {
                produce,
                work,
                consume,
            } = self;
            let working = start(threads, "tbenc-work", move || work_all(&to_work, work, &worked))?;
            let consuming = start(threads, "tbenc-write", move || {
                consume_all(&to_consume, consume, &spent)
            })?;
            produce_all(Ok(Some(first)), produce, ring, &produced);
            drop(produced);
            joined(working);
            joined(consuming)
        })
    }
}

/// The records that there are: those that come back, and those that were not made yet.
struct Ring {
    free: Receiver<Record>,
    chunk_bytes: u32,
    to_make: usize,
}

impl Ring {
    /// A free record; waits for one when all are under way. `None` when the consumer has ended.
    fn take(&mut self) -> Option<Record> {
        if let Ok(record) = self.free.try_recv() {
            return Some(record);
        }
        if self.to_make > 0 {
            self.to_make -= 1;
            return Some(Record::with_room_for(self.chunk_bytes));
        }
        self.free.recv().ok()
    }
}

fn produce_all<T>(
    mut next: Result<Option<T>, Error>,
    mut produce: impl FnMut(Record) -> Result<Option<T>, Error>,
    mut ring: Ring,
    produced: &SyncSender<Result<T, Error>>,
) {
    while let Some(item) = next.transpose() {
        let failed = item.is_err();
        if produced.send(item).is_err() || failed {
            return;
        }
        let Some(record) = ring.take() else { return };
        next = produce(record);
    }
}

fn work_all<T>(
    produced: &Receiver<Result<T, Error>>,
    mut work: impl FnMut(T) -> Result<Record, Error>,
    worked: &SyncSender<Result<Record, Error>>,
) {
    for item in produced {
        let record = item.and_then(&mut work);
        let failed = record.is_err();
        if worked.send(record).is_err() || failed {
            return;
        }
    }
}

fn consume_all(
    worked: &Receiver<Result<Record, Error>>,
    mut consume: impl FnMut(&Record) -> Result<(), Error>,
    spent: &Sender<Record>,
) -> Result<(), Error> {
    for record in worked {
        let record = record?;
        consume(&record)?;
        // The producer is through with the file: the record is not needed any more.
        let _ = spent.send(record);
    }
    Ok(())
}

fn start<'s, T: Send + 's>(
    threads: &'s Scope<'s, '_>,
    name: &str,
    stage: impl FnOnce() -> T + Send + 's,
) -> Result<ScopedJoinHandle<'s, T>, Error> {
    let started: io::Result<_> = Builder::new().name(name.to_owned()).spawn_scoped(threads, stage);
    started.map_err(|e| Error::io("starting a thread", &e))
}

/// A panic of a caller's reader, writer or observer goes on in the caller.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
