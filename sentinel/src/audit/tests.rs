//! The log as it lies on the disk, judged by the reader that people use.

use super::log::{Log, rotated};
use super::{Audit, Entry, Outcome, Reason};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use std::path::{Path, PathBuf};
use trustbridge_domain::audit::{GENESIS, Head, RECORDS_A_CHECKPOINT, Refusal, Summary, Verifier};

/// SHA-256 of `question` and of `answer`.
const QUESTION: &str = "1f5087db919ced5c123c7f507d3fcce818cb0cf6e77c2f95a8a35e951e03fdb9";
const ANSWER: &str = "0db52f4076c082518412afd3dd3576e2cb0c63703fd7fed5e23ade60efef31d9";

fn entry(path: &str) -> Entry<'_> {
    Entry {
        ts: "2026-01-07T10:00:00.123456Z".parse().unwrap(),
        method: "POST",
        path,
        req_sha256: QUESTION,
        req_bytes: 8,
        resp_sha256: ANSWER,
        resp_bytes: 6,
        status: 200,
        latency_ms: 123,
        outcome: Outcome::Ok,
    }
}

fn write(audit: &Audit, path: &str) {
    audit.add(&entry(path));
    audit.write_out();
}

fn open(path: &Path) -> Audit {
    Audit::open(Some(path), "contract-123", "tb-asset-123").unwrap()
}

fn verify(paths: &[PathBuf], keys: &[String]) -> Result<Summary, Refusal> {
    let check = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .is_ok()
    };
    let mut verifier = Verifier::new(keys.to_vec(), None, check);
    let mut rest = Vec::new();
    for path in paths {
        if !rest.is_empty() {
            // Only the youngest file may end in the middle of a line.
            verifier.line(&std::mem::take(&mut rest))?;
        }
        verifier.begin_file();
        let text = std::fs::read(path).unwrap_or_default();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => verifier.line(line)?,
                None => rest = line.to_vec(),
            }
        }
    }
    verifier.finish(&rest)
}

#[test]
fn the_chain_holds_and_spans_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log/audit.jsonl");
    let audit = open(&path);
    write(&audit, "/v1/chat/completions");
    write(&audit, "/v1/models");
    audit.close().unwrap();
    let again = open(&path);
    write(&again, "/v1/completions");
    let keys = [audit.public_key(), again.public_key()];
    let summary = verify(std::slice::from_ref(&path), &keys).unwrap();
    assert_eq!((summary.records, summary.checkpoints, summary.starts), (3, 3, 2));
    assert_eq!(summary.unsigned_records, 1);
    assert!(verify(std::slice::from_ref(&path), &keys[..1]).is_err());
    let text = std::fs::read_to_string(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(json["ts"], "2026-01-07T10:00:00.123Z");
    assert_eq!(json["contract_id"], "contract-123");
    assert_eq!(json["outcome"], "ok");
}

#[test]
fn what_a_crash_left_is_answered_for_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    write(&open(&path), "/a");
    // Once in the middle of a line, once more in the middle of the line that answers for it, once at a line's end.
    for piece in ["{\"ts\":\"2026", "\n{\"checkpoint\":{", "\n"] {
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(piece);
        std::fs::write(&path, &text).unwrap();
    }
    let audit = open(&path);
    write(&audit, "/b");
    let summary = verify(std::slice::from_ref(&path), &[]).unwrap();
    assert_eq!((summary.records, summary.torn_lines), (2, 2));
    // Whole but for its end.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    write(&open(&path), "/c");
    assert_eq!(verify(&[path], &[]).unwrap().records, 3);
}

#[test]
fn the_chain_runs_through_rotated_files_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    for _ in 0..2 {
        let audit = open(&path);
        audit.lock().log = Some(Log::open_with(&path, 1500).unwrap().0);
        for _ in 0..4 {
            write(&audit, "/a");
        }
    }
    let mut files: Vec<_> = (1..6).rev().map(|number| rotated(&path, number)).collect();
    files.retain(|file| file.exists());
    assert!(files.len() > 1, "{files:?}");
    let older = verify(&files, &[]).unwrap().head;
    files.push(path.clone());
    assert_eq!(verify(&files, &[]).unwrap().records, 8);
    // Stopped between a rotation and the first line after it, and in the middle of that line.
    for left in ["", "{\"checkpoint\":{\"reason\":\"fi"] {
        std::fs::write(&path, left).unwrap();
        let audit = open(&path);
        assert_eq!(audit.head().seq, older.seq + 1);
        write(&audit, "/b");
        verify(&files, &[]).unwrap();
    }
}

