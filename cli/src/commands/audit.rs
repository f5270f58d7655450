//! `trustbridge audit verify`: whether an audit log is the one that the sentinel wrote.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value, json};
use trustbridge_domain::audit::{Head, MAX_LINE_BYTES, Refusal, Summary, UnsignedTail, Verifier};

use super::signed::{hexadecimal, is_signed, public_key};
use crate::failure::Failure;
use crate::report::{Report, lines, note};

/// Numbers of rotated files that are looked for.
const ROTATED: std::ops::RangeInclusive<u32> = 1..=64;
const READ_BYTES: usize = 1 << 20;

/// Arguments of `audit`.
#[derive(clap::Args)]
#[command(after_help = "  trustbridge audit verify /var/log/trustbridge/audit.jsonl \\
      --public-key 5f1c...e2 --expect-head 4711:9d0a...77

A log alone shows every edit, gap, repetition and change of order. Who holds the machine could write a new log from
the beginning, or cut its end off: that shows against the public keys, one for each start of the sentinel (the control
plane gets them with every authorisation, /status shows the newest), and against a head that was seen before (/status
shows it as well). The files are read in the order in which they were written, whatever the order here; of one file
alone, its rotated ones are read too. An unfinished last line, as a crash leaves it, is told and is no refusal.

A start of the sentinel that broke off (a crash, a kill) leaves a tail that its own key never signed, and the next
start cannot know who wrote it. Such tails are told with a warning; --strict refuses them, and requests behind the
last checkpoint as well.")]
pub(crate) struct Args {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// The log's file, or all files of one log.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Refuse checkpoints of any other key; once for each start of the sentinel.
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Vec<String>,
    /// Refuse a log that does not contain this line.
    #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
    expect_head: Option<Head>,
    /// Refuse a log with an end that no key of its own start signed: after a crash, or not signed yet.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Check chain, numbers and checkpoints of a log.
    Verify,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    match args.action {
        Action::Verify => verify(args),
    }
}

fn verify(args: &Args) -> Result<Report, Failure> {
    let files = in_order(&args.paths)?;
    let mut verifier = Verifier::new(args.public_key.clone(), args.expect_head.clone(), is_signed);
    if args.strict {
        verifier = verifier.strict();
    }
    let mut unfinished = Vec::new();
    let mut place = Place::default();
    for path in &files {
        if !unfinished.is_empty() {
            // Only the youngest file may end in the middle of a line.
            let judged = verifier.line(&std::mem::take(&mut unfinished));
            judged.map_err(|refusal| place.refused(&refusal))?;
        }
        verifier.begin_file();
        unfinished = read(path, &mut verifier, &mut place)?;
    }
    if !unfinished.is_empty() {
        place.line += 1;
    }
    let summary = verifier
        .finish(&unfinished)
        .map_err(|refusal| place.refused(&refusal))?;
    if let Some(warning) = warning(&summary) {
        note("warning", &warning);
    }
    report(&files, &summary, !args.public_key.is_empty())
}

/// What a reader must not overlook, though the log is accepted.
fn warning(summary: &Summary) -> Option<String> {
    let count = summary.unsigned_tail_count;
    (count > 0).then(|| {
        format!(
            "unsigned_tail: {count} starts of the sentinel broke off without a checkpoint of reason \"stop\"; whoever \
             held the files before the next start could have written, altered or cut what their keys had not signed; \
             compare with what was seen outside, or refuse such logs with --strict"
        )
    })
}

/// Where the reader is.
#[derive(Default)]
struct Place {
    path: PathBuf,
    line: u64,
}

impl Place {
    fn refused(&self, refusal: &Refusal) -> Failure {
        let line = self.line.saturating_sub(refusal.lines_ago).max(1);
        Failure::data(format!(
            "{}: line {line}: {refusal}; keep the files as they are, they are evidence",
            self.path.display()
        ))
    }
}

/// Gives every line of a file to the verifier, and what stands behind the last line's end back.
fn read<C: Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool>(
    path: &Path,
    verifier: &mut Verifier<C>,
    place: &mut Place,
) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("reading", path, &error);
    let mut reader = BufReader::with_capacity(READ_BYTES, File::open(path).map_err(failed)?);
    *place = Place {
        path: path.to_owned(),
        line: 0,
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let bytes = reader.by_ref().take(limit).read_until(b'\n', &mut line);
        if bytes.map_err(failed)? as u64 == limit {
            return Err(Failure::data(format!(
                "{}: line {}: longer than {MAX_LINE_BYTES} bytes: no line of an audit log is",
                path.display(),
                place.line + 1
            )));
        }
        let Some(whole) = line.strip_suffix(b"\n") else {
            return Ok(line);
        };
        place.line += 1;
        verifier.line(whole).map_err(|refusal| place.refused(&refusal))?;
    }
}

