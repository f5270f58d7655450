//! The lines of the outbox and the chain that holds them together: reading and writing, without a file.

use std::io;

use serde::{Deserialize, Serialize};
use trustbridge_tbenc::Sha256;

use super::counters::Counts;
use super::outbox::Error;

/// `prev` of the first record.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What lies before the records.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) outbox: String,
    pub(super) after: u64,
    pub(super) hash: String,
}

/// What was used in an interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// The start of the process in which it was counted.
    pub(crate) boot: String,
    /// Counts from 1, through all starts, without a gap.
    pub(crate) seq: u64,
    /// Its beginning by the clock of the day.
    pub(crate) from: jiff::Timestamp,
    /// Its end: the beginning plus its length by a clock that does not step.
    pub(crate) to: jiff::Timestamp,
    /// What was used, without zeros.
    pub(crate) counters: Counts,
    /// Hash of the record before.
    pub(crate) prev: String,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) interval: Interval,
    pub(crate) hash: String,
}

pub(super) fn line_of(value: &impl Serialize) -> io::Result<String> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    Ok(line)
}

pub(super) fn seal(interval: Interval) -> io::Result<Record> {
    let json = serde_json::to_string(&interval)?;
    let mut digest = Sha256::new();
    digest.update(interval.prev.as_bytes());
    digest.update(json.as_bytes());
    let hash = digest.finish_hex();
    Ok(Record { interval, hash })
}

/// A record, and where the file goes on after it.
pub(super) struct Placed {
    pub(super) record: Record,
    pub(super) end: usize,
}

/// The header, and where the file goes on after it. It is never appended: it is there whole, or somebody else was
/// here.
pub(super) fn parse_header(content: &[u8]) -> Result<(Header, usize), Error> {
    let line = content
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let header = serde_json::from_slice::<Header>(line)
        .ok()
        .map(|header| (header, line.len()));
    header.ok_or(Error::Damaged {
        line: 1,
        reason: "it is not the header of an outbox",
    })
}

/// The records from `start` on, which follow `last`.
pub(super) fn parse(content: &[u8], start: usize, mut last: (u64, String)) -> Result<Vec<Placed>, Error> {
    let rest = content.get(start..).unwrap_or_default();
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut placed = Vec::new();
    let mut end = start;
    while let Some(line) = lines.next() {
        match check(line, &last) {
            Ok(record) => {
                last = (record.interval.seq, record.hash.clone());
                end += line.len();
                placed.push(Placed { record, end });
            }
            Err(_) if lines.peek().is_none() => break,
            Err(reason) => {
                let before = content.get(..end).unwrap_or_default();
                let line = before.split(|byte| *byte == b'\n').count();
                return Err(Error::Damaged { line, reason });
            }
        }
    }
    Ok(placed)
}

fn check(line: &[u8], last: &(u64, String)) -> Result<Record, &'static str> {
    if line.last() != Some(&b'\n') {
        return Err("it has no end");
    }
    let record: Record = serde_json::from_slice(line).map_err(|_| "it is no record")?;
    if record.interval.seq != last.0 + 1 || record.interval.prev != last.1 {
        return Err("it does not follow the line before");
    }
    let again = seal(record.interval).map_err(|_| "it cannot be hashed")?;
    if again.hash == record.hash {
        Ok(again)
    } else {
        Err("its hash is another")
    }
}
