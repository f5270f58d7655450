//! Logs that nobody touched, and the words for those that somebody did.

use super::super::{LISTED_TAILS, RECORDS_A_CHECKPOINT, Reason, Rule, UnsignedTail};
use super::{Boot, Head, Log, verify};
use aws_lc_rs::signature::Ed25519KeyPair;

fn small() -> (Log, Boot) {
    let mut log = Log::default();
    let boot = log.boot();
    log.record("/v1/models");
    log.record("/v1/completions");
    log.checkpoint(&boot, Reason::Periodic);
    (log, boot)
}

fn lines(log: &Log) -> Vec<String> {
    let text = String::from_utf8(log.files[0].clone()).unwrap();
    text.lines().map(|line| format!("{line}\n")).collect()
}

fn with(log: &Log, lines: &[String]) -> Log {
    Log {
        files: vec![lines.concat().into_bytes()],
        ..log.clone()
    }
}

#[test]
fn a_log_over_restarts_crashes_and_files_is_whole() {
    let (mut log, boot) = small();
    log.rotate(&boot);
    log.record("/a");
    log.checkpoint(&boot, Reason::Stop);
    let second = log.boot();
    log.record("/b");
    let third = log.crash(b"{\"ts\":\"2026");
    log.record("/c");
    log.rotate(&third);
    let summary = log.judged().unwrap();
    assert_eq!((summary.records, summary.starts, summary.torn_lines), (5, 3, 1));
    assert_eq!((summary.first_seq, summary.head.seq), (1, log.head.seq));
    assert_eq!(
        (summary.unsigned_records, summary.signed_seq),
        (0, log.head.seq - 1)
    );
    assert_eq!(summary.public_key, third.key());
    assert_ne!(second.key(), third.key());
    // The oldest file was rotated away.
    log.files.remove(0);
    let summary = log.judged().unwrap();
    assert_eq!((summary.first_seq, summary.records), (5, 3));
    assert_eq!(verify(&[], Vec::new(), None).unwrap().head, Head::default());
}

#[test]
fn a_crash_is_told_apart_from_an_edit() {
    let (mut log, _) = small();
    log.files[0].extend(b"{\"ts\":\"2026-01-07T1");
    let summary = log.judged().unwrap();
    assert_eq!(summary.torn_tail_bytes, 19);
    // Blocks that a power cut left unwritten.
    log.files[0].extend([0; 100]);
    assert_eq!(log.judged().unwrap().torn_tail_bytes, 119);
    // The piece once ended is nothing that a crash leaves, unless the next start answers for it.
    log.files[0].push(b'\n');
    assert_eq!(log.judged_alone().unwrap_err().rule, Rule::Line);
    // A whole line without its end is a record.
    let (mut log, _) = small();
    log.files[0].pop();
    assert_eq!(log.judged().unwrap().torn_tail_bytes, 0);
    // An altered one is not.
    *log.files[0].last_mut().unwrap() = b'x';
    assert_eq!(log.judged_alone().unwrap_err().rule, Rule::Line);
}

#[test]
fn each_way_to_touch_it_has_its_rule() {
    let (log, _) = small();
    let all = lines(&log);
    let rule = |lines: &[String]| {
        let refusal = with(&log, lines).judged_alone().unwrap_err();
        (refusal.rule, refusal.seq)
    };
    let mut edited = all.clone();
    edited[1] = edited[1].replace("\"status\":200", "\"status\":201");
    assert_eq!(rule(&edited), (Rule::Hash, 2));
    let dropped = [all[0].clone(), all[2].clone(), all[3].clone()];
    assert_eq!(rule(&dropped), (Rule::Sequence, 2));
    let twice = [all[0].clone(), all[1].clone(), all[1].clone(), all[2].clone()];
    assert_eq!(rule(&twice), (Rule::Sequence, 3));
    assert_eq!(rule(&all[1..]), (Rule::Beginning, 2));
    let mut blank = all.clone();
    blank.insert(2, "\n".to_owned());
    assert_eq!(rule(&blank), (Rule::Line, 3));
    // A tail that was cut shows against what was seen before, and only there.
    let cut = with(&log, &all[..2]);
    assert_eq!(cut.judged_alone().unwrap().unsigned_records, 1);
    let refusal = cut.judged().unwrap_err();
    assert_eq!((refusal.rule, refusal.seq), (Rule::Head, 4));
}

#[test]
fn a_chain_that_was_forged_anew_has_no_signature_of_the_key() {
    let (log, _) = small();
    let mut forged = Log::default();
    let thief = forged.boot();
    forged.record("/v1/models");
    forged.checkpoint(&thief, Reason::Periodic);
    // By itself it is a sound log; only who knows the key or the head sees through it.
    assert!(forged.judged_alone().is_ok());
    let known = verify(&forged.files, log.keys.clone(), None).unwrap_err();
    assert_eq!(known.rule, Rule::Key);
    let seen = Some(Head {
        seq: 2,
        ..log.head.clone()
    });
    assert_eq!(
        verify(&forged.files, Vec::new(), seen).unwrap_err().rule,
        Rule::Head
    );
    // With the right key's name but without the key.
    let text = String::from_utf8(forged.files[0].clone()).unwrap();
    let named = text.replace(&forged.keys[0], &log.keys[0]);
    let refusal = verify(&[named.into_bytes()], log.keys.clone(), None).unwrap_err();
    assert!(matches!(refusal.rule, Rule::Signature | Rule::Hash), "{refusal}");
    // A chain without any checkpoint.
    let mut bare = Log {
        files: vec![Vec::new()],
        ..Log::default()
    };
    bare.record("/a");
    assert_eq!(bare.judged_alone().unwrap_err().rule, Rule::Beginning);
    let nothing = verify(&[], log.keys, None).unwrap_err();
    assert_eq!(nothing.rule, Rule::Key);
}

