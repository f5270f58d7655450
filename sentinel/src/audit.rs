//! The audit log: one JSON line for each request, chained by SHA-256, written before anybody can wait for it.
//!
//! A line is the record's JSON with `hash` as its last member; `hash` is SHA-256 of `prev` (as written) and
//! the JSON without `hash`. A start goes on from the file's last line, so the chain spans restarts. Records
//! hold digests of bodies, never bodies; paths without their query. The head of the chain is signed with a
//! key made at each start, whose public half the control plane gets with every authorisation.

mod log;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use serde::Serialize;
use trustbridge_tbenc::Sha256;

use log::Log;

/// `prev` of the first record.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How a proxied request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The answer went out whole.
    Ok,
    /// The client went away before the end.
    ClientClosed,
    /// The runtime gave no answer.
    UpstreamError,
    /// The runtime's answer broke off.
    MidStreamError,
    /// The request was refused here.
    Refused,
}

/// What happened, as the caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) ts: jiff::Timestamp,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) req_sha256: String,
    pub(crate) req_bytes: u64,
    pub(crate) resp_sha256: String,
    pub(crate) resp_bytes: u64,
    pub(crate) status: u16,
    pub(crate) latency_ms: u64,
    pub(crate) outcome: Outcome,
}

/// The record as it is hashed. The order of the fields is the canonical form.
#[derive(Serialize)]
struct Record<'a> {
    ts: String,
    contract_id: &'a str,
    asset_id: &'a str,
    method: &'a str,
    path: &'a str,
    req_sha256: &'a str,
    status: u16,
    latency_ms: u64,
    resp_sha256: &'a str,
    req_bytes: u64,
    resp_bytes: u64,
    outcome: Outcome,
    seq: u64,
    prev: &'a str,
}

/// The signed head of the chain.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Head {
    /// Number of the last record; 0 before the first.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// Ed25519 over `seq:hash`, hexadecimal.
    pub(crate) signature: String,
}

struct Chain {
    log: Option<Log>,
    seq: u64,
    hash: String,
}

/// The log.
pub(crate) struct Audit {
    contract_id: String,
    asset_id: String,
    signer: Ed25519KeyPair,
    chain: Mutex<Chain>,
}

impl Audit {
    /// Opens the log; without a path the lines go to stdout only.
    pub(crate) fn open(path: Option<&Path>, contract_id: &str, asset_id: &str) -> std::io::Result<Self> {
        let signer = Ed25519KeyPair::generate()
            .map_err(|_| std::io::Error::other("the random source gave no key for the audit log"))?;
        let chain = match path {
            None => Chain::new(None),
            Some(path) => {
                let (log, last) = Log::open(path)?;
                let mut chain = Chain::new(Some(log));
                if let Some(last) = last {
                    chain.seq = last.seq;
                    chain.hash = last.hash;
                }
                chain
            }
        };
        Ok(Self {
            contract_id: contract_id.to_owned(),
            asset_id: asset_id.to_owned(),
            signer,
            chain: Mutex::new(chain),
        })
    }

    /// The public half of this start's key, hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        HEXLOWER.encode(self.signer.public_key().as_ref())
    }

    /// Writes one record. A log that cannot be written is an error in the process's own log; the request is
    /// already answered.
    pub(crate) fn write(&self, entry: &Entry) {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((line, hash)) = self.line(entry, chain.seq + 1, &chain.hash) else {
            tracing::error!("an audit record could not be put into JSON");
            return;
        };
        if let Some(log) = &mut chain.log
            && let Err(error) = log.append(&line)
        {
            // The next record takes its number and its place in the chain.
            let record = line.trim_end();
            tracing::error!(%error, record, "TB_AUDIT_PATH: a record was not written; is the volume full?");
            return;
        }
        chain.seq += 1;
        chain.hash = hash;
        tracing::info!(target: "audit", "{}", line.trim_end());
    }

    /// Where the chain is now.
    pub(crate) fn head(&self) -> Head {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = self
            .signer
            .sign(format!("{}:{}", chain.seq, chain.hash).as_bytes());
        Head {
            seq: chain.seq,
            hash: chain.hash.clone(),
            signature: HEXLOWER.encode(signature.as_ref()),
        }
    }

    /// Everything that was written is on the disk when this returns.
    pub(crate) fn flush(&self) -> std::io::Result<()> {
        let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.log.as_ref().map_or(Ok(()), Log::sync)
    }

    fn line(&self, entry: &Entry, seq: u64, prev: &str) -> serde_json::Result<(String, String)> {
        let mut json = serde_json::to_string(&Record {
            ts: format!("{:.3}", entry.ts),
            contract_id: &self.contract_id,
            asset_id: &self.asset_id,
            method: &entry.method,
            path: &entry.path,
            req_sha256: &entry.req_sha256,
            status: entry.status,
            latency_ms: entry.latency_ms,
            resp_sha256: &entry.resp_sha256,
            req_bytes: entry.req_bytes,
            resp_bytes: entry.resp_bytes,
            outcome: entry.outcome,
            seq,
            prev,
        })?;
        let mut digest = Sha256::new();
        digest.update(prev.as_bytes());
        digest.update(json.as_bytes());
        let hash = digest.finish_hex();
        json.pop();
        json.push_str(",\"hash\":\"");
        json.push_str(&hash);
        json.push_str("\"}\n");
        Ok((json, hash))
    }
}

