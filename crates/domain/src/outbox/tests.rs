use super::*;
use proptest::prelude::*;

/// Stands for a hash: of record `seq` of a chain.
fn hash(chain: &str, seq: u64) -> String {
    if seq == 0 {
        GENESIS.to_owned()
    } else {
        format!("{chain}-{seq}")
    }
}

/// Record `seq` of a chain; every ten records the sentinel started anew.
fn record(chain: &str, seq: u64) -> Record<u64> {
    let from_ms = i64::try_from(seq).unwrap() * 60_000;
    Record {
        boot: format!("start-{}", seq / 10),
        seq,
        from_ms,
        to_ms: from_ms + 60_000,
        counts: seq,
        prev: hash(chain, seq - 1),
        hash: hash(chain, seq),
        proof: hash(chain, seq),
    }
}

/// A page of the outbox `chain` that still has `first..=last`, with the records from `from` to `to`.
fn page(chain: &str, (first, last): (u64, u64), (from, to): (u64, u64)) -> Page<u64> {
    Page {
        pod: "pod".to_owned(),
        outbox: chain.to_owned(),
        first,
        last,
        more: to < last,
        records: (from..=to).map(|seq| record(chain, seq)).collect(),
    }
}

fn at(chain: &str, seq: u64) -> Position {
    Position {
        outbox: chain.to_owned(),
        seq,
        hash: Some(hash(chain, seq)),
    }
}

/// Numbers of what was taken, what is missing before, and the position after.
fn seen(taken: Taken<u64>) -> (Vec<u64>, Option<Missing>, Position) {
    let numbers = taken.records.iter().map(|record| record.seq).collect();
    (numbers, taken.missing, taken.position)
}

#[test]
fn what_follows_is_taken_and_what_repeats_is_passed_over() {
    let new = |position: Option<&Position>, page| seen(take("pod", position, true, page).unwrap());
    assert_eq!(
        new(None, page("a", (1, 3), (1, 3))),
        (vec![1, 2, 3], None, at("a", 3))
    );
    assert_eq!(
        new(Some(&at("a", 3)), page("a", (1, 5), (4, 5))),
        (vec![4, 5], None, at("a", 5))
    );
    // The same page once more, as after a crash before the position was written.
    assert_eq!(
        new(Some(&at("a", 3)), page("a", (1, 5), (1, 5))),
        (vec![4, 5], None, at("a", 5))
    );
    // ... and as after a crash before it was acknowledged.
    assert_eq!(
        new(Some(&at("a", 5)), page("a", (1, 5), (1, 5))),
        (vec![], None, at("a", 5))
    );
    // Nothing was ever used.
    let nothing = Page {
        records: vec![],
        ..page("a", (1, 0), (1, 1))
    };
    let nothing = Page {
        more: false,
        ..nothing
    };
    assert_eq!(new(None, nothing), (vec![], None, at("a", 0)));
    // Another start of the sentinel goes on with the numbers: records 9 and 10 are of two starts.
    let taken = take("pod", Some(&at("a", 8)), true, page("a", (9, 10), (9, 10))).unwrap();
    assert_ne!(taken.records[0].boot, taken.records[1].boot);
    let half = take("pod", None, true, page("a", (1, 5), (1, 2))).unwrap();
    assert!(half.more && half.position == at("a", 2));
}

#[test]
fn what_is_missing_is_said_and_the_rest_is_taken() {
    let gap = seen(take("pod", Some(&at("a", 3)), true, page("a", (6, 7), (6, 7))).unwrap());
    assert_eq!(gap, (vec![6, 7], Some(Missing::Records(4, 5)), at("a", 7)));
    let before_us = seen(take("pod", None, true, page("a", (6, 7), (6, 7))).unwrap());
    assert_eq!(before_us, (vec![6, 7], Some(Missing::Records(1, 5)), at("a", 7)));
    // Somebody acknowledged all of it.
    let empty = Page {
        records: vec![],
        ..page("a", (8, 7), (7, 7))
    };
    let (numbers, missing, position) = seen(take("pod", Some(&at("a", 3)), true, empty).unwrap());
    assert_eq!((numbers, missing), (vec![], Some(Missing::Records(4, 7))));
    assert_eq!((position.seq, &position.hash), (7, &None));
    // What it was is not known; what comes next is taken as it is.
    let next = seen(take("pod", Some(&position), true, page("a", (8, 8), (8, 8))).unwrap());
    assert_eq!(next, (vec![8], None, at("a", 8)));
    // The pod's directory was lost: the new outbox begins at 1, and refuses the hash of the old one.
    let anew = seen(take("pod", Some(&at("a", 3)), false, page("b", (1, 2), (1, 2))).unwrap());
    assert_eq!(anew, (vec![1, 2], Some(Missing::Outbox(at("a", 3))), at("b", 2)));
}

