//! What a reader comes to: the rule that a log breaks, or what an accepted one holds.

use super::Head;

/// The rule that a log breaks. The words are stable; scripts may read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A line is no whole record.
    Line,
    /// A number is missing, repeated or out of order.
    Sequence,
    /// A line does not name the hash of the one before.
    Chain,
    /// A line is not what its hash was made of.
    Hash,
    /// A log begins in the middle, or with something that is no checkpoint.
    Beginning,
    /// A checkpoint speaks of another place, comes from a key that did not start, or is not what was asked for.
    Checkpoint,
    /// A checkpoint's signature is not its key's.
    Signature,
    /// A checkpoint's key is none of the expected ones.
    Key,
    /// The log does not contain the head that was seen before.
    Head,
    /// Nobody's signature answers for the end of a start; a rule of the strict reader alone.
    Unsigned,
}

impl Rule {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "LINE",
            Self::Sequence => "SEQUENCE",
            Self::Chain => "CHAIN",
            Self::Hash => "HASH",
            Self::Beginning => "BEGINNING",
            Self::Checkpoint => "CHECKPOINT",
            Self::Signature => "SIGNATURE",
            Self::Key => "KEY",
            Self::Head => "HEAD",
            Self::Unsigned => "UNSIGNED",
        }
    }
}

/// Why a log is refused, at the first line that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[{}] seq {seq}: {message}", rule.as_str())]
pub struct Refusal {
    /// Which rule.
    pub rule: Rule,
    /// The number that the line has, or must have.
    pub seq: u64,
    /// What is there, and what should be.
    pub message: String,
    /// How many lines ago the fault stands: 0 for the line that was given last.
    pub lines_ago: u64,
}

/// So many unsigned tails are told one by one; the rest is counted.
pub const LISTED_TAILS: usize = 64;

/// The end of a start of the sentinel that wrote no `stop`: a crash, a kill, a power cut.
///
/// The key of that start signed up to its last checkpoint and is gone. The next start signs the place where it found
/// the log, but it cannot know who wrote the lines before it: whoever held the file between the two could have
/// written, altered or cut them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsignedTail {
    /// The key of the start that broke off, 64 lowercase hexadecimal characters.
    pub public_key: String,
    /// Number of the last line that this key signed.
    pub signed_seq: u64,
    /// Requests behind its last checkpoint, [`RECORDS_A_CHECKPOINT`](super::RECORDS_A_CHECKPOINT) at most.
    pub records: u64,
    /// Pieces of lines behind them.
    pub torn_lines: u64,
}

/// What an accepted log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of the first line; above 1 where older files were rotated away. 0 in an empty log.
    pub first_seq: u64,
    /// The last line.
    pub head: Head,
    /// Lines of requests.
    pub records: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Keys in a row, one for each start of the sentinel that the log shows.
    pub starts: u64,
    /// Number of the last line that a checkpoint signs; 0 without any. What stands in
    /// [`unsigned_tails`](Self::unsigned_tails) was signed by the start after the one that wrote it.
    pub signed_seq: u64,
    /// Requests behind the last checkpoint: nothing but the chain answers for them yet.
    pub unsigned_records: u64,
    /// Ends of starts that broke off, the first [`LISTED_TAILS`] of them.
    pub unsigned_tails: Vec<UnsignedTail>,
    /// How many there are.
    pub unsigned_tail_count: u64,
    /// The last checkpoint's key, hexadecimal; empty without any.
    pub public_key: String,
    /// Pieces of lines that a crash left and a later checkpoint answers for, or would have if it were finished.
    pub torn_lines: u64,
    /// Bytes of an unfinished last line.
    pub torn_tail_bytes: u64,
}
