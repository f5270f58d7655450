//! What is heard, what is stored of it, and that neither a crash nor a loss is hidden.

mod crashes;
mod end;
mod loss;
mod two_operators;

use super::book::{fold, name, new, spec};
use super::page::{Answer, Heard, read};
use super::step::{ask, began, step};
use crate::controllers::execute::{Plan, Write};
use crate::controllers::tunepod::decide::decide;
use crate::controllers::tunepod::observe::{Observed, PodSight};
use crate::controllers::tunepod::tests::{in_phase, later, now, ready_pod};
use jiff::civil::Date;
use trustbridge_api::condition::ConditionType;
use trustbridge_api::tunepod::UsageProgress;
use trustbridge_api::usage_record::{Quantities, UsageRecordStatus};
use trustbridge_api::{TunePodStatus, UsageRecord};
use trustbridge_domain::outbox::{GENESIS, Page, Record};
use trustbridge_domain::phase::TunePodPhase as Phase;
use trustbridge_kit::conditions::find;

/// Stands for a hash.
fn hash(seq: u64) -> String {
    if seq == 0 {
        GENESIS.to_owned()
    } else {
        format!("hash-{seq}")
    }
}

/// Record `seq`, of two tokens, from that minute after [`now`] on.
fn record(seq: u64, minute: i64) -> Record<Quantities> {
    let from = later(minute * 60).as_millisecond();
    Record {
        boot: "start-1".to_owned(),
        seq,
        from_ms: from,
        to_ms: from + 60_000,
        counts: Quantities {
            completion_tokens: Some(2),
            ..Quantities::default()
        },
        prev: hash(seq - 1),
        hash: hash(seq),
        proof: hash(seq),
    }
}

/// A page of pod-1 with these records; the outbox holds all from the first record on.
fn page(records: Vec<Record<Quantities>>) -> Page<Quantities> {
    Page {
        pod: "pod-1".to_owned(),
        outbox: "outbox-1".to_owned(),
        first: 1,
        last: records.last().map_or(0, |last| last.seq),
        more: false,
        records,
    }
}

/// A TunePod in that phase whose pod serves, and whose usage is owed from now on.
fn serving(phase: Phase) -> Observed {
    let mut seen = in_phase(phase);
    seen.looked_for_pod = true;
    seen.pod = Some(ready_pod());
    usage(&mut seen, |_| {});
    seen
}

/// Changes what is written down.
fn usage(seen: &mut Observed, change: impl FnOnce(&mut UsageProgress)) {
    let status = seen.tunepod.status.get_or_insert_default();
    let usage = status.usage.get_or_insert_with(|| UsageProgress {
        pod: "pod-1".to_owned(),
        ..UsageProgress::default()
    });
    change(usage);
}

fn written(seen: &Observed) -> &UsageProgress {
    seen.tunepod.status.as_ref().unwrap().usage.as_ref().unwrap()
}

fn heard(answer: Answer) -> Heard {
    Heard {
        answer: Some(answer),
        ..Heard::default()
    }
}

/// The record of the day, as the API server would have it.
fn stored(seen: &Observed, day: Date, status: Option<UsageRecordStatus>) -> UsageRecord {
    let mut record = UsageRecord::new(&name(&seen.tunepod, "acme", day), spec(&seen.tunepod, day));
    record.metadata.namespace = Some("tb-acme".to_owned());
    record.metadata.uid = Some("record-1".to_owned());
    record.metadata.resource_version = Some("7".to_owned());
    record.status = status;
    record
}

/// The day on which something is to be stored.
fn due(seen: &Observed) -> Date {
    step(seen, now()).unwrap().entry.unwrap().day
}

fn said(status: &TunePodStatus) -> String {
    let condition = find(&status.conditions, ConditionType::UsageRecorded);
    condition
        .map(|c| format!("{}/{}", c.status, c.reason))
        .unwrap_or_default()
}

/// The status that the plan writes into a UsageRecord.
fn books(plan: &Plan<TunePodStatus>) -> UsageRecordStatus {
    let [Write::Status(_, write)] = plan.books.as_slice() else {
        panic!("one write of a status: {:?}", plan.books)
    };
    serde_json::from_value(write.status.clone()).unwrap()
}

/// A page as a sentinel sends it; its hashes were made by another program.
const GOLDEN: &str = include_str!("page.json");