#[test]
fn what_does_not_belong_here_is_refused() {
    let refused = |position: Option<&Position>, page| take("pod", position, true, page).unwrap_err();
    let foreign = Page {
        pod: "other".to_owned(),
        ..page("a", (1, 1), (1, 1))
    };
    assert_eq!(refused(None, foreign), Refusal::Foreign("other".to_owned()));
    // A fork: the same numbers with other content, at the position or after it.
    let mut fork = page("a", (1, 4), (3, 4));
    fork.records[0].hash = "x".to_owned();
    fork.records[0].proof = "x".to_owned();
    fork.records[1].prev = "x".to_owned();
    assert_eq!(refused(Some(&at("a", 3)), fork.clone()), Refusal::Forked(3));
    fork.records.remove(0);
    assert_eq!(refused(Some(&at("a", 3)), fork), Refusal::Forked(4));
    let first = Page {
        records: vec![Record {
            prev: "x".to_owned(),
            ..record("a", 1)
        }],
        ..page("a", (1, 1), (1, 1))
    };
    assert_eq!(refused(None, first), Refusal::Forked(1));
    let unsure = take("pod", Some(&at("a", 3)), false, page("a", (1, 5), (1, 5)));
    assert_eq!(
        unsure.unwrap_err(),
        Refusal::Forked(3),
        "the sentinel knows another"
    );
    for acknowledged in [true, false] {
        let back = take("pod", Some(&at("a", 3)), acknowledged, page("a", (1, 2), (1, 2)));
        assert_eq!(back.unwrap_err(), Refusal::SetBack { last: 2, stored: 3 });
    }
}

#[test]
fn a_chain_that_does_not_hold_is_refused() {
    type Change = fn(&mut Page<u64>);
    let changes: [(&str, Change); 9] = [
        ("another content", |p| p.records[1].proof = "x".to_owned()),
        ("a hole", |p| drop(p.records.remove(1))),
        ("another order", |p| p.records.swap(0, 1)),
        ("another predecessor", |p| p.records[1].prev = "x".to_owned()),
        ("time that runs back", |p| p.records[1].to_ms = 0),
        ("more than announced", |p| p.last = 2),
        ("less than announced", |p| p.more = true),
        ("a start that was over", |p| {
            p.records[1].boot = "other".to_owned();
        }),
        ("a beginning left out", |p| drop(p.records.remove(0))),
    ];
    take("pod", None, true, page("a", (1, 3), (1, 3))).unwrap();
    for (what, change) in changes {
        let mut bent = page("a", (1, 3), (1, 3));
        change(&mut bent);
        let answer = take("pod", None, true, bent);
        assert!(
            matches!(answer, Err(Refusal::Broken { .. })),
            "{what}: {answer:?}"
        );
    }
    let promised = Page {
        records: vec![],
        more: true,
        ..page("a", (1, 3), (1, 3))
    };
    let answer = take("pod", None, true, promised);
    assert!(
        matches!(answer, Err(Refusal::Broken { seq: 1, .. })),
        "{answer:?}"
    );
}

proptest! {
    /// Whatever is crashed and however pages are cut: each record is taken into the books once.
    #[test]
    fn every_record_is_stored_once(steps in prop::collection::vec((1u64..5, 0u64..4, any::<bool>(), any::<bool>()), 1..60)) {
        let (mut last, mut acknowledged) = (0, 0);
        let (mut position, mut stored): (Option<Position>, Vec<u64>) = (None, Vec::new());
        for (limit, grown, crashes, keeps) in steps {
            last += grown;
            // The sentinel may keep what is acknowledged, or throw it away.
            let first = if keeps { 1 } else { acknowledged + 1 };
            let from = first.max(position.as_ref().map_or(0, |p| p.seq) + 1).min(last + 1);
            let to = last.min(from + limit - 1);
            let page = Page {
                records: (from..=to).map(|seq| record("a", seq)).collect(),
                more: to < last,
                ..page("a", (first, last), (1, 0))
            };
            let taken = take("pod", position.as_ref(), true, page).unwrap();
            prop_assert_eq!(&taken.missing, &None);
            // Storing repeats without effect: the books know the last number that they hold.
            let known = stored.last().copied().unwrap_or_default();
            stored.extend(taken.records.iter().map(|r| r.seq).filter(|seq| *seq > known));
            if !crashes {
                acknowledged = taken.position.seq;
                position = Some(taken.position);
            }
        }
        prop_assert!(stored.iter().copied().eq(1..=stored.len() as u64));
    }
}