/// The files of one log, the oldest first: those with the highest number behind their name.
fn in_order(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut numbered: Vec<(u32, PathBuf)> = Vec::new();
    let mut logs = BTreeSet::new();
    for path in paths {
        let (log, number) = split(path);
        logs.insert(log);
        numbered.push((number, path.clone()));
    }
    if logs.len() > 1 {
        let names: Vec<String> = logs.iter().map(|log| log.display().to_string()).collect();
        return Err(Failure::usage(format!(
            "PATH: {} are different logs; verify one at a time",
            names.join(", ")
        )));
    }
    if let [(0, path)] = numbered.as_slice() {
        let rotated = ROTATED.map(|number| (number, numbered_name(path, number)));
        let there: Vec<_> = rotated.filter(|(_, path)| path.exists()).collect();
        numbered.extend(there);
    }
    numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// The log that a file belongs to, and how many rotations ago it was full; 0 is the youngest.
fn split(path: &Path) -> (PathBuf, u32) {
    let number = path.extension().and_then(|end| end.to_str()?.parse().ok());
    match number {
        Some(number) => (path.with_extension(""), number),
        None => (path.to_owned(), 0),
    }
}

fn numbered_name(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The ends of starts that broke off, as far as they are listed.
fn tails(summary: &Summary) -> String {
    let one = |tail: &UnsignedTail| {
        let (records, pieces) = (tail.records, tail.torn_lines);
        let from = tail.signed_seq.saturating_add(1);
        format!("{records} records and {pieces} pieces of lines behind seq {from}")
    };
    let listed: Vec<String> = summary.unsigned_tails.iter().map(one).collect();
    if listed.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", summary.unsigned_tail_count, listed.join("; "))
    }
}

/// One of them for machines.
fn tail(tail: &UnsignedTail) -> Value {
    json!({
        "public_key": tail.public_key, "signed_seq": tail.signed_seq, "records": tail.records,
        "torn_lines": tail.torn_lines
    })
}

fn report(files: &[PathBuf], summary: &Summary, pinned: bool) -> Result<Report, Failure> {
    let Summary { head, .. } = summary;
    let or_none = |text: &str| if text.is_empty() { "(none)" } else { text }.to_owned();
    let signed = if summary.checkpoints == 0 {
        "no line: there is no checkpoint".to_owned()
    } else {
        let by = if pinned {
            "an expected key"
        } else {
            "keys that nobody vouched for: give --public-key"
        };
        format!("up to seq {}, by {by}", summary.signed_seq)
    };
    let mut rows = vec![
        ("files", files.len().to_string()),
        ("lines", format!("seq {} to {}", summary.first_seq, head.seq)),
        ("records", summary.records.to_string()),
        ("checkpoints", summary.checkpoints.to_string()),
        ("starts", summary.starts.to_string()),
        ("signed", signed),
        ("unsigned records", summary.unsigned_records.to_string()),
        ("unsigned tails", tails(summary)),
        ("last public key", or_none(&summary.public_key)),
        ("head", format!("{}:{}", head.seq, head.hash)),
    ];
    if summary.first_seq > 1 {
        rows.push((
            "missing",
            format!("seq 1 to {}: rotated away", summary.first_seq - 1),
        ));
    }
    if summary.torn_lines > 0 || summary.torn_tail_bytes > 0 {
        let (inside, tail) = (summary.torn_lines, summary.torn_tail_bytes);
        rows.push((
            "crashes",
            format!("{inside} pieces answered for, {tail} bytes unfinished at the end"),
        ));
    }
    rows.push(("result", "ok".to_owned()));
    let document = json!({
        "files": files, "first_seq": summary.first_seq, "seq": head.seq, "hash": head.hash,
        "records": summary.records, "checkpoints": summary.checkpoints, "starts": summary.starts,
        "signed_seq": summary.signed_seq, "unsigned_records": summary.unsigned_records,
        "unsigned_tail": summary.unsigned_tails.iter().map(tail).collect::<Vec<_>>(),
        "unsigned_tail_count": summary.unsigned_tail_count,
        "public_key": summary.public_key, "public_keys_checked": pinned,
        "torn_lines": summary.torn_lines, "torn_tail_bytes": summary.torn_tail_bytes, "result": "ok"
    });
    Report::new(lines(&rows), &document)
}

fn head(text: &str) -> Result<Head, String> {
    let rule = "must be SEQ:HASH, as /status of the sentinel and this command print it";
    let (seq, hash) = text.split_once(':').ok_or(rule)?;
    Ok(Head {
        seq: seq.parse().map_err(|_| rule)?,
        hash: hexadecimal(hash, "HASH of 64 hexadecimal characters")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{head, in_order, public_key};
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn files_are_read_from_the_oldest_on() {
        let given = [
            "a/audit.jsonl.2",
            "a/audit.jsonl",
            "a/audit.jsonl.10",
            "a/audit.jsonl.1",
        ];
        let given = given.map(PathBuf::from);
        let ordered = in_order(&given).unwrap();
        let wanted = [
            "a/audit.jsonl.10",
            "a/audit.jsonl.2",
            "a/audit.jsonl.1",
            "a/audit.jsonl",
        ];
        assert_eq!(ordered, wanted.map(PathBuf::from));
        let two = ["a/audit.jsonl.1", "b/audit.jsonl"].map(PathBuf::from);
        assert!(in_order(&two).unwrap_err().to_string().contains("different logs"));
    }

    #[test]
    fn one_file_brings_its_rotated_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for name in ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.3"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let wanted = ["audit.jsonl.3", "audit.jsonl.1", "audit.jsonl"].map(|name| dir.path().join(name));
        assert_eq!(in_order(&[path]).unwrap(), wanted);
        let older = dir.path().join("audit.jsonl.3");
        assert_eq!(in_order(std::slice::from_ref(&older)).unwrap(), [older]);
    }

    #[test]
    fn keys_and_heads_are_read_strictly() {
        let hash = "AB".repeat(32);
        assert_eq!(head(&format!("7:{hash}")).unwrap().hash, hash.to_lowercase());
        for text in ["7", "x:00", "7:00", &format!("-1:{hash}")] {
            assert!(head(text).is_err(), "{text}");
        }
        assert_eq!(public_key(&hash).unwrap(), hash.to_lowercase());
        assert!(public_key("00").is_err());
    }
}
