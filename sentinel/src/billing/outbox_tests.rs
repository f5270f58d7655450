use super::{Error, LIMIT_BYTES, NAME, Outbox, SLACK_BYTES};
use crate::billing::counters::{Counter, Counts};
use crate::billing::storage::{Folder, Storage};
use std::path::Path;

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_767_780_000 + second).unwrap()
}

fn counts(requests: u64) -> Counts {
    let mut counts = Counts::default();
    counts.add(Counter::Requests, requests);
    counts
}

fn open(dir: &Path) -> Result<Outbox<Folder>, Error> {
    Outbox::open(Folder::open(dir)?, "boot")
}

fn filled(dir: &Path, records: u64) -> Outbox<Folder> {
    let mut outbox = open(dir).unwrap();
    for number in 1..=records {
        let second = i64::try_from(number).unwrap();
        outbox.append(at(second), at(second + 1), counts(number)).unwrap();
    }
    outbox
}

fn requests(outbox: &Outbox<Folder>) -> Vec<u64> {
    let records = outbox.records(0).unwrap();
    records
        .iter()
        .map(|record| record.interval.counters.get(Counter::Requests))
        .collect()
}

#[test]
fn the_chain_spans_starts_and_pages() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2);
    let outbox = filled(dir.path(), 1);
    let page = serde_json::to_value(outbox.page(1, 1).unwrap()).unwrap();
    assert_eq!(
        (&page["first"], &page["last"], &page["more"]),
        (&1.into(), &3.into(), &true.into())
    );
    assert_eq!(page["records"][0]["seq"], 2);
    assert_eq!(page["records"][0]["counters"], serde_json::json!({"requests": 2}));
    assert_eq!(page["records"][0]["from"], "2026-01-07T10:00:02Z");
    let first = &outbox.records(0).unwrap()[0];
    assert_eq!(page["records"][0]["prev"], first.hash.as_str());
    assert_eq!(requests(&outbox), [1, 2, 1]);
}

/// Cut at every byte: whole records stay, the beginning of one goes, and the next one is written after them.
#[test]
fn a_torn_end_is_dropped_wherever_it_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let path = dir.path().join(NAME);
    let content = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..content.len()).filter(|at| content[*at] == b'\n').collect();
    for cut in ends[0] + 1..content.len() {
        std::fs::write(&path, &content[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end < cut).count() as u64 - 1;
        let mut outbox = open(dir.path()).unwrap();
        outbox.append(at(0), at(1), counts(9)).unwrap();
        let mut expected: Vec<u64> = (1..=whole).collect();
        expected.push(9);
        assert_eq!(requests(&open(dir.path()).unwrap()), expected, "{cut}");
    }
}

/// Any byte changed in any line but the last is found and named.
#[test]
fn damage_before_the_end_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2);
    let path = dir.path().join(NAME);
    let content = std::fs::read(&path).unwrap();
    let last = content.len()
        - 1
        - content
            .iter()
            .rev()
            .skip(1)
            .position(|byte| *byte == b'\n')
            .unwrap();
    let first = content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for place in first..last - 1 {
        let mut damaged = content.clone();
        damaged[place] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(
            matches!(open(dir.path()), Err(Error::Damaged { line: 2.., .. })),
            "{place}"
        );
    }
    std::fs::write(&path, "").unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("line 1 is damaged"), "{error}");
}

#[test]
fn what_is_acknowledged_by_its_hash_goes_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = filled(dir.path(), 600);
    let records = outbox.records(0).unwrap();
    let hash = |seq: usize| records[seq - 1].hash.clone();
    outbox.acknowledge(500, Some("x")).unwrap_err();
    outbox.acknowledge(601, Some(&hash(500))).unwrap_err();
    outbox.acknowledge(2, Some(&hash(2))).unwrap();
    assert_eq!((outbox.waiting(), outbox.records(0).unwrap().len()), (598, 600));
    let before = outbox.bytes();
    outbox.acknowledge(500, Some(&hash(500))).unwrap();
    assert!(outbox.bytes() + SLACK_BYTES <= before);
    outbox.append(at(0), at(1), counts(601)).unwrap();
    let again = open(dir.path()).unwrap();
    assert_eq!(requests(&again), (501..=601).collect::<Vec<_>>());
    assert_eq!((again.id(), again.waiting()), (outbox.id(), 101));
    outbox.acknowledge(3, Some("whatever was long ago")).unwrap();
}

#[test]
fn a_full_outbox_says_so_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = filled(dir.path(), 1);
    outbox.bytes = LIMIT_BYTES - 10;
    assert!(outbox.is_crowded());
    assert!(matches!(outbox.append(at(0), at(1), counts(1)), Err(Error::Full)));
}

/// A disk on which the next append breaks off after some bytes.
struct Breaking(Folder, Option<usize>, bool);

impl Storage for Breaking {
    fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.0.read(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let Some(count) = self.1.take() else {
            return self.0.append(name, bytes);
        };
        self.0.append(name, &bytes[..count])?;
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> std::io::Result<()> {
        self.0.truncate(name, bytes)
    }

    fn replace(&mut self, name: &str, content: &[u8]) -> std::io::Result<()> {
        self.0.replace(name, content)?;
        if std::mem::take(&mut self.2) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn a_write_that_broke_off_leaves_nothing_behind() {
    for count in [0, 1, 50, 200] {
        let dir = tempfile::tempdir().unwrap();
        let storage = Breaking(Folder::open(dir.path()).unwrap(), Some(count), false);
        let mut outbox = Outbox::open(storage, "boot").unwrap();
        outbox.append(at(0), at(1), counts(1)).unwrap_err();
        assert_eq!(outbox.records(0).unwrap().len(), 0);
        outbox.append(at(0), at(1), counts(2)).unwrap();
        assert_eq!(requests(&open(dir.path()).unwrap()), [2]);
    }
}

/// The new file is in place, and its folder could not be made durable.
#[test]
fn a_file_that_may_be_new_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 200));
    let storage = Breaking(Folder::open(dir.path()).unwrap(), None, true);
    let mut outbox = Outbox::open(storage, "boot").unwrap();
    outbox.acknowledge(150, None).unwrap_err();
    outbox.append(at(0), at(1), counts(201)).unwrap();
    assert_eq!(outbox.records(0).unwrap().len(), 51);
    assert_eq!(
        requests(&open(dir.path()).unwrap()),
        (151..=201).collect::<Vec<_>>()
    );
}