impl Chain {
    fn new(log: Option<Log>) -> Self {
        Self {
            log,
            seq: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::log::{Log, rotated};
    use super::{Audit, Entry, GENESIS, Outcome};
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use data_encoding::HEXLOWER;
    use std::path::Path;
    use trustbridge_tbenc::{Sha256, hex_digest};

    fn entry(path: &str) -> Entry {
        Entry {
            ts: "2026-01-07T10:00:00.123456Z".parse().unwrap(),
            method: "POST".into(),
            path: path.into(),
            req_sha256: hex_digest(b"question"),
            req_bytes: 8,
            resp_sha256: hex_digest(b"answer"),
            resp_bytes: 6,
            status: 200,
            latency_ms: 123,
            outcome: Outcome::Ok,
        }
    }

    fn open(path: &Path) -> Audit {
        Audit::open(Some(path), "contract-123", "tb-asset-123").unwrap()
    }

    /// Checks the chain as a reader would, from the text alone.
    fn verify(text: &str) -> u64 {
        let mut prev = GENESIS.to_owned();
        let mut seq = 0;
        for line in text.lines().filter(|line| line.ends_with('}')) {
            let (body, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
            let hash = hash.strip_suffix("\"}").unwrap();
            let mut digest = Sha256::new();
            digest.update(prev.as_bytes());
            digest.update(format!("{body}}}").as_bytes());
            assert_eq!(digest.finish_hex(), hash);
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            seq += 1;
            assert_eq!(json["seq"], seq);
            assert_eq!(json["prev"], prev);
            prev = hash.to_owned();
        }
        seq
    }

    #[test]
    fn the_chain_holds_and_spans_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/audit.jsonl");
        let audit = open(&path);
        audit.write(&entry("/v1/chat/completions"));
        audit.write(&entry("/v1/models"));
        audit.flush().unwrap();
        let again = open(&path);
        again.write(&entry("/v1/completions"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(verify(&text), 3);
        let json: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(json["ts"], "2026-01-07T10:00:00.123Z");
        assert_eq!(json["contract_id"], "contract-123");
        assert_eq!(json["outcome"], "ok");
    }

    #[test]
    fn a_torn_line_is_ended_and_the_chain_goes_on_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        open(&path).write(&entry("/a"));
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"ts\":\"2026");
        std::fs::write(&path, &text).unwrap();
        open(&path).write(&entry("/b"));
        assert_eq!(verify(&std::fs::read_to_string(&path).unwrap()), 2);
    }

    #[test]
    fn the_chain_runs_through_rotated_files_and_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for _ in 0..2 {
            let audit = open(&path);
            audit.chain.lock().unwrap().log = Some(Log::open_with(&path, 1500).unwrap().0);
            for _ in 0..3 {
                audit.write(&entry("/a"));
            }
        }
        let older = std::fs::read_to_string(rotated(&path, 1)).unwrap();
        let oldest = std::fs::read_to_string(rotated(&path, 2)).unwrap();
        let newest = std::fs::read_to_string(&path).unwrap();
        assert_eq!(verify(&format!("{oldest}{older}{newest}")), 6);
        // Stopped between a rotation and the first record after it.
        std::fs::write(&path, "").unwrap();
        assert_eq!(open(&path).head().seq, verify(&format!("{oldest}{older}")));
    }

    #[test]
    fn a_record_that_was_not_written_does_not_count() {
        let full = Path::new("/dev/full");
        let audit = Audit::open(None, "c", "a").unwrap();
        audit.chain.lock().unwrap().log = Some(Log::open(full).unwrap().0);
        audit.write(&entry("/a"));
        assert_eq!((audit.head().seq, audit.head().hash), (0, GENESIS.to_owned()));
    }

    #[test]
    fn an_altered_line_breaks_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        open(&path).write(&entry("/a"));
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"status\":200", "\"status\":201");
        assert!(std::panic::catch_unwind(|| verify(&text)).is_err());
    }

    #[test]
    fn the_head_is_signed_by_this_starts_key() {
        let audit = Audit::open(None, "c", "a").unwrap();
        audit.write(&entry("/a"));
        let head = audit.head();
        let key = HEXLOWER.decode(audit.public_key().as_bytes()).unwrap();
        let signature = HEXLOWER.decode(head.signature.as_bytes()).unwrap();
        UnparsedPublicKey::new(&ED25519, key)
            .verify(format!("{}:{}", head.seq, head.hash).as_bytes(), &signature)
            .unwrap();
    }
}
