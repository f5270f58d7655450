//! The audit log: one JSON line for each request, chained by SHA-256.
//!
//! A record is formed when its answer ends, and written when the public port's thread has nothing else to do, with all
//! others of that turn: one write instead of one for each. A thread that is never without work writes after 50 ms, or when
//! 64 KiB wait. What asks for the log's state or ends it writes first. The same bytes go to standard output, because a
//! pod's logs outlive its volumes.
//!
//! The lines' format is `trustbridge_domain::audit`. A start goes on from the file's last line, so the chain spans
//! restarts, and begins with a checkpoint by a key of its own, whose public half the control plane gets with every
//! authorisation. Checkpoints follow each thousand records, each minute in which something was written, at the
//! beginning of each file and at the end. Records hold digests of bodies, never bodies; paths without their query.

mod log;
#[cfg(test)]
mod tests;
mod waiting;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use trustbridge_domain::audit::{
    self as format, Checkpoint, RECORDS_A_CHECKPOINT, Reason, Record, checkpoint_line, record_line,
};

pub(crate) use format::Outcome;
use log::{Found, Log};
use waiting::Waiting;

/// What was written is signed and on the disk after this time at the latest.
const SIGNED_WITHIN: Duration = Duration::from_mins(1);
/// What was added is in the file after this time at the latest: as much as a kill may take from the log. Twenty writes a
/// second more are nothing beside a thread that is busy all that time, and none are added to one that is not.
const WRITTEN_WITHIN: Duration = Duration::from_millis(50);

/// What happened, as the caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) ts: jiff::Timestamp,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) req_sha256: &'a str,
    pub(crate) req_bytes: u64,
    pub(crate) resp_sha256: &'a str,
    pub(crate) resp_bytes: u64,
    pub(crate) status: u16,
    pub(crate) latency_ms: u64,
    pub(crate) outcome: Outcome,
}

/// The signed head of the chain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Head {
    /// Number of the last line; 0 before the first.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// Ed25519 over `seq:hash`, hexadecimal.
    pub(crate) signature: String,
}

struct Chain {
    log: Option<Log>,
    /// Behind the last record that was formed.
    head: format::Head,
    /// Records that were formed and not written yet.
    waiting: Waiting,
    /// A checkpoint that must come before anything else, and the digest of what a crash left before it.
    due: Option<(Reason, Option<String>)>,
    /// Records behind the last checkpoint.
    unsigned: u64,
}

/// The log.
pub(crate) struct Audit {
    contract_id: String,
    asset_id: String,
    signer: Ed25519KeyPair,
    public_key: String,
    chain: Mutex<Chain>,
    /// A record was added where none waited.
    begun: Notify,
}

impl Audit {
    /// Opens the log and writes this start's checkpoint; without a path the lines go to stdout only.
    pub(crate) fn open(path: Option<&Path>, contract_id: &str, asset_id: &str) -> std::io::Result<Self> {
        let log = path.map(Log::open).transpose()?;
        Self::go_on(log, contract_id, asset_id)
    }

    fn go_on(log: Option<(Log, Found)>, contract_id: &str, asset_id: &str) -> std::io::Result<Self> {
        let signer = Ed25519KeyPair::generate()
            .map_err(|_| std::io::Error::other("the random source gave no key for the audit log"))?;
        let (log, found) = log.map_or_else(|| (None, Found::default()), |(log, found)| (Some(log), found));
        let audit = Self {
            contract_id: contract_id.to_owned(),
            asset_id: asset_id.to_owned(),
            public_key: HEXLOWER.encode(signer.public_key().as_ref()),
            signer,
            chain: Mutex::new(Chain {
                log,
                due: Some((found.reason(), found.torn_sha256)),
                head: found.head.unwrap_or_default(),
                waiting: Waiting::default(),
                unsigned: 0,
            }),
            begun: Notify::new(),
        };
        if let Err(error) = audit.sign_what_is_due(&mut audit.lock()) {
            tracing::error!(%error, "TB_AUDIT_PATH: the first line was not written; it is tried again with the next");
        }
        Ok(audit)
    }