#[test]
fn a_page_is_read_as_it_was_sent() {
    let page = read(GOLDEN.as_bytes()).unwrap();
    assert_eq!((page.pod.as_str(), page.outbox.as_str()), ("pod-1", "9c1e"));
    assert!(page.records.iter().all(|record| record.proof == record.hash));
    let counts = page.records[0].counts;
    assert_eq!((counts.requests, counts.completion_tokens), (Some(2), Some(4)));
    assert_eq!(counts.request_bytes, None, "what was not counted is absent");
    // One token more is another record.
    let forged = GOLDEN.replace("\"completion_tokens\":4", "\"completion_tokens\":5");
    let page = read(forged.as_bytes()).unwrap();
    assert_ne!(page.records[0].proof, page.records[0].hash);
    // What has no place in a UsageRecord is not thrown away.
    let newer = GOLDEN.replace("\"completion_tokens\"", "\"audio_tokens\"");
    assert!(read(newer.as_bytes()).unwrap_err().contains("audio_tokens"));
    for nonsense in ["", "{}", "[]", "{\"records\":[]}"] {
        assert!(read(nonsense.as_bytes()).is_err(), "{nonsense}");
    }
}

#[test]
fn a_page_is_stored_by_the_day_then_written_down_then_acknowledged() {
    let mut seen = serving(Phase::Ready);
    seen.heard = heard(Answer::Page(read(GOLDEN.as_bytes()).unwrap(), true));
    let day = due(&seen);
    assert_eq!(day.to_string(), "2026-01-07");
    // The record is not there yet: it is made, and nothing else moves.
    seen.heard.record = Some((day, None));
    let plan = decide(&seen, now());
    let [Write::Create(_, made)] = plan.books.as_slice() else {
        panic!("one create: {:?}", plan.books)
    };
    assert_eq!(made.body, new(&seen.tunepod, "acme", day).body);
    assert_eq!(made.target.name, name(&seen.tunepod, "acme", day));
    assert_eq!(plan.status.usage.as_ref(), Some(written(&seen)));
    // It is there: the first day's record goes into it, and with the same status the position moves.
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, now());
    let book = books(&plan);
    assert_eq!((book.hours.len(), book.hours[0].hour), (1, 23));
    assert_eq!(book.total.completion_tokens, Some(4));
    assert_eq!(
        (book.starts[0].boot.as_str(), book.starts[0].last_seq),
        ("5f2a", 1)
    );
    assert!(book.complete);
    let usage = plan.status.usage.clone().unwrap();
    assert_eq!(
        (usage.seq, usage.hash.as_deref()),
        (1, Some(book.starts[0].hash.as_str()))
    );
    assert_eq!(usage.record, Some(name(&seen.tunepod, "acme", day)));
    assert_eq!(said(&plan.status), "True/AsSpecified");
    assert_eq!(plan.requeue, super::MORE, "the second day is read at once");
    // The next question acknowledges it.
    seen.tunepod.status = Some(plan.status);
    let next = ask(&seen, now()).unwrap();
    assert_eq!((next.after, next.hash), (1, usage.hash));
    assert_eq!(due(&seen).to_string(), "2026-01-08");
    // At rest: the page of nothing new writes nothing.
    let mut rest = read(GOLDEN.as_bytes()).unwrap();
    rest.records.truncate(1);
    rest.last = 1;
    seen.heard = heard(Answer::Page(rest, true));
    let plan = decide(&seen, later(60));
    assert!(plan.books.is_empty());
    assert_eq!(Some(&plan.status), seen.tunepod.status.as_ref());
    assert_eq!(plan.requeue, super::EACH);
}

#[test]
fn what_was_looked_up_for_another_day_is_looked_up_again() {
    let mut seen = serving(Phase::Ready);
    seen.heard = heard(Answer::Page(page(vec![record(1, 0)]), true));
    let other = due(&seen).tomorrow().unwrap();
    seen.heard.record = Some((other, Some(stored(&seen, other, None))));
    let plan = decide(&seen, now());
    assert!(plan.books.is_empty() && plan.status.usage.as_ref() == Some(written(&seen)));
    // One of another TunePod, made by hand under the same name, is not written into.
    let day = due(&seen);
    let mut foreign = stored(&seen, day, None);
    foreign.spec.tune_pod_uid = "another".to_owned();
    seen.heard.record = Some((day, Some(foreign)));
    let plan = decide(&seen, now());
    assert!(plan.books.is_empty());
    assert_eq!(said(&plan.status), "False/UsageUnwritable");
}

