//! The outbox: what was used, in intervals, on the disk, until somebody has it.
//!
//! `usage.jsonl` in `TB_STATE_DIR`. The first line says what lies before the others:
//! `{"outbox":ID,"after":SEQ,"hash":HASH}`; each other line is one [`Interval`] with its place in the chain: `prev`
//! is the hash of the line before, `hash` is SHA-256 of `prev` (as written) and the line's JSON without `hash`, as
//! in the audit log. A line is on the disk before it counts. What a crash left of a line at the end is dropped;
//! damage anywhere else is an error, because a hole would be usage that nobody bills.

use std::io;
use std::sync::PoisonError;

use serde::Serialize;

use super::chain::{GENESIS, Header, Interval, Placed, Record, line_of, parse, parse_header, seal};
use super::counters::Counts;
use super::storage::Storage;

/// The file.
pub(crate) const NAME: &str = "usage.jsonl";
/// The file does not get larger. At an interval a minute it holds more than a month.
const LIMIT_BYTES: u64 = 16 << 20;
/// From here on intervals are closed once an hour.
const CROWDED_BYTES: u64 = LIMIT_BYTES / 2;
/// So much has to be acknowledged before the file is written anew.
const SLACK_BYTES: u64 = 16 << 10;

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{NAME} in TB_STATE_DIR: {0}; is the directory writable, and is there room?")]
    Io(#[from] io::Error),
    #[error(
        "{NAME} in TB_STATE_DIR: line {line} is damaged ({reason}); move the file away to start anew, and bill what it held by hand"
    )]
    Damaged { line: usize, reason: &'static str },
    #[error(
        "{NAME} in TB_STATE_DIR: {LIMIT_BYTES} bytes of usage wait to be fetched; fetch them from /usage"
    )]
    Full,
    #[error("record {0} is not here, or its hash is another; fetch from the last record that you have")]
    Unknown(u64),
}

/// A reader's view: `GET /usage`.
///
/// ```json
/// {"pod": "UID of the pod, empty outside Kubernetes", "draining": false, "outbox": "id of this chain", "boot": "id of this start", "first": 41, "last": 97, "more": true,
///  "records": [{"boot": "…", "seq": 41, "from": "2026-01-07T10:00:00Z", "to": "2026-01-07T10:01:00Z",
///               "counters": {"requests": 3, "completion_tokens": 120}, "prev": "…", "hash": "…"}]}
/// ```
///
/// `first` is the oldest record that is still here, `last` the newest (`first` = `last` + 1 when there is none).
/// Another `outbox` than before means that the state directory was lost and `seq` began anew.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    outbox: String,
    boot: String,
    first: u64,
    last: u64,
    more: bool,
    records: Vec<Record>,
}

#[cfg(test)]
impl Page {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox<S> {
    storage: S,
    id: String,
    boot: String,
    /// The last record before the file's first, and its hash.
    base: (u64, String),
    last: (u64, String),
    /// The last acknowledged record, its hash, and where the file goes on after it.
    acknowledged: (u64, String, usize),
    bytes: u64,
    /// A write failed: the file may be longer than `bytes`.
    torn: bool,
    /// Writing the file anew failed: it may be the old one or the new one.
    unsure: bool,
}

impl<S: Storage> Outbox<S> {
    /// Opens the outbox, or makes one.
    pub(crate) fn open(mut storage: S, boot: &str) -> Result<Self, Error> {
        let Some(content) = storage.read(NAME)? else {
            let header = Header {
                outbox: uuid::Uuid::new_v4().to_string(),
                after: 0,
                hash: GENESIS.to_owned(),
            };
            let line = line_of(&header)?;
            storage.replace(NAME, line.as_bytes())?;
            return Ok(Self::at(storage, boot, header, line.len(), line.len()));
        };
        let (header, header_bytes) = parse_header(&content)?;
        let mut outbox = Self::at(storage, boot, header, header_bytes, header_bytes);
        outbox.reload()?;
        if outbox.bytes < content.len() as u64 {
            outbox.storage.truncate(NAME, outbox.bytes)?;
            outbox.torn = false;
        }
        Ok(outbox)
    }

    /// Learns again what the file holds.
    fn reload(&mut self) -> Result<(), Error> {
        let content = self.storage.read(NAME)?.unwrap_or_default();
        let (header, header_bytes) = parse_header(&content)?;
        let base = (header.after, header.hash);
        let records = parse(&content, header_bytes, base.clone())?;
        let end = records.last().map_or(header_bytes, |placed| placed.end);
        let last = records
            .into_iter()
            .next_back()
            .map(|Placed { record, .. }| (record.interval.seq, record.hash));
        self.last = last.unwrap_or_else(|| base.clone());
        self.acknowledged = (base.0, base.1.clone(), header_bytes);
        self.base = base;
        self.bytes = end as u64;
        self.torn = end < content.len();
        self.unsure = false;
        Ok(())
    }

