//! Reading lines that somebody else may have touched.

use super::torn::{Torn, is_unfinished};
use super::verdict::{LISTED_TAILS, Refusal, Rule, Summary, UnsignedTail};
use super::{GENESIS, Head, RECORDS_A_CHECKPOINT, Reason, Seen, Signed, chained, is_hex, split, unhex};

/// Judges a log line by line, in constant memory.
///
/// `check` says whether a signature (64 bytes) of a message is that of an Ed25519 key (32 bytes); this crate knows no
/// signatures.
pub struct Verifier<C> {
    check: C,
    keys: Vec<String>,
    expected: Option<Head>,
    summary: Summary,
    /// Pieces since the last whole line.
    torn: Option<Torn>,
    /// Pieces between the last two whole lines.
    pieces: u64,
    begins_file: bool,
    files: u64,
    /// The last checkpoint is an orderly end: only another start may follow.
    stopped: bool,
    strict: bool,
}

impl<C: Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool> Verifier<C> {
    /// `keys`: lowercase hexadecimal; where there are any, every checkpoint must be signed by one of them.
    /// `expected`: a head that was seen before and must be in the log.
    pub fn new(keys: Vec<String>, expected: Option<Head>, check: C) -> Self {
        Self {
            check,
            keys,
            expected,
            summary: Summary::default(),
            torn: None,
            pieces: 0,
            begins_file: false,
            files: 0,
            stopped: false,
            strict: false,
        }
    }

    /// Refuses what no key of its own start answers for: starts that broke off, and requests behind the last
    /// checkpoint. A log that is still written to passes where a checkpoint is its last line.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The lines that follow are another file's, younger than the one before.
    pub fn begin_file(&mut self) {
        self.begins_file = true;
        self.files = self.files.saturating_add(1);
    }

