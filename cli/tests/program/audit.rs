//! `audit verify`: logs of the sentinel's own writer, whole and touched, and the ten lines of Python beside it.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use trustbridge_domain::audit::{
    Checkpoint, Head, Outcome, Reason, Record, checkpoint_line, record_line, torn_sha256,
};

use crate::support::{fails, json, ok, page_program};

const TS: &str = "2026-01-07T10:00:00.123Z";

struct Writer {
    dir: tempfile::TempDir,
    key: Ed25519KeyPair,
    head: Head,
}

impl Writer {
    fn new() -> Self {
        let mut writer = Self {
            dir: tempfile::tempdir().unwrap(),
            key: Ed25519KeyPair::generate().unwrap(),
            head: Head::default(),
        };
        writer.checkpoint(Reason::Start, None);
        writer
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    fn public_key(&self) -> String {
        HEXLOWER.encode(self.key.public_key().as_ref())
    }

    fn checkpoint(&mut self, reason: Reason, torn_sha256: Option<String>) {
        let public_key = self.public_key();
        let checkpoint = Checkpoint {
            reason,
            ts: TS,
            torn_sha256,
            public_key: &public_key,
        };
        let sign = |message: &[u8]| HEXLOWER.encode(self.key.sign(message).as_ref());
        let (line, head) = checkpoint_line(&self.head, checkpoint, sign).unwrap();
        self.put(&line, head);
    }

    fn record(&mut self, path: &str) {
        let digest = "ab".repeat(32);
        let record = Record {
            ts: TS,
            contract_id: "contract-123",
            asset_id: "tb-asset-123",
            method: "POST",
            path,
            req_sha256: &digest,
            status: 200,
            latency_ms: 12,
            resp_sha256: &digest,
            req_bytes: 8,
            resp_bytes: 6,
            outcome: Outcome::Ok,
        };
        let (line, head) = record_line(&self.head, &record).unwrap();
        self.put(&line, head);
    }

    fn put(&mut self, line: &str, head: Head) {
        fs::write(self.path(), self.text() + line).unwrap();
        self.head = head;
    }

    fn rotate(&mut self) {
        fs::rename(self.path(), self.dir.path().join("audit.jsonl.1")).unwrap();
        self.checkpoint(Reason::File, None);
    }

    fn refused(&self, line: &str) -> String {
        fails(self.dir.path(), 65, &format!("audit verify {line}"))
    }
}

/// The program of the reference page, and whether it accepts this file.
fn python_accepts(path: &Path) -> bool {
    let run = page_program("audit-log.md").arg(path).output();
    run.unwrap().status.success()
}

#[test]
fn a_log_over_two_files_is_whole_and_everything_is_told() {
    let mut log = Writer::new();
    log.record("/v1/models");
    log.rotate();
    log.record("/v1/completions");
    log.checkpoint(Reason::Stop, None);
    let (key, head) = (log.public_key(), log.head.clone());
    let dir = log.dir.path();
    let line = format!(
        "audit verify audit.jsonl --public-key {key} --expect-head {}:{}",
        head.seq, head.hash
    );
    let told = json(dir, &line);
    assert_eq!((&told["records"], &told["seq"]), (&2.into(), &5.into()));
    assert_eq!(
        (&told["unsigned_records"], &told["starts"]),
        (&0.into(), &1.into())
    );
    assert_eq!(told["files"].as_array().unwrap().len(), 2);
    let mut fields: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let page = ok(dir, "man --markdown");
    let row = page.lines().find(|line| line.starts_with("| audit | ")).unwrap();
    fields.retain(|field| !row.contains(&format!("`{field}`")) && !row.contains(&format!("`{field}[]`")));
    assert!(fields.is_empty(), "not in the reference: {fields:?}");
    let text = ok(dir, &line);
    assert!(
        text.contains("an expected key") && text.contains(&format!("5:{}", head.hash)),
        "{text}"
    );
    assert!(ok(dir, "audit verify audit.jsonl").contains("give --public-key"));
    // The younger file alone, and the older one alone.
    assert!(ok(dir, "audit verify audit.jsonl.1").contains("seq 1 to 2"));
    fs::remove_file(dir.join("audit.jsonl.1")).unwrap();
    assert!(ok(dir, "audit verify audit.jsonl").contains("rotated away"));
}

#[test]
fn refusals_name_file_line_number_and_rule() {
    let mut log = Writer::new();
    log.record("/a");
    log.record("/b");
    log.checkpoint(Reason::Periodic, None);
    let good = log.text();
    let lines: Vec<&str> = good.lines().collect();
    let cases = [
        (
            "HASH] seq 2",
            "line 2",
            good.replacen("\"status\":200", "\"status\":500", 1),
        ),
        (
            "SEQUENCE] seq 2",
            "line 2",
            [lines[0], lines[2], lines[3], ""].join("\n"),
        ),
        (
            "SEQUENCE] seq 3",
            "line 3",
            [lines[0], lines[1], lines[1], lines[2], ""].join("\n"),
        ),
        (
            "SEQUENCE] seq 2",
            "line 2",
            [lines[0], lines[2], lines[1], lines[3], ""].join("\n"),
        ),
        (
            "BEGINNING] seq 2",
            "line 1",
            [lines[1], lines[2], lines[3], ""].join("\n"),
        ),
        (
            "LINE] seq 3",
            "line 3",
            [lines[0], lines[1], "junk", lines[2], ""].join("\n"),
        ),
        ("LINE] seq 5", "line 5", good.clone() + "{}\n"),
    ];
    assert!(python_accepts(&log.path()));
    for (rule, line, text) in cases {
        fs::write(log.path(), text).unwrap();
        let said = log.refused("audit.jsonl");
        assert!(
            said.contains(rule) && said.contains(line) && said.contains("audit.jsonl"),
            "{rule}: {said}"
        );
        assert!(!python_accepts(&log.path()), "{rule}");
    }
    let said = fails(log.dir.path(), 65, "--json audit verify audit.jsonl");
    assert!(said.contains("\"exit_code\":65"), "{said}");
}

#[test]
fn a_cut_and_a_forged_log_show_against_what_is_known_outside() {
    let mut log = Writer::new();
    log.record("/a");
    log.record("/b");
    log.checkpoint(Reason::Periodic, None);
    let known = format!(
        "--public-key {} --expect-head {}:{}",
        log.public_key(),
        log.head.seq,
        log.head.hash
    );
    let good = log.text();
    let cut: String = good.split_inclusive('\n').take(2).collect();
    fs::write(log.path(), cut).unwrap();
    ok(log.dir.path(), "audit verify audit.jsonl");
    let said = log.refused(&format!("audit.jsonl {known}"));
    assert!(
        said.contains("[HEAD] seq 4") && said.contains("ends at seq 2"),
        "{said}"
    );
    let mut forged = Writer::new();
    forged.record("/a");
    ok(forged.dir.path(), "audit verify audit.jsonl");
    let said = forged.refused(&format!("audit.jsonl --public-key {}", log.public_key()));
    assert!(said.contains("[KEY]"), "{said}");
}

#[test]
fn a_crash_is_no_refusal() {
    let mut log = Writer::new();
    log.record("/a");
    let piece = "{\"ts\":\"2026-01-07T10:0";
    fs::write(log.path(), log.text() + piece).unwrap();
    assert_eq!(
        json(log.dir.path(), "audit verify audit.jsonl")["torn_tail_bytes"],
        piece.len()
    );
    log.refused("audit.jsonl --strict");
    // The next start answers for it, and for nothing that stood before.
    fs::write(log.path(), log.text() + "\n").unwrap();
    log.refused("audit.jsonl");
    let first = log.public_key();
    log.key = Ed25519KeyPair::generate().unwrap();
    log.checkpoint(Reason::Start, Some(torn_sha256(format!("{piece}\n").as_bytes())));
    let told = json(log.dir.path(), "audit verify audit.jsonl");
    assert_eq!((&told["torn_lines"], &told["starts"]), (&1.into(), &2.into()));
    assert_eq!(told["unsigned_tail_count"], 1);
    let tail = &told["unsigned_tail"][0];
    assert_eq!(tail["public_key"], first.as_str());
    assert_eq!((&tail["records"], &tail["signed_seq"]), (&1.into(), &0.into()));
    let text = ok(log.dir.path(), "audit verify audit.jsonl");
    assert!(
        text.contains("1: 1 records and 1 pieces of lines behind seq 1"),
        "{text}"
    );
    let said = log.refused("audit.jsonl --strict");
    assert!(
        said.contains("[UNSIGNED] seq 3") && said.contains(&first),
        "{said}"
    );
}

#[test]
fn an_orderly_end_passes_strictly_and_nothing_stands_behind_it() {
    let mut log = Writer::new();
    log.record("/a");
    log.checkpoint(Reason::Stop, None);
    let ended = log.head.clone();
    log.key = Ed25519KeyPair::generate().unwrap();
    log.checkpoint(Reason::Start, None);
    let told = json(log.dir.path(), "audit verify audit.jsonl --strict");
    assert_eq!(
        (&told["starts"], &told["unsigned_tail_count"]),
        (&2.into(), &0.into())
    );
    let whole: String = log.text().split_inclusive('\n').take(3).collect();
    fs::write(log.path(), whole).unwrap();
    log.head = ended;
    log.record("/b");
    let said = log.refused("audit.jsonl");
    assert!(
        said.contains("[CHECKPOINT] seq 4") && said.contains("behind"),
        "{said}"
    );
}

#[test]
fn what_is_no_log_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let said = fails(dir.path(), 74, "audit verify missing.jsonl");
    assert!(said.contains("missing.jsonl"), "{said}");
    fs::write(dir.path().join("long"), vec![b'x'; 300 << 10]).unwrap();
    let said = fails(dir.path(), 65, "audit verify long");
    assert!(said.contains("longer than"), "{said}");
    let said = fails(dir.path(), 64, "audit verify long --expect-head 7");
    assert!(said.contains("SEQ:HASH"), "{said}");
}