    /// The public half of this start's key, hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        self.public_key.clone()
    }

    /// Adds one record; [`write_out`](Self::write_out) brings it to the file.
    pub(crate) fn add(&self, entry: &Entry<'_>) {
        let ts = format!("{:.3}", entry.ts);
        let record = Record {
            ts: &ts,
            contract_id: &self.contract_id,
            asset_id: &self.asset_id,
            method: entry.method,
            path: entry.path,
            req_sha256: entry.req_sha256,
            status: entry.status,
            latency_ms: entry.latency_ms,
            resp_sha256: entry.resp_sha256,
            req_bytes: entry.req_bytes,
            resp_bytes: entry.resp_bytes,
            outcome: entry.outcome,
        };
        let mut chain = self.lock();
        let formed = self
            .sign_what_is_due(&mut chain)
            .and_then(|()| Ok(record_line(&chain.head, &record)?));
        match formed {
            Ok((line, head)) => {
                if chain.add(&line, head) {
                    self.begun.notify_one();
                }
            }
            // The next record takes its number and its place in the chain.
            Err(error) => not_written(&error, &serde_json::to_string(&record).unwrap_or_default()),
        }
    }

    /// Writes what was added. A log that cannot be written is an error in the process's own log; the requests are
    /// already answered.
    pub(crate) fn write_out(&self) {
        self.lock().write_out();
    }

    /// Writes what waits too long, without end. It belongs on the thread that adds records, whose scheduler comes to it
    /// between other tasks.
    pub(crate) async fn write_in_time(self: Arc<Self>) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(WRITTEN_WITHIN).await;
            self.write_out();
        }
    }

    /// Where the chain is now.
    pub(crate) fn head(&self) -> Head {
        let mut chain = self.lock();
        chain.write_out();
        let format::Head { seq, hash } = chain.head.clone();
        drop(chain);
        Head {
            signature: self.sign(format!("{seq}:{hash}").as_bytes()),
            seq,
            hash,
        }
    }

    /// Signs what was written since the last checkpoint and makes it durable, each minute until `stop`.
    pub(crate) async fn keep_signed(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SIGNED_WITHIN) => {}
            }
            let audit = self.clone();
            let signed = tokio::task::spawn_blocking(move || audit.sign_news()).await;
            let error = match signed {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::error!(
                error,
                "TB_AUDIT_PATH: no checkpoint was written; it is tried again"
            );
        }
    }

    /// The last line: signs the chain. Everything is on the disk when this returns.
    pub(crate) fn close(&self) -> std::io::Result<()> {
        let mut chain = self.lock();
        chain.write_out();
        self.sign_what_is_due(&mut chain)?;
        self.checkpoint(&mut chain, Reason::Stop, None)?;
        let unsynced = chain.take_unsynced()?;
        drop(chain);
        sync_all(&unsynced)
    }

    fn sign_news(&self) -> std::io::Result<()> {
        let mut chain = self.lock();
        chain.write_out();
        if chain.unsigned == 0 && chain.due.is_none() {
            return Ok(());
        }
        self.sign_what_is_due(&mut chain)?;
        if chain.unsigned > 0 {
            self.checkpoint(&mut chain, Reason::Periodic, None)?;
        }
        let unsynced = chain.take_unsynced()?;
        drop(chain);
        sync_all(&unsynced)
    }

    /// The checkpoint without which nothing may follow: that of a start, of a new file, or after many records.
    fn sign_what_is_due(&self, chain: &mut Chain) -> std::io::Result<()> {
        chain.rotate_if_full();
        let (reason, torn_sha256) = match chain.due.clone() {
            Some(due) => due,
            None if chain.unsigned >= RECORDS_A_CHECKPOINT => (Reason::Periodic, None),
            None => return Ok(()),
        };
        self.checkpoint(chain, reason, torn_sha256)?;
        chain.due = None;
        Ok(())
    }

    fn checkpoint(
        &self,
        chain: &mut Chain,
        reason: Reason,
        torn_sha256: Option<String>,
    ) -> std::io::Result<()> {
        chain.write_out();
        let checkpoint = Checkpoint {
            reason,
            ts: &format!("{:.3}", jiff::Timestamp::now()),
            torn_sha256,
            public_key: &self.public_key,
        };
        let (line, head) = checkpoint_line(&chain.head, checkpoint, |message| self.sign(message))?;
        chain.append(&line)?;
        chain.head = head;
        chain.unsigned = 0;
        Ok(())
    }

    fn sign(&self, message: &[u8]) -> String {
        HEXLOWER.encode(self.signer.sign(message).as_ref())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the chain's lock: a disk takes its time, and whoever answers a request waits for the lock.
fn sync_all(files: &[File]) -> std::io::Result<()> {
    files.iter().try_for_each(File::sync_all)
}

/// Tells a record that the log does not have.
fn not_written(error: &std::io::Error, record: &str) {
    tracing::error!(%error, record, "TB_AUDIT_PATH: a record was not written; is the volume full?");
}

impl Chain {
    /// Whether it is the first one that waits now.
    fn add(&mut self, line: &str, head: format::Head) -> bool {
        let before = std::mem::replace(&mut self.head, head);
        let is_first = self.waiting.add(line, before);
        self.unsigned += 1;
        if self.waiting.is_long() {
            self.write_out();
        }
        is_first
    }

    /// Writes the waiting records, all or none of them.
    fn write_out(&mut self) {
        let Some((lines, before)) = self.waiting.take() else {
            return;
        };
        if let Err(error) = self.append(&lines) {
            // The next record takes the first one's number and place in the chain.
            self.head = before;
            for line in lines.lines() {
                self.unsigned = self.unsigned.saturating_sub(1);
                not_written(&error, line);
            }
        }
        self.waiting.give_back(lines);
    }

    fn append(&mut self, lines: &str) -> std::io::Result<()> {
        if let Some(log) = &mut self.log {
            log.append(lines)?;
        }
        waiting::copy(lines);
        Ok(())
    }

    fn rotate_if_full(&mut self) {
        if !self.log.as_ref().is_some_and(Log::is_full) {
            return;
        }
        // They belong before the next file's first line.
        self.write_out();
        let Some(log) = &mut self.log else { return };
        match log.rotate() {
            // What a crash left at the end of the full file still has to be answered for.
            Ok(()) => {
                let torn = self.due.take().and_then(|(_, torn)| torn);
                self.due = Some((Reason::File, torn));
            }
            Err(error) => {
                tracing::error!(%error, "TB_AUDIT_PATH: the log was not rotated; going on in the same file");
            }
        }
    }

    /// What was written to and is perhaps not on the disk yet.
    fn take_unsynced(&mut self) -> std::io::Result<Vec<File>> {
        self.log
            .as_mut()
            .map_or_else(|| Ok(Vec::new()), Log::take_unsynced)
    }
}
