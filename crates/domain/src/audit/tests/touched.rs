//! Every way to touch a log is found. The oracle knows nothing of chains: it compares bytes with the log that was
//! written, which the verifier never sees.

use proptest::prelude::*;

use super::super::Reason;
use super::Log;

/// What happens to a log while it is written.
#[derive(Clone, Debug)]
enum Deed {
    Record(String),
    Checkpoint,
    Rotate,
    Restart,
    Crash(Vec<u8>),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => "/[a-z\"\\\\é]{0,9}".prop_map(Deed::Record),
        1 => Just(Deed::Checkpoint),
        1 => Just(Deed::Rotate),
        1 => Just(Deed::Restart),
        1 => "\\{[a-z\":]{0,20}".prop_map(|piece| Deed::Crash(piece.into_bytes())),
    ]
}

fn written(deeds: Vec<Deed>) -> Log {
    let mut log = Log::default();
    let mut boot = log.boot();
    for deed in deeds {
        match deed {
            Deed::Record(path) => log.record(&path),
            Deed::Checkpoint => log.checkpoint(&boot, Reason::Periodic),
            Deed::Rotate => log.rotate(&boot),
            Deed::Restart => {
                log.checkpoint(&boot, Reason::Stop);
                boot = log.boot();
            }
            Deed::Crash(piece) => boot = log.crash(&piece),
        }
    }
    log
}

/// What somebody does to it. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Touch {
    Byte(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Drop(usize),
    Duplicate(usize, usize),
    Swap(usize, usize),
    Cut(usize),
    DropFile(usize),
    SwapFiles(usize, usize),
}

fn touch() -> impl Strategy<Value = Touch> {
    let at = any::<usize>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Touch::Byte(at, byte)),
        2 => at().prop_map(Touch::Remove),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Touch::Insert(at, byte)),
        2 => at().prop_map(Touch::Drop),
        2 => (at(), at()).prop_map(|(from, to)| Touch::Duplicate(from, to)),
        2 => (at(), at()).prop_map(|(one, other)| Touch::Swap(one, other)),
        1 => at().prop_map(Touch::Cut),
        1 => at().prop_map(Touch::DropFile),
        1 => (at(), at()).prop_map(|(one, other)| Touch::SwapFiles(one, other)),
    ]
}

/// Lines with the file that each stands in.
fn lines(log: &Log) -> Vec<(usize, Vec<u8>)> {
    let of_file = |(number, file): (usize, &Vec<u8>)| {
        let lines = file.split_inclusive(|byte| *byte == b'\n');
        lines.map(move |line| (number, line.to_vec())).collect::<Vec<_>>()
    };
    log.files.iter().enumerate().flat_map(of_file).collect()
}

fn joined(lines: &[(usize, Vec<u8>)], files: usize) -> Vec<Vec<u8>> {
    let of = |number| {
        let own = lines.iter().filter(move |(file, _)| *file == number);
        own.flat_map(|(_, line)| line.clone()).collect()
    };
    (0..files).map(of).collect()
}

/// The file and the place in it of the log's byte `at`.
fn place(files: &[Vec<u8>], at: usize) -> (usize, usize) {
    let mut at = at % files.iter().map(Vec::len).sum::<usize>();
    for (number, file) in files.iter().enumerate() {
        if at < file.len() {
            return (number, at);
        }
        at -= file.len();
    }
    unreachable!("the place is within the log");
}

fn touched(log: &Log, touch: &Touch) -> Vec<Vec<u8>> {
    let mut files = log.files.clone();
    let count = files.len();
    match *touch {
        Touch::Byte(at, byte) => {
            let (file, at) = place(&files, at);
            files[file][at] = byte;
        }
        Touch::Remove(at) => {
            let (file, at) = place(&files, at);
            files[file].remove(at);
        }
        Touch::Insert(at, byte) => {
            let (file, at) = place(&files, at);
            files[file].insert(at, byte);
        }
        Touch::DropFile(one) => {
            files.remove(one % count);
        }
        Touch::SwapFiles(one, other) => files.swap(one % count, other % count),
        _ => files = moved(log, touch),
    }
    files
}

fn moved(log: &Log, touch: &Touch) -> Vec<Vec<u8>> {
    let mut all = lines(log);
    let count = all.len();
    match touch {
        Touch::Drop(at) => {
            all.remove(at % count);
        }
        Touch::Duplicate(from, to) => {
            let line = all[from % count].1.clone();
            let file = all[to % count].0;
            all.insert(to % count, (file, line));
        }
        Touch::Swap(one, other) => {
            let (one, other) = (one % count, other % count);
            let line = all[one].1.clone();
            all[one].1 = std::mem::replace(&mut all[other].1, line);
        }
        Touch::Cut(at) => all.truncate(at % count),
        _ => unreachable!("moves lines only"),
    }
    joined(&all, log.files.len())
}

/// The same log to a reader: a missing end of a file's last line takes nothing away, nor does an empty file.
fn plain(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let without_end = |file: &Vec<u8>| file.strip_suffix(b"\n").unwrap_or(file).to_vec();
    files
        .iter()
        .filter(|file| !file.is_empty())
        .map(without_end)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_not_what_was_written_is_refused(
        deeds in prop::collection::vec(deed(), 1..14),
        touch in touch(),
    ) {
        let log = written(deeds);
        prop_assert!(log.judged().is_ok(), "{:?}", log.judged());
        let files = touched(&log, &touch);
        let oldest_gone = log.files.len() > 1 && plain(&files) == plain(&log.files[1..]);
        let same = plain(&files) == plain(&log.files) || oldest_gone;
        let verdict = Log { files, ..log.clone() }.judged();
        prop_assert_eq!(verdict.is_ok(), same, "{:?}: {:?}", touch, verdict);
    }

    /// Without anything known from outside every touch is found but a cut of the tail, to which the loss of a last
    /// line's end belongs.
    #[test]
    fn the_files_alone_tell_all_but_a_cut(
        deeds in prop::collection::vec(deed(), 1..14),
        touch in touch(),
    ) {
        let log = written(deeds);
        let files = touched(&log, &touch);
        let text = |files: &[Vec<u8>]| files.concat();
        let is_cut = text(&log.files).starts_with(&text(&files));
        let oldest_gone = log.files.len() > 1 && plain(&files) == plain(&log.files[1..]);
        let same = plain(&files) == plain(&log.files);
        let verdict = Log { files, ..log.clone() }.judged_alone();
        if !is_cut && !oldest_gone && !same {
            prop_assert!(verdict.is_err(), "{:?}: {:?}", touch, verdict);
        }
    }
}

/// Two touches at once: records in the tail become lines that are none, and a beginning of a line stands behind them.
#[test]
fn an_unfinished_end_hides_no_altered_lines() {
    let mut log = Log::default();
    let boot = log.boot();
    log.record("/a");
    log.checkpoint(&boot, Reason::Periodic);
    for junk in [&b"nothing\n{"[..], b"{}\n{\"ts\"", b"{\"a\n\xff\n{"] {
        let mut files = log.files.clone();
        files[0].extend(junk);
        let verdict = Log { files, ..log.clone() }.judged_alone();
        assert!(verdict.is_err(), "{junk:?}: {verdict:?}");
    }
    // What two crashes in a row leave: a piece that was ended, and the checkpoint that was to answer for it.
    log.files[0].extend(b"{\"ts\":\"2026\n{\"ts\":");
    assert_eq!(log.judged_alone().unwrap().torn_lines, 1);
}