#[test]
fn what_a_crash_left_at_the_end_of_a_full_file_is_answered_for_by_the_next_file() {
    for crash_at_rotation in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        write(&open(&path), "/a");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"ts\":\"2026");
        std::fs::write(&path, &text).unwrap();
        if crash_at_rotation {
            // The full file has its new name, and the first line of the next is torn as well.
            std::fs::rename(&path, rotated(&path, 1)).unwrap();
            std::fs::write(&path, "{\"checkpoint\":{").unwrap();
        }
        let limit = if crash_at_rotation { 1 << 20 } else { 100 };
        let log = Log::open_with(&path, limit).unwrap();
        let audit = Audit::go_on(Some(log), "contract-123", "tb-asset-123").unwrap();
        assert_eq!(std::fs::read_to_string(rotated(&path, 1)).unwrap(), text);
        audit.lock().log = Some(Log::open(&path).unwrap().0);
        write(&audit, "/b");
        let summary = verify(&[rotated(&path, 1), path], &[]).unwrap();
        let torn = 1 + u64::from(crash_at_rotation);
        assert_eq!((summary.records, summary.torn_lines), (2, torn));
    }
}

#[test]
fn a_record_that_was_not_written_does_not_count() {
    let audit = Audit::open(None, "c", "a").unwrap();
    let before = audit.lock().head.clone();
    audit.lock().log = Some(Log::open(Path::new("/dev/full")).unwrap().0);
    write(&audit, "/a");
    assert_eq!(audit.lock().head, before);
    // Nor does a first checkpoint: without it nothing follows.
    let audit = open(Path::new("/dev/full"));
    write(&audit, "/a");
    assert_eq!(audit.lock().head, Head::default());
    assert!(matches!(audit.lock().due, Some((Reason::Start, _))));
    assert_eq!((audit.head().seq, audit.head().hash), (0, GENESIS.to_owned()));
}

#[test]
fn records_of_one_turn_are_written_together_and_fail_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let audit = open(&path);
    let started = audit.lock().head.clone();
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    audit.add(&entry("/a"));
    audit.add(&entry("/b"));
    assert_eq!(lines(), 1);
    // Whoever asks for the head gets one that the file has.
    assert_eq!(audit.head().seq, 3);
    assert_eq!(lines(), 3);
    // Many do not wait for the end of the turn.
    for _ in 0..200 {
        audit.add(&entry("/c"));
    }
    assert!(lines() > 100, "{}", lines());
    audit.close().unwrap();
    assert_eq!(verify(std::slice::from_ref(&path), &[]).unwrap().records, 202);
    let (audit, full) = (open(&path), Log::open(Path::new("/dev/full")).unwrap().0);
    let head = audit.lock().head.clone();
    let good = audit.lock().log.replace(full);
    assert_ne!(head, started);
    audit.add(&entry("/d"));
    audit.add(&entry("/e"));
    audit.write_out();
    assert_eq!(audit.lock().head, head);
    assert_eq!(audit.lock().unsigned, 0);
    audit.lock().log = good;
    write(&audit, "/f");
    let summary = verify(&[path], &[]).unwrap();
    assert_eq!((summary.records, summary.head.seq), (203, head.seq + 1));
}

#[test]
fn a_file_without_any_record_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    std::fs::write(&path, vec![b'x'; 300 << 10]).unwrap();
    let error = Audit::open(Some(&path), "c", "a").err().unwrap();
    assert!(error.to_string().contains("move the file away"), "{error}");
}

#[test]
fn what_is_written_gets_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let audit = open(&path);
    for _ in 0..=RECORDS_A_CHECKPOINT {
        write(&audit, "/a");
    }
    let summary = verify(std::slice::from_ref(&path), &[audit.public_key()]).unwrap();
    assert_eq!((summary.checkpoints, summary.unsigned_records), (2, 1));
    audit.sign_news().unwrap();
    let signed = verify(std::slice::from_ref(&path), &[]).unwrap();
    assert_eq!((signed.checkpoints, signed.unsigned_records), (3, 0));
    // Nothing new, nothing to sign.
    audit.sign_news().unwrap();
    assert_eq!(verify(&[path], &[]).unwrap(), signed);
}

#[tokio::test(start_paused = true)]
async fn a_minute_after_a_record_it_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let audit = std::sync::Arc::new(open(&path));
    let stop = tokio_util::sync::CancellationToken::new();
    let keeping = tokio::spawn(audit.clone().keep_signed(stop.clone()));
    write(&audit, "/a");
    while audit.lock().unsigned > 0 {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    }
    stop.cancel();
    keeping.await.unwrap();
    assert_eq!(verify(&[path], &[]).unwrap().unsigned_records, 0);
}

#[test]
fn the_head_is_signed_by_this_starts_key() {
    let audit = Audit::open(None, "c", "a").unwrap();
    write(&audit, "/a");
    let head = audit.head();
    let key = HEXLOWER.decode(audit.public_key().as_bytes()).unwrap();
    let signature = HEXLOWER.decode(head.signature.as_bytes()).unwrap();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(format!("{}:{}", head.seq, head.hash).as_bytes(), &signature)
        .unwrap();
}