    fn at(storage: S, boot: &str, header: Header, header_bytes: usize, bytes: usize) -> Self {
        let base = (header.after, header.hash);
        Self {
            storage,
            id: header.outbox,
            boot: boot.to_owned(),
            acknowledged: (base.0, base.1.clone(), header_bytes),
            last: base.clone(),
            base,
            bytes: bytes as u64,
            torn: false,
            unsure: false,
        }
    }

    /// The chain's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records that nobody acknowledged.
    pub(crate) fn waiting(&self) -> u64 {
        self.last.0 - self.acknowledged.0
    }

    /// Whether intervals should be longer, so that the file lasts.
    pub(crate) fn is_crowded(&self) -> bool {
        self.bytes > CROWDED_BYTES
    }

    /// Writes an interval down. After an error it is not part of the outbox, and can be written again.
    pub(crate) fn append(
        &mut self,
        from: jiff::Timestamp,
        to: jiff::Timestamp,
        counters: Counts,
    ) -> Result<(), Error> {
        if self.unsure {
            self.reload()?;
        }
        let interval = Interval {
            boot: self.boot.clone(),
            seq: self.last.0 + 1,
            from,
            to,
            counters,
            prev: self.last.1.clone(),
        };
        let record = seal(interval)?;
        let line = line_of(&record)?;
        if self.bytes + line.len() as u64 > LIMIT_BYTES {
            return Err(Error::Full);
        }
        if self.torn {
            self.storage.truncate(NAME, self.bytes)?;
        }
        self.torn = true;
        self.storage.append(NAME, line.as_bytes())?;
        self.torn = false;
        self.bytes += line.len() as u64;
        self.last = (record.interval.seq, record.hash);
        Ok(())
    }

    /// Up to `limit` records after number `after`.
    pub(crate) fn page(&self, after: u64, limit: usize) -> Result<Page, Error> {
        let mut records = self.records(after)?;
        let more = records.len() > limit;
        records.truncate(limit);
        Ok(Page {
            outbox: self.id.clone(),
            boot: self.boot.clone(),
            first: self.base.0 + 1,
            last: self.last.0,
            more,
            records,
        })
    }

    /// The records after number `after`.
    pub(crate) fn records(&self, after: u64) -> Result<Vec<Record>, Error> {
        let (_, placed) = self.placed(after)?;
        let newer = placed.into_iter().map(|placed| placed.record);
        Ok(newer.filter(|record| record.interval.seq > after).collect())
    }

    /// The file, and its records: those after the acknowledged ones, or all where older ones are wanted.
    fn placed(&self, after: u64) -> Result<(Vec<u8>, Vec<Placed>), Error> {
        if self.unsure {
            return Err(io::Error::other("the last write failed; it is read again with the next one").into());
        }
        let mut content = self.storage.read(NAME)?.unwrap_or_default();
        content.truncate(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        let (seq, hash, end) = &self.acknowledged;
        let placed = if after >= *seq {
            parse(&content, *end, (*seq, hash.clone()))?
        } else {
            let (header, header_bytes) = parse_header(&content)?;
            parse(&content, header_bytes, (header.after, header.hash))?
        };
        Ok((content, placed))
    }

    /// Everything up to `seq` is durable elsewhere. `hash` is that record's and proves that it was read; the
    /// owner of the books, who reads them in this process, needs none.
    pub(crate) fn acknowledge(&mut self, seq: u64, hash: Option<&str>) -> Result<(), Error> {
        if self.unsure {
            self.reload()?;
        }
        if seq <= self.acknowledged.0 {
            return Ok(());
        }
        let (content, placed) = self.placed(self.acknowledged.0)?;
        let found = placed
            .into_iter()
            .find(|placed| placed.record.interval.seq == seq);
        let Placed { record, end } = found.ok_or(Error::Unknown(seq))?;
        if hash.is_some_and(|hash| hash != record.hash) {
            return Err(Error::Unknown(seq));
        }
        self.acknowledged = (seq, record.hash.clone(), end);
        if (end as u64) < SLACK_BYTES {
            return Ok(());
        }
        let mut anew = line_of(&Header {
            outbox: self.id.clone(),
            after: seq,
            hash: record.hash.clone(),
        })?;
        let header_bytes = anew.len();
        // Lines of ours: they are UTF-8.
        anew.push_str(&String::from_utf8_lossy(content.get(end..).unwrap_or_default()));
        self.unsure = true;
        self.storage.replace(NAME, anew.as_bytes())?;
        self.unsure = false;
        self.base = (seq, record.hash.clone());
        self.acknowledged = (seq, record.hash, header_bytes);
        self.bytes = anew.len() as u64;
        self.torn = false;
        Ok(())
    }
}

/// The outbox of a process, shared by those who write, serve and bill.
#[derive(Debug)]
pub(crate) struct SharedOutbox<S>(std::sync::Mutex<Outbox<S>>);

impl<S> SharedOutbox<S> {
    pub(crate) fn new(outbox: Outbox<S>) -> Self {
        Self(std::sync::Mutex::new(outbox))
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Outbox<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