    /// A line that has its end, without it.
    ///
    /// # Errors
    /// The first broken rule. A piece of a line is told with the next line, which may answer for it.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if let Some((seen, own, hash)) = parse(line) {
            return self.whole(&seen, own, hash);
        }
        self.tear(line);
        Ok(())
    }

    /// The end of the last file: the bytes behind its last line's end, most often none.
    ///
    /// # Errors
    /// Broken rules, and those that only the end shows: an expected head that never came.
    pub fn finish(mut self, rest: &[u8]) -> Result<Summary, Refusal> {
        if let Some((seen, own, hash)) = parse(rest) {
            self.whole(&seen, own, hash)?;
        } else if is_unfinished(rest) {
            self.summary.torn_tail_bytes = rest.len() as u64;
        } else if !rest.is_empty() {
            return Err(self.refuse(Rule::Line, 0, NO_RECORD));
        }
        if let Some(torn) = self.torn.take() {
            // A crash inside the checkpoint that was to answer for the crash before.
            if rest.is_empty() || torn.altered {
                let ago = torn.lines.saturating_sub(u64::from(rest.is_empty()));
                return Err(self.refuse(Rule::Line, ago, NO_RECORD));
            }
            self.summary.torn_lines = self.summary.torn_lines.saturating_add(torn.lines);
        }
        self.check_end()?;
        if !self.keys.is_empty() && self.summary.checkpoints == 0 {
            let message = "the log has no checkpoint: none of the expected keys answers for it";
            return Err(self.refuse(Rule::Key, 0, message));
        }
        let last = self.summary.head.seq;
        match &self.expected {
            Some(expected) if expected.seq > last => {
                let message = format!("the log ends at seq {last}: its tail was cut, or this is another log");
                Err(self.refuse_at(Rule::Head, expected.seq, message))
            }
            Some(expected) if expected.seq > 0 && expected.seq < self.summary.first_seq => {
                let first = self.summary.first_seq;
                let message = format!("the log begins at seq {first}: add the older files");
                Err(self.refuse_at(Rule::Head, expected.seq, message))
            }
            _ => Ok(self.summary),
        }
    }

    /// The end of the last start, for the strict reader.
    fn check_end(&self) -> Result<(), Refusal> {
        let Summary {
            unsigned_records: records,
            torn_tail_bytes: bytes,
            ..
        } = self.summary;
        if !self.strict || records == 0 && bytes == 0 {
            return Ok(());
        }
        let message = format!(
            "{records} records and {bytes} bytes of an unfinished line stand behind the last checkpoint; the sentinel \
             signs within a minute: read it again then, or without the strict rule"
        );
        Err(self.refuse(Rule::Unsigned, 0, &message))
    }

    fn whole(&mut self, seen: &Seen, own: &[u8], hash: &str) -> Result<(), Refusal> {
        let begins_file = std::mem::take(&mut self.begins_file);
        self.check_torn(seen)?;
        if self.summary.first_seq == 0 {
            self.begin(seen)?;
        } else if begins_file && self.files > 1 && !opens_file(seen) {
            let message = "a younger file must begin with a checkpoint of reason \"file\"";
            return Err(self.refuse(Rule::Checkpoint, 0, message));
        }
        self.check_chain(seen, own, hash)?;
        match &seen.checkpoint {
            Some(signed) => self.checkpoint(signed)?,
            None => self.record()?,
        }
        let head = &mut self.summary.head;
        head.seq = seen.seq;
        hash.clone_into(&mut head.hash);
        match &self.expected {
            Some(expected) if expected.seq == seen.seq && expected.hash != hash => {
                let message = format!("its hash is {hash}, seen before was {}", expected.hash);
                Err(self.refuse_at(Rule::Head, seen.seq, message))
            }
            _ => Ok(()),
        }
    }

    /// Pieces of lines must be answered for by the whole line behind them.
    fn check_torn(&mut self, seen: &Seen) -> Result<(), Refusal> {
        let stated = seen
            .checkpoint
            .as_ref()
            .and_then(|one| one.torn_sha256.as_deref());
        self.pieces = self.torn.as_ref().map_or(0, |torn| torn.lines);
        match (self.torn.take(), stated) {
            (None, None) => Ok(()),
            (Some(torn), stated) => {
                let lines = torn.lines;
                if stated == Some(torn.sha256().as_str()) {
                    self.summary.torn_lines = self.summary.torn_lines.saturating_add(lines);
                    return Ok(());
                }
                Err(self.refuse(Rule::Line, lines, NO_RECORD))
            }
            (None, Some(_)) => {
                let message = "torn_sha256 speaks of a piece of a line before it; there is none";
                Err(self.refuse(Rule::Checkpoint, 0, message))
            }
        }
    }

    fn begin(&mut self, seen: &Seen) -> Result<(), Refusal> {
        let is_first = seen.seq == 1 && seen.prev == GENESIS;
        if is_first && seen.checkpoint.is_none() {
            let message = "the log begins with a record: the first line of a start is its checkpoint";
            return Err(self.refuse(Rule::Beginning, 0, message));
        }
        let goes_on = opens_file(seen) && seen.seq > 1 && is_hex(&seen.prev, 64);
        if !(is_first || goes_on) {
            let message = format!(
                "the log begins with seq {}: lines before it are missing; add the older files",
                seen.seq
            );
            return Err(self.refuse_at(Rule::Beginning, seen.seq, message));
        }
        self.summary.first_seq = seen.seq;
        self.summary.head = Head {
            seq: seen.seq.saturating_sub(1),
            hash: seen.prev.clone(),
        };
        Ok(())
    }

    fn check_chain(&self, seen: &Seen, own: &[u8], hash: &str) -> Result<(), Refusal> {
        let head = &self.summary.head;
        let wanted = head.seq.saturating_add(1);
        if seen.seq != wanted {
            let what = if seen.seq > wanted {
                "a line is missing"
            } else {
                "a line is repeated or out of order"
            };
            let message = format!("seq {} stands here: {what}", seen.seq);
            return Err(self.refuse(Rule::Sequence, 0, &message));
        }
        if seen.prev != head.hash {
            let message = format!("prev is {}, the line before has {}", seen.prev, head.hash);
            return Err(self.refuse(Rule::Chain, 0, &message));
        }
        let actual = chained(&head.hash, own);
        if actual != hash {
            let message = format!("its content hashes to {actual}, it says {hash}: it was altered");
            return Err(self.refuse(Rule::Hash, 0, &message));
        }
        Ok(())
    }

    /// Between two checkpoints there are so many records at most: who has no key can add no more than that.
    fn record(&mut self) -> Result<(), Refusal> {
        if self.stopped {
            let message = "a record stands behind the checkpoint of reason \"stop\": its sentinel had ended";
            return Err(self.refuse(Rule::Checkpoint, 0, message));
        }
        let summary = &mut self.summary;
        summary.records = summary.records.saturating_add(1);
        summary.unsigned_records = summary.unsigned_records.saturating_add(1);
        if summary.unsigned_records > RECORDS_A_CHECKPOINT {
            let message = format!("more than {RECORDS_A_CHECKPOINT} records since the last checkpoint");
            return Err(self.refuse(Rule::Checkpoint, 0, &message));
        }
        Ok(())
    }

    fn checkpoint(&mut self, signed: &Signed) -> Result<(), Refusal> {
        let head = &self.summary.head;
        if signed.seq != head.seq || signed.hash != head.hash {
            let message = format!(
                "it signs seq {} with {}, not the line before",
                signed.seq, signed.hash
            );
            return Err(self.refuse(Rule::Checkpoint, 0, &message));
        }
        let key = &signed.public_key;
        if !self.keys.is_empty() && !self.keys.contains(key) {
            let message = format!("its key {key} is none of the expected ones");
            return Err(self.refuse(Rule::Key, 0, &message));
        }
        let fresh = *key != self.summary.public_key;
        if fresh && !matches!(signed.reason, Reason::Start | Reason::File) {
            let message = format!("key {key} signs without a start before it");
            return Err(self.refuse(Rule::Checkpoint, 0, &message));
        }
        if self.stopped && !fresh {
            let message = format!("key {key} signs behind its own checkpoint of reason \"stop\"");
            return Err(self.refuse(Rule::Checkpoint, 0, &message));
        }
        let valid = match (unhex(key), unhex(&signed.signature)) {
            (Some(key), Some(signature)) => (self.check)(&key, signed.message().as_bytes(), &signature),
            _ => false,
        };
        if !valid {
            let message = format!("the signature is not that of key {key}");
            return Err(self.refuse(Rule::Signature, 0, &message));
        }
        if fresh {
            self.end_of_former()?;
            self.summary.starts = self.summary.starts.saturating_add(1);
            self.summary.public_key.clone_from(key);
        }
        self.stopped = signed.reason == Reason::Stop;
        let summary = &mut self.summary;
        summary.checkpoints = summary.checkpoints.saturating_add(1);
        summary.signed_seq = signed.seq;
        summary.unsigned_records = 0;
        Ok(())
    }

    /// Another start's key signs from here on: the one before ended in order, or its end is nobody's.
    fn end_of_former(&mut self) -> Result<(), Refusal> {
        let summary = &self.summary;
        if summary.checkpoints == 0 || self.stopped {
            return Ok(());
        }
        let tail = UnsignedTail {
            public_key: summary.public_key.clone(),
            signed_seq: summary.signed_seq,
            records: summary.unsigned_records,
            torn_lines: self.pieces,
        };
        if self.strict {
            let message = format!(
                "the start with key {} broke off: no signature of its own answers for what follows seq {} ({} records, \
                 {} pieces of lines), nor for that nothing was cut",
                tail.public_key, tail.signed_seq, tail.records, tail.torn_lines
            );
            return Err(self.refuse(Rule::Unsigned, 0, &message));
        }
        let summary = &mut self.summary;
        summary.unsigned_tail_count = summary.unsigned_tail_count.saturating_add(1);
        if summary.unsigned_tails.len() < LISTED_TAILS {
            summary.unsigned_tails.push(tail);
        }
        Ok(())
    }

    fn tear(&mut self, line: &[u8]) {
        self.torn.get_or_insert_default().add(line);
    }

    fn refuse(&self, rule: Rule, lines_ago: u64, message: &str) -> Refusal {
        Refusal {
            rule,
            seq: self.summary.head.seq.saturating_add(1),
            message: message.to_owned(),
            lines_ago,
        }
    }

    fn refuse_at(&self, rule: Rule, seq: u64, message: String) -> Refusal {
        Refusal {
            seq,
            message,
            ..self.refuse(rule, 0, "")
        }
    }
}

const NO_RECORD: &str = "this is no whole record, and no checkpoint answers for it as the trace of a crash";

fn opens_file(seen: &Seen) -> bool {
    seen.checkpoint
        .as_ref()
        .is_some_and(|signed| signed.reason == Reason::File)
}

fn parse(line: &[u8]) -> Option<(Seen, &[u8], &str)> {
    let (own, hash) = split(line)?;
    let seen = serde_json::from_slice(line).ok()?;
    Some((seen, own, hash))
}
