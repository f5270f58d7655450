//! Writing lines.

use serde::Serialize;
use serde::ser::Error as _;

use super::{BEFORE_HASH, BEHIND_HASH, Head, Reason, Signed, chained};

/// Room for an ordinary line, so that it need not grow while it is written.
const LINE_BYTES: usize = 1024;

/// How a proxied request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer went out whole.
    Ok,
    /// The client went away before the end.
    ClientClosed,
    /// The runtime gave no answer.
    UpstreamError,
    /// The runtime's answer broke off.
    MidStreamError,
    /// The sentinel ended before the answer did, and cut it off.
    SentinelClosed,
    /// The request was refused here.
    Refused,
}

/// One proxied request (spec 7.7), in the order in which its members are written.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// When the answer began to be formed, RFC 3339 with milliseconds, UTC.
    pub ts: &'a str,
    /// The contract under which the model runs.
    pub contract_id: &'a str,
    /// The model.
    pub asset_id: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// Its path, without the query.
    pub path: &'a str,
    /// SHA-256 of the request's body, hexadecimal.
    pub req_sha256: &'a str,
    /// The answer's status.
    pub status: u16,
    /// Milliseconds from the request's head to the answer's end.
    pub latency_ms: u64,
    /// SHA-256 of the answer's body as far as it went out, hexadecimal.
    pub resp_sha256: &'a str,
    /// Bytes of the request's body.
    pub req_bytes: u64,
    /// Bytes of the answer's body that went out.
    pub resp_bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a checkpoint says beside the head that it signs.
#[derive(Clone, Debug)]
pub struct Checkpoint<'a> {
    /// Why it is written.
    pub reason: Reason,
    /// When, RFC 3339 with milliseconds, UTC.
    pub ts: &'a str,
    /// SHA-256 of the pieces of lines that stand before it, where a crash left some.
    pub torn_sha256: Option<String>,
    /// This start's Ed25519 key, 64 lowercase hexadecimal characters.
    pub public_key: &'a str,
}

#[derive(Serialize)]
struct Own {
    checkpoint: Signed,
}

/// The line (with its line's end) that follows `head`, and the head that it makes.
///
/// # Errors
/// None in practice: the members are numbers and text, and all of those have a form in JSON.
pub fn record_line(head: &Head, record: &Record<'_>) -> serde_json::Result<(String, Head)> {
    line(head, record)
}

/// The checkpoint (with its line's end) that follows and signs `head`, and the head that it makes. `sign` gives the
/// signature of a message, 128 lowercase hexadecimal characters.
///
/// # Errors
/// As [`record_line`].
pub fn checkpoint_line(
    head: &Head,
    checkpoint: Checkpoint<'_>,
    sign: impl FnOnce(&[u8]) -> String,
) -> serde_json::Result<(String, Head)> {
    let mut signed = Signed {
        reason: checkpoint.reason,
        seq: head.seq,
        hash: head.hash.clone(),
        ts: checkpoint.ts.to_owned(),
        torn_sha256: checkpoint.torn_sha256,
        public_key: checkpoint.public_key.to_owned(),
        signature: String::new(),
    };
    signed.signature = sign(signed.message().as_bytes());
    line(head, &Own { checkpoint: signed })
}

fn line(head: &Head, own: &impl Serialize) -> serde_json::Result<(String, Head)> {
    let seq = head.seq.saturating_add(1);
    let mut text = Vec::with_capacity(LINE_BYTES);
    serde_json::to_writer(&mut text, own)?;
    let mut text = String::from_utf8(text).map_err(serde_json::Error::custom)?;
    // Every line has members of its own before these. The closing brace comes back behind the hash.
    text.pop();
    let number = seq.to_string();
    for part in [",\"seq\":", &number, ",\"prev\":\"", &head.hash, "\""] {
        text.push_str(part);
    }
    let hash = chained(&head.hash, text.as_bytes());
    for part in [BEFORE_HASH, &hash, BEHIND_HASH, "\n"] {
        text.push_str(part);
    }
    Ok((text, Head { seq, hash }))
}