/// The key of the start that broke off is gone; the next start's cannot know who wrote the lines before it.
#[test]
fn the_start_after_a_crash_does_not_vouch_for_what_the_one_before_left_unsigned() {
    let (mut log, first) = small();
    log.record("/a");
    log.record("/b");
    let piece = b"{\"ts\":\"2026";
    let mut forged = log.clone();
    let second = log.crash(piece);
    log.record("/c");
    log.checkpoint(&second, Reason::Periodic);
    let summary = log.judged().unwrap();
    let tail = UnsignedTail {
        public_key: first.key(),
        signed_seq: 3,
        records: 2,
        torn_lines: 1,
    };
    assert_eq!(summary.unsigned_tails, [tail]);
    assert_eq!((summary.unsigned_tail_count, summary.unsigned_records), (1, 0));
    let refusal = log.judged_strictly().unwrap_err();
    assert_eq!((refusal.rule, refusal.seq), (Rule::Unsigned, 7));
    // Who held the file between crash and start could have written those two, and both keys sign on.
    forged.record("/never-asked");
    let second = forged.crash(piece);
    forged.checkpoint(&second, Reason::Stop);
    assert_eq!(forged.judged().unwrap().unsigned_tails[0].records, 3);
    assert_eq!(forged.judged_strictly().unwrap_err().rule, Rule::Unsigned);
}

#[test]
fn strictly_a_start_ends_with_stop_and_a_log_with_a_checkpoint() {
    let (mut log, boot) = small();
    // It may still be written to.
    assert!(log.judged_strictly().is_ok());
    log.record("/a");
    let refusal = log.judged_strictly().unwrap_err();
    assert_eq!((refusal.rule, refusal.seq), (Rule::Unsigned, 6));
    let mut ended = log.clone();
    ended.checkpoint(&boot, Reason::Stop);
    ended.boot();
    assert!(ended.judged_strictly().unwrap().unsigned_tails.is_empty());
    // Without a stop nobody says that no line was cut off the end, be there one behind the checkpoint or none.
    log.checkpoint(&boot, Reason::Periodic);
    log.boot();
    assert_eq!(log.judged().unwrap().unsigned_tails[0].records, 0);
    assert_eq!(log.judged_strictly().unwrap_err().rule, Rule::Unsigned);
    let (mut torn, _) = small();
    torn.files[0].extend(b"{\"ts\"");
    assert!(torn.judged().is_ok());
    assert_eq!(torn.judged_strictly().unwrap_err().rule, Rule::Unsigned);
}

#[test]
fn more_tails_are_counted_than_told() {
    let mut log = Log::default();
    for _ in 0..=LISTED_TAILS + 1 {
        log.boot();
    }
    let summary = log.judged().unwrap();
    assert_eq!(summary.unsigned_tails.len(), LISTED_TAILS);
    assert_eq!(summary.unsigned_tail_count, LISTED_TAILS as u64 + 1);
}

#[test]
fn behind_stop_only_another_start_follows() {
    let (mut log, boot) = small();
    log.checkpoint(&boot, Reason::Stop);
    let mut recorded = log.clone();
    recorded.record("/a");
    let refusal = recorded.judged().unwrap_err();
    assert_eq!((refusal.rule, refusal.seq), (Rule::Checkpoint, 6));
    for reason in [Reason::Periodic, Reason::Stop, Reason::File] {
        let mut signed = log.clone();
        signed.checkpoint(&boot, reason);
        assert_eq!(signed.judged().unwrap_err().rule, Rule::Checkpoint, "{reason:?}");
    }
    // A start that finds the file full begins the next one.
    let next = Boot(Ed25519KeyPair::generate().unwrap());
    log.keys.push(next.key());
    log.rotate(&next);
    log.record("/a");
    assert!(log.judged().unwrap().unsigned_tails.is_empty());
}

#[test]
fn another_key_cannot_sign_midway() {
    let (mut log, _) = small();
    let other = Boot(Ed25519KeyPair::generate().unwrap());
    log.checkpoint(&other, Reason::Periodic);
    assert_eq!(log.judged_alone().unwrap_err().rule, Rule::Checkpoint);
}

#[test]
fn without_checkpoints_no_more_than_a_thousand_records_follow() {
    let (mut log, _) = small();
    for _ in 0..RECORDS_A_CHECKPOINT {
        log.record("/a");
    }
    assert_eq!(log.judged().unwrap().unsigned_records, RECORDS_A_CHECKPOINT);
    log.record("/a");
    assert_eq!(log.judged().unwrap_err().rule, Rule::Checkpoint);
}

#[test]
fn a_younger_file_begins_with_its_checkpoint() {
    let (mut log, boot) = small();
    log.rotate(&boot);
    log.record("/a");
    let file = log.files[1].clone();
    let end = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    log.files[0].extend(&file[..end]);
    log.files[1] = file[end..].to_vec();
    assert_eq!(log.judged_alone().unwrap_err().rule, Rule::Checkpoint);
}
