//! The audit log's lines: what stands in one, what chains it to the one before, who signed the chain so far.
//!
//! A log is lines of JSON. `hash`, the last member of every line, is SHA-256 of the previous line's `hash` (as text)
//! followed by this line without that member; `seq` counts from 1 without a gap. So one line answers for all before
//! it. A **checkpoint** is a line of the same chain that signs its place: Ed25519, by a key that the sentinel makes
//! at each start and tells the control plane. Whoever holds that key's public half, or has once seen a head, need
//! not trust the machine that kept the file.
//!
//! Writer ([`record_line`], [`checkpoint_line`]) and reader ([`Verifier`]) stand side by side so that the format
//! exists once. `docs/reference/audit-log.md` says it for people.

mod torn;
mod verdict;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use verdict::{LISTED_TAILS, Refusal, Rule, Summary, UnsignedTail};
pub use verify::Verifier;
pub use write::{Checkpoint, Outcome, Record, checkpoint_line, record_line};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// `prev` of the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest line that a reader takes, in bytes. A record's path is bounded by the proxy, far below.
pub const MAX_LINE_BYTES: usize = 256 << 10;

/// So many records stand between two checkpoints at most.
pub const RECORDS_A_CHECKPOINT: u64 = 1000;

/// What stands between a line's own members and its hash, and behind the hash.
const BEFORE_HASH: &str = ",\"hash\":\"";
const BEHIND_HASH: &str = "\"}";
const HASH_CHARS: usize = 64;

/// Where a chain is: the last line's number and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line; 0 before the first.
    pub seq: u64,
    /// Its hash, 64 lowercase hexadecimal characters; [`GENESIS`] before the first.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            seq: 0,
            hash: GENESIS.to_owned(),
        }
    }
}

impl Head {
    /// The head that this line makes, where it is a whole one (without its line's end). Nothing is verified.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let (_, hash) = split(line)?;
        let seq = serde_json::from_slice::<Seen>(line).ok()?.seq;
        Some(Self {
            seq,
            hash: hash.to_owned(),
        })
    }
}

/// Why a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A start of the sentinel, with a new key.
    Start,
    /// The first line of a file that goes on another one's chain.
    File,
    /// So many lines, or so much time, after the one before.
    Periodic,
    /// The sentinel ends in order.
    Stop,
}

impl Reason {
    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Periodic => "periodic",
            Self::Stop => "stop",
        }
    }
}

/// A checkpoint as it stands in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    reason: Reason,
    seq: u64,
    hash: String,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    torn_sha256: Option<String>,
    public_key: String,
    signature: String,
}

impl Signed {
    /// The bytes that are signed: every member but key and signature, in words that no other message begins with.
    fn message(&self) -> String {
        let torn = self.torn_sha256.as_deref().unwrap_or("-");
        let (reason, ts) = (self.reason.as_str(), &self.ts);
        format!(
            "trustbridge/audit/v1 {reason} {} {} {ts} {torn}",
            self.seq, self.hash
        )
    }
}

/// What a reader needs of a line; the rest is covered by the hash.
#[derive(Deserialize)]
struct Seen {
    seq: u64,
    prev: String,
    checkpoint: Option<Signed>,
}

/// A line's own JSON up to its hash (still without the closing brace), and the hash. Nothing where the line is not
/// of that shape.
fn split(line: &[u8]) -> Option<(&[u8], &str)> {
    let line = line.strip_suffix(BEHIND_HASH.as_bytes())?;
    let (rest, hash) = line.split_at_checked(line.len().checked_sub(HASH_CHARS)?)?;
    let own = rest.strip_suffix(BEFORE_HASH.as_bytes())?;
    let hash = std::str::from_utf8(hash).ok()?;
    is_hex(hash, HASH_CHARS).then_some((own, hash))
}

/// The hash of a line: over the previous hash as text, and the line's own JSON with its closing brace.
fn chained(prev: &str, own_without_brace: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(prev.as_bytes());
    digest.update(own_without_brace);
    digest.update(b"}");
    hex(&digest.finalize())
}

/// SHA-256 of pieces that a crash left, as a checkpoint states it: of all bytes behind the last whole line, each
/// piece with the `\n` that ends it.
#[must_use]
pub fn torn_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn is_hex(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The bytes that `N` pairs of lowercase hexadecimal characters stand for.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if !is_hex(text, 2 * N) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
