//! A life of years: closed days go to UsageRecords, and nothing that was consumed is lost or doubled.

use super::*;
use crate::controllers::execute::Plan;
use crate::controllers::tunepod::folding::{self, Folding};
use crate::controllers::tunepod::usage::book;
use jiff::civil::Date;
use kube::core::Resource;
use std::collections::BTreeMap;
use trustbridge_api::usage_record::MAX_INTERVALS;
use trustbridge_api::{UsageRecord, UsageRecordStatus};

/// A day.
const DAY: i64 = 86_400;

/// Records by name, as the API server keeps them.
#[derive(Default)]
pub(crate) struct Shelf(BTreeMap<String, UsageRecord>);

impl Shelf {
    fn look_up(&self, seen: &Observed, day: Date) -> Option<UsageRecord> {
        self.0.get(&book::name(&seen.tunepod, &seen.org, day)).cloned()
    }

    /// Carries out what `plan` asks for; nothing is ever taken away.
    fn write(&mut self, plan: &Plan<TunePodStatus>) {
        for write in &plan.books {
            match write {
                Write::Create(_, built) => {
                    let mut record: UsageRecord = serde_json::from_value(built.body.clone()).unwrap();
                    record.meta_mut().uid = Some(built.target.name.clone());
                    record.meta_mut().resource_version = Some("1".to_owned());
                    self.0.entry(built.target.name.clone()).or_insert(record);
                }
                Write::Status(_, write) => {
                    let record = self.0.get_mut(&write.target.name).unwrap();
                    let told: UsageRecordStatus = serde_json::from_value(write.status.clone()).unwrap();
                    let before = record.status.clone().unwrap_or_default();
                    for known in &before.intervals {
                        assert!(told.intervals.contains(known), "{known:?} went");
                    }
                    record.status = Some(told);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// One look, as often as the operator asks to look again at once; `crash` forgets the status write of the first.
fn look(seen: &mut Observed, shelf: &mut Shelf, at: Timestamp, crash: bool) {
    for turn in 0..8 {
        let status = seen.tunepod.status.clone().unwrap();
        seen.folding = folding::due(&status, at).map(|(day, _)| Folding {
            day,
            record: shelf.look_up(seen, day),
        });
        let plan = decide(seen, at);
        shelf.write(&plan);
        if crash && turn == 0 {
            continue;
        }
        let rests = plan.books.is_empty() && plan.status == status;
        keeps(&status, &plan.status);
        seen.tunepod.status = Some(plan.status);
        if rests {
            return;
        }
    }
}

/// What the rules of the schema demand of two statuses in a row.
fn keeps(old: &TunePodStatus, new: &TunePodStatus) {
    let first = new.folded.as_ref().map_or(0, |folded| folded.count);
    for one in old.intervals.iter().filter(|one| one.seq >= first) {
        let same = new.intervals.iter().find(|other| other.seq == one.seq).unwrap();
        assert!(same.from == one.from && (one.to.is_none() || one.to == same.to));
    }
    assert!(new.intervals.len() <= 128);
}

/// A TunePod that was of use each day from 08:00 for some hours, for `days` days; with it the records and what was
/// consumed, in milliseconds by day. Now and then the operator dies after it wrote a record.
pub(crate) fn lived(days: i64) -> (TunePod, Vec<UsageRecord>, Vec<i64>) {
    let mut seen = in_phase(Phase::Verifying);
    let mut shelf = Shelf::default();
    let mut consumed = Vec::new();
    let begin = Timestamp::from_second(1_767_225_600).unwrap(); // 2026-01-01
    let at = |second: i64| begin + SignedDuration::from_secs(second);
    for day in 0..days {
        let from = day * DAY + 8 * 3600;
        // An odd number of seconds, and each third day past midnight.
        let length = 3600 + (day * 7919) % 30_000 + if day % 3 == 0 { 15 * 3600 } else { 0 };
        let length = length.min(23 * 3600 + 1);
        seen.pod = Some(ready_pod());
        look(&mut seen, &mut shelf, at(from), day % 11 == 0);
        assert_eq!(
            seen.tunepod.status.as_ref().unwrap().phase,
            Phase::Ready,
            "day {day}"
        );
        seen.pod = None;
        look(&mut seen, &mut shelf, at(from + length), day % 7 == 0);
        consumed.push(length * 1000);
    }
    (seen.tunepod, shelf.0.into_values().collect(), consumed)
}

#[test]
fn three_years_of_days_fit_and_every_millisecond_is_there_once() {
    let (tunepod, records, consumed) = lived(3 * 365);
    let status = tunepod.status.as_ref().unwrap();
    assert!(status.intervals.len() < 40, "{}", status.intervals.len());
    let folded = status.folded.clone().unwrap();
    let there: Vec<_> = records
        .iter()
        .flat_map(|record| record.status.iter().flat_map(|status| status.intervals.iter()))
        .collect();
    assert_eq!(i64::try_from(there.len()), Ok(folded.count));
    let mut seqs: Vec<i64> = there.iter().map(|one| one.seq).collect();
    seqs.extend(status.intervals.iter().map(|one| one.seq));
    seqs.sort_unstable();
    let all: Vec<i64> = (0..i64::try_from(consumed.len()).unwrap()).collect();
    assert_eq!(seqs, all, "each number once");
    let ms = |one: &trustbridge_api::tunepod::MeteredInterval| {
        one.to.as_ref().unwrap().0.as_millisecond() - one.from.0.as_millisecond()
    };
    let kept: i64 = status.intervals.iter().map(ms).sum();
    assert_eq!(folded.metered_ms, there.iter().map(|one| ms(one)).sum::<i64>());
    assert_eq!(folded.metered_ms + kept, consumed.iter().sum::<i64>());
}

#[test]
fn a_record_of_somebody_else_takes_nothing_and_nothing_is_let_go() {
    let (mut tunepod, ..) = lived(31);
    let mut seen = in_phase(Phase::Verifying);
    // One more closed day makes it due.
    let mut status = tunepod.status.take().unwrap();
    let last = status.intervals.last().unwrap().clone();
    let end = last.to.clone().unwrap().0;
    status.intervals.push(trustbridge_api::tunepod::MeteredInterval {
        seq: last.seq + 1,
        from: Time(end),
        to: Some(Time(end + SignedDuration::from_hours(1))),
        ..last
    });
    seen.tunepod.status = Some(status.clone());
    let later = end + SignedDuration::from_hours(72);
    let (day, _) = folding::due(&status, later).unwrap();
    let spec = book::spec(&seen.tunepod, day);
    let mut foreign = UsageRecord::new("x", spec);
    foreign.spec.tune_pod_uid = "another".to_owned();
    seen.folding = Some(Folding {
        day,
        record: Some(foreign),
    });
    let plan = decide(&seen, later);
    assert!(plan.books.is_empty() && plan.status.folded.is_none());
    assert_eq!(plan.status.intervals, status.intervals);
}

/// A TunePod on its way back whose ledger is full of today, and a record of today with that many intervals before them.
fn crowded(before: usize) -> (Observed, Timestamp) {
    let count = i64::try_from(before).unwrap() + 128;
    let mut seen = in_phase(Phase::Verifying);
    let mut status = seen.tunepod.status.take().unwrap();
    let begin = Timestamp::from_second(1_767_225_600).unwrap(); // 2026-01-01
    let at = |second: i64| begin + SignedDuration::from_secs(second);
    let all: Vec<_> = (0..count)
        .map(|seq| trustbridge_api::tunepod::MeteredInterval {
            seq,
            from: Time(at(seq * 60)),
            to: Some(Time(at(seq * 60 + 30))),
            gpus: 1,
            opened_by: "Ready".to_owned(),
            closed_by: Some("Degraded".to_owned()),
        })
        .collect();
    let (told, kept) = all.split_at(before);
    status.intervals = kept.to_vec();
    seen.tunepod.status = Some(status.clone());
    let now = at(count * 60);
    let (day, _) = folding::due(&status, now).unwrap();
    let mut record = UsageRecord::new("x", book::spec(&seen.tunepod, day));
    record.status = Some(UsageRecordStatus {
        intervals: told.to_vec(),
        ..UsageRecordStatus::default()
    });
    seen.folding = Some(Folding {
        day,
        record: Some(record),
    });
    seen.pod = Some(ready_pod());
    (seen, now)
}

#[test]
fn a_record_that_is_full_is_named_and_not_looked_at_each_second() {
    let calm = decide(&in_phase(Phase::Verifying), now()).requeue;
    let (mut seen, at) = crowded(MAX_INTERVALS - 100);
    let plan = decide(&seen, at);
    assert!(plan.books.is_empty() && plan.status.folded.is_none());
    assert!(plan.requeue >= calm, "{:?}", plan.requeue);
    assert_eq!(reason(&plan.status, ConditionType::Ready), "False/LedgerFull");
    let words = &find(&plan.status.conditions, ConditionType::Ready)
        .unwrap()
        .message;
    let (day, _) = folding::due(&plan.status, at).unwrap();
    let name = book::name(&seen.tunepod, &seen.org, day);
    assert!(words.contains(&name) && words.contains("no room"), "{words}");
    // It is at rest.
    seen.tunepod.status = Some(plan.status);
    let again = decide(&seen, at + SignedDuration::from_secs(60)).status;
    assert!(status_write(&seen.tunepod, seen.tunepod.status.as_ref(), &again).is_none());
    // With room it goes on at once.
    let (seen, at) = crowded(MAX_INTERVALS - 200);
    let plan = decide(&seen, at);
    assert_eq!(plan.books.len(), 1);
    assert!(plan.requeue < calm, "{:?}", plan.requeue);
}

#[test]
fn a_day_that_would_fill_the_list_is_folded_before_it_is_over() {
    let mut status = in_phase(Phase::Ready).tunepod.status.unwrap();
    status.intervals.clear();
    for seq in 0..95 {
        let from = later(seq * 60);
        assert!(status::open_interval(&mut status, 1, from));
        status::close_interval(&mut status, "Degraded", from + SignedDuration::from_secs(30));
    }
    assert!(
        folding::due(&status, later(95 * 60)).is_none(),
        "today is not over"
    );
    assert!(status::open_interval(&mut status, 1, later(95 * 60)));
    assert_eq!(
        folding::due(&status, later(96 * 60)).map(|(_, count)| count),
        Some(94)
    );
    status.phase = Phase::Draining;
    assert!(
        folding::due(&status, later(96 * 60)).is_none(),
        "what ends is left as it is"
    );
}
