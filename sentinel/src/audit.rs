//! The audit log: one JSON line for each request, chained by SHA-256, written before anybody can wait for it.
//!
//! A line is the record's JSON with `hash` as its last member; `hash` is SHA-256 of `prev` (as written) and
//! the JSON without `hash`. A start goes on from the file's last line, so the chain spans restarts. Records
//! hold digests of bodies, never bodies; paths without their query. The head of the chain is signed with a
//! key made at each start, whose public half the control plane gets with every authorisation.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use trustbridge_tbenc::Sha256;

/// How much of an existing file is searched for its last line.
const TAIL_BYTES: u64 = 64 << 10;
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

#[derive(Deserialize)]
struct Tail {
    seq: u64,
    hash: String,
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
    file: Option<File>,
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
            Some(path) => resume(path)?,
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
        chain.seq += 1;
        chain.hash = hash;
        if let Some(file) = &mut chain.file
            && let Err(error) = file.write_all(line.as_bytes())
        {
            tracing::error!(%error, seq = chain.seq, "TB_AUDIT_PATH: a record was not written; is the volume full?");
        }
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
        chain.file.as_ref().map_or(Ok(()), File::sync_all)
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
    fn new(file: Option<File>) -> Self {
        Self {
            file,
            seq: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

/// Goes on from the last whole line. A torn one (the machine died while writing) is ended and left in place:
/// nothing is ever taken out of an audit log.
fn resume(path: &Path) -> std::io::Result<Chain> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    Read::by_ref(&mut file).take(TAIL_BYTES).read_to_end(&mut tail)?;
    if tail.last().is_some_and(|byte| *byte != b'\n') {
        file.write_all(b"\n")?;
    }
    let last = tail
        .rsplit(|byte| *byte == b'\n')
        .find_map(|line| serde_json::from_slice::<Tail>(line).ok());
    let mut chain = Chain::new(Some(file));
    if let Some(last) = last {
        chain.seq = last.seq;
        chain.hash = last.hash;
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
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