#[test]
fn what_must_not_be_taken_is_said_and_moves_nothing() {
    let forked = vec![Record {
        prev: "x".to_owned(),
        ..record(3, 3)
    }];
    let other_pod = Page {
        pod: "pod-2".to_owned(),
        ..page(vec![record(3, 3)])
    };
    let broken = vec![Record {
        proof: "x".to_owned(),
        ..record(3, 3)
    }];
    let cases = [
        (Answer::Page(page(forked), true), "False/UsageForked"),
        (Answer::Page(page(vec![record(3, 3)]), false), "False/UsageForked"),
        (Answer::Page(page(vec![record(1, 1)]), true), "False/UsageForked"),
        (Answer::Page(other_pod, true), "False/UsageForeign"),
        (Answer::Page(page(broken), true), "False/UsageBroken"),
        (Answer::Unreadable("500: no".to_owned()), "False/UsageBroken"),
    ];
    for (answer, expected) in cases {
        let mut seen = serving(Phase::Ready);
        usage(&mut seen, |u| {
            u.outbox = Some("outbox-1".to_owned());
            (u.seq, u.hash) = (2, Some(hash(2)));
        });
        seen.heard = heard(answer);
        let plan = decide(&seen, now());
        assert_eq!(said(&plan.status), expected);
        assert!(plan.books.is_empty());
        assert_eq!(plan.status.usage.as_ref(), Some(written(&seen)), "{expected}");
        assert_eq!(plan.status.phase, Phase::Ready, "it serves on");
    }
}

#[test]
fn what_is_missing_goes_into_the_record_with_what_comes_after() {
    let mut seen = serving(Phase::Ready);
    usage(&mut seen, |u| {
        u.outbox = Some("outbox-1".to_owned());
        (u.seq, u.hash) = (2, Some(hash(2)));
    });
    let late = Page {
        first: 5,
        ..page(vec![record(5, 5)])
    };
    seen.heard = heard(Answer::Page(late, true));
    let day = due(&seen);
    seen.heard.record = Some((day, Some(stored(&seen, day, None))));
    let plan = decide(&seen, now());
    let book = books(&plan);
    assert_eq!((book.losses[0].after, book.losses[0].to), (2, Some(4)));
    assert!(!book.complete && book.total.completion_tokens == Some(2));
    assert_eq!(said(&plan.status), "False/UsageGap");
    let usage = plan.status.usage.unwrap();
    assert_eq!((usage.seq, usage.losses), (5, 1));
    // The same again, as after a crash before the status was written: nothing is counted twice.
    seen.heard.record = Some((day, Some(stored(&seen, day, Some(book)))));
    assert!(decide(&seen, later(30)).books.is_empty());
}

#[test]
fn a_sentinel_that_is_silent_for_a_while_is_told() {
    let mut seen = serving(Phase::Ready);
    seen.heard = heard(Answer::Silent);
    let plan = decide(&seen, now());
    assert_eq!(said(&plan.status), "", "one lost answer is nothing");
    seen.tunepod.status = Some(plan.status);
    assert_eq!(said(&decide(&seen, later(179)).status), "");
    let plan = decide(&seen, later(180));
    assert_eq!(said(&plan.status), "False/UsageUnreachable");
    seen.tunepod.status = Some(plan.status);
    let same = decide(&seen, later(600));
    assert_eq!(Some(&same.status), seen.tunepod.status.as_ref(), "said once");
    seen.heard = heard(Answer::Page(page(vec![]), true));
    let plan = decide(&seen, later(601));
    assert_eq!(said(&plan.status), "True/AsSpecified");
    assert_eq!(plan.status.usage.unwrap().unanswered_since, None);
}

#[test]
fn a_full_record_folds_what_is_old() {
    let seen = serving(Phase::Ready);
    let mut status = UsageRecordStatus::default();
    for start in 0..130_u64 {
        let mut seen = seen.clone();
        let boot = Record {
            boot: format!("start-{start}"),
            ..record(1, 0)
        };
        let outbox = Page {
            outbox: format!("outbox-{start}"),
            ..page(vec![boot])
        };
        seen.heard = heard(Answer::Page(outbox, true));
        status = fold(status, &step(&seen, now()).unwrap().entry.unwrap());
    }
    assert_eq!((status.starts.len(), status.starts_folded), (128, 2));
    assert_eq!(status.total.completion_tokens, Some(260));
}

#[test]
fn names_follow_from_tunepod_and_day() {
    let seen = serving(Phase::Ready);
    let day: Date = "2026-01-07".parse().unwrap();
    let first = name(&seen.tunepod, "acme", day);
    assert!(first.starts_with("order-1-0-2026-01-07-"), "{first}");
    assert_ne!(first, name(&seen.tunepod, "acme", day.tomorrow().unwrap()));
    let mut namesake = seen.tunepod;
    namesake.metadata.uid = Some("uid-2".to_owned());
    assert_ne!(first, name(&namesake, "acme", day));
}

/// The pod in another state.
fn pod(change: impl FnOnce(&mut PodSight)) -> PodSight {
    let mut pod = ready_pod();
    change(&mut pod);
    pod
}
