//! What was heard of a pod's usage, and what of it is stored next. Pure.

use super::super::observe::{Observed, PodSight};
use super::ends;
use super::page::Answer;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::TunePod;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::UsageProgress;
use trustbridge_api::usage_record::{Quantities, UsageLoss};
use trustbridge_domain::outbox::{Missing, Page, Position, Record, Refusal, Taken, take};
use trustbridge_kit::clock::{plus, whole_seconds};
use trustbridge_kit::conditions::Statement;

/// So long a sentinel may be silent before the condition says so, in seconds.
const UNANSWERED: i64 = 180;
/// Days before that of a loss that are told of it; nobody is silent for longer and still billed.
const MAX_EARLIER: usize = 31;

/// What is stored next.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// How far it is then.
    pub(super) progress: UsageProgress,
    /// What goes into a UsageRecord.
    pub(super) entry: Option<Entry>,
    /// What the condition says then.
    pub(super) said: Option<Statement>,
    /// There is more to be read at once.
    pub(super) more: bool,
    /// The pod ends.
    pub(super) is_ending: bool,
}

/// What goes into the UsageRecord of a day.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) day: Date,
    pub(super) pod: String,
    pub(super) outbox: String,
    pub(super) records: Vec<Record<Quantities>>,
    pub(super) loss: Option<UsageLoss>,
}

impl Entry {
    /// The loss alone, for each earlier day from the one up to which usage was recorded: on all of them it may be
    /// missing. Where nothing was recorded at all, from the day on which the pod began to serve, `began`.
    pub(super) fn earlier(&self, began: Option<Timestamp>) -> Vec<Self> {
        let until = self
            .loss
            .as_ref()
            .map(|loss| loss.recorded_until.as_ref().map(|at| at.0).or(began));
        let Some(until) = until.flatten() else {
            return Vec::new();
        };
        let days = day(until).series(1.day()).take_while(|each| *each < self.day);
        let mut days: Vec<Date> = days.collect();
        days.drain(..days.len().saturating_sub(MAX_EARLIER));
        let of_day = |day| Self {
            day,
            records: Vec::new(),
            ..self.clone()
        };
        days.into_iter().map(of_day).collect()
    }
}

/// A question to a sentinel.
pub(super) struct Ask {
    /// UID of the pod that is to answer.
    pub(super) pod: String,
    pub(super) ip: String,
    pub(super) after: u64,
    pub(super) hash: Option<String>,
    pub(super) is_ending: bool,
}

/// When the pod whose usage is owed began to serve.
pub(super) fn began(seen: &Observed) -> Option<Timestamp> {
    let intervals = seen.tunepod.status.as_ref().map(|s| s.intervals.as_slice());
    intervals.and_then(<[_]>::last).map(|interval| interval.from.0)
}

/// Whether usage is still owed.
pub(in super::super) fn is_open(tunepod: &TunePod) -> bool {
    open(tunepod).is_some()
}

fn open(tunepod: &TunePod) -> Option<&UsageProgress> {
    let status = tunepod.status.as_ref()?;
    status.usage.as_ref().filter(|usage| !usage.closed)
}

/// Whether its containers run, as far as is known.
pub(super) fn is_alive(pod: &PodSight, now: Timestamp) -> bool {
    let is_over = matches!(pod.phase.as_str(), "Failed" | "Succeeded");
    !is_over && pod.gone_by.is_none_or(|by| now < by)
}

/// The living pod whose usage is owed.
fn owing<'a>(seen: &'a Observed, progress: &UsageProgress, now: Timestamp) -> Option<&'a PodSight> {
    let pod = seen.pod.as_ref();
    pod.filter(|pod| pod.is_ours && pod.uid == progress.pod && is_alive(pod, now))
}

/// What to ask, and whom; nobody where nothing is owed or nobody can answer.
pub(super) fn ask(seen: &Observed, now: Timestamp) -> Option<Ask> {
    let progress = open(&seen.tunepod)?;
    let pod = owing(seen, progress, now).filter(|pod| pod.is_guarded)?;
    Some(Ask {
        pod: progress.pod.clone(),
        ip: pod.ip.clone()?,
        after: u64::try_from(progress.seq).unwrap_or_default(),
        hash: progress.hash.clone().filter(|_| progress.seq > 0),
        is_ending: ends(seen.phase(), pod),
    })
}

/// Whether the sentinel answered just now, and not with something that is not taken however often it is read.
pub(super) fn is_answering(seen: &Observed) -> bool {
    let Some((progress, answer)) = open(&seen.tunepod).zip(seen.heard.answer.as_ref()) else {
        return false;
    };
    match answer {
        Answer::Silent => false,
        // A failure of the moment, or a page that a newer operator reads.
        Answer::Unreadable(_) => true,
        Answer::Page(page, acknowledged) => {
            let position = position(progress);
            take(&progress.pod, position.as_ref(), *acknowledged, page.clone()).is_ok()
        }
    }
}

/// What follows from what was seen and heard.
pub(super) fn step(seen: &Observed, now: Timestamp) -> Option<Step> {
    let progress = open(&seen.tunepod)?;
    if !seen.looked_for_pod {
        return None;
    }
    let Some(pod) = owing(seen, progress, now) else {
        return Some(lost(progress, now));
    };
    let still = Step {
        progress: progress.clone(),
        entry: None,
        said: None,
        more: false,
        is_ending: ends(seen.phase(), pod),
    };
    Some(match seen.heard.answer.as_ref()? {
        Answer::Silent => silent(still, now),
        Answer::Unreadable(words) => refused(still, Reason::UsageBroken, words),
        Answer::Page(page, acknowledged) => {
            let position = position(progress);
            match take(&progress.pod, position.as_ref(), *acknowledged, page.clone()) {
                Ok(taken) => stored(still, page, taken, seen.heard.is_drained, now),
                Err(refusal) => refused(still, reason(&refusal), &refusal.to_string()),
            }
        }
    })
}

fn position(progress: &UsageProgress) -> Option<Position> {
    Some(Position {
        outbox: progress.outbox.clone()?,
        seq: u64::try_from(progress.seq).unwrap_or_default(),
        hash: progress.hash.clone(),
    })
}

/// The pod is gone, or its containers are over, before it was read to its end.
fn lost(progress: &UsageProgress, now: Timestamp) -> Step {
    let text = format!(
        "pod {} went before its last usage was read: what it served after record {} is not known",
        progress.pod, progress.seq
    );
    let entry = Entry {
        day: day(now),
        pod: progress.pod.clone(),
        outbox: progress.outbox.clone().unwrap_or_default(),
        records: Vec::new(),
        loss: Some(loss(progress, None, Reason::UsageLost, now)),
    };
    Step {
        progress: UsageProgress {
            closed: true,
            losses: progress.losses.saturating_add(1),
            unanswered_since: None,
            ..progress.clone()
        },
        entry: Some(entry),
        said: Some(no(Reason::UsageLost, text)),
        more: false,
        is_ending: true,
    }
}

fn silent(mut still: Step, now: Timestamp) -> Step {
    let since = still.progress.unanswered_since.get_or_insert(Time(now)).0;
    if now >= plus(since, UNANSWERED) {
        let text = format!(
            "the sentinel of pod {} has not told its usage since {since}",
            still.progress.pod
        );
        still.said = Some(no(Reason::UsageUnreachable, text));
    }
    still
}

fn refused(mut still: Step, reason: Reason, words: &str) -> Step {
    still.progress.unanswered_since = None;
    let text = format!("the usage of pod {} is not taken: {words}", still.progress.pod);
    still.said = Some(no(reason, text));
    still
}

const fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Foreign(_) => Reason::UsageForeign,
        Refusal::Forked(_) | Refusal::SetBack { .. } => Reason::UsageForked,
        Refusal::Broken { .. } => Reason::UsageBroken,
    }
}

/// The records of the first day on the page; those of later days come with the next look.
fn stored(
    still: Step,
    page: &Page<Quantities>,
    taken: Taken<Quantities>,
    is_drained: bool,
    now: Timestamp,
) -> Step {
    let Step {
        mut progress,
        is_ending,
        ..
    } = still;
    progress.unanswered_since = None;
    let first = taken.records.first().map(|record| day_of(record.from_ms));
    let entry_day = first.unwrap_or_else(|| day(now));
    let of_day = |record: &&Record<Quantities>| day_of(record.from_ms) == entry_day;
    let count = taken.records.iter().take_while(of_day).count();
    let is_all = count == taken.records.len();
    let has_new = count > 0 || taken.missing.is_some();
    // Before the progress moves: a loss names where it was.
    let gap = taken
        .missing
        .as_ref()
        .map(|missing| loss(&progress, Some(missing), Reason::UsageGap, now));
    let mut records = taken.records;
    records.truncate(count);
    let position = match records.last() {
        Some(last) if !is_all => Position {
            outbox: page.outbox.clone(),
            seq: last.seq,
            hash: Some(last.hash.clone()),
        },
        _ => taken.position,
    };
    if let Some(last) = records.last() {
        progress.until = at(last.to_ms).map(Time);
    }
    progress.outbox = Some(position.outbox);
    progress.seq = i64::try_from(position.seq).unwrap_or(i64::MAX);
    progress.hash = position.hash;
    progress.losses = progress.losses.saturating_add(i64::from(gap.is_some()));
    progress.closed = is_ending && is_drained && !has_new && !taken.more;
    let said = said(&progress, gap.as_ref(), taken.missing.as_ref());
    let entry = has_new.then(|| Entry {
        day: entry_day,
        pod: progress.pod.clone(),
        outbox: page.outbox.clone(),
        records,
        loss: gap,
    });
    Step {
        entry,
        said: Some(said),
        more: taken.more || !is_all,
        progress,
        is_ending,
    }
}

fn said(progress: &UsageProgress, lost: Option<&UsageLoss>, missing: Option<&Missing>) -> Statement {
    if lost.is_some() {
        let what = match missing {
            Some(Missing::Records(from, to)) => format!("records {from} to {to} of pod {}", progress.pod),
            _ => format!("the directory of the sentinel in pod {}", progress.pod),
        };
        let text = format!("{what} went before they were read; what comes after is recorded");
        return no(Reason::UsageGap, text);
    }
    let mut text = if progress.closed {
        format!("the usage of pod {} is recorded to its end", progress.pod)
    } else {
        "what the sentinel counts is recorded".to_owned()
    };
    if progress.losses > 0 {
        text = format!(
            "{text}; before, usage was lost {} times: see the UsageRecords",
            progress.losses
        );
    }
    Statement::yes(ConditionType::UsageRecorded, Reason::AsSpecified, text)
}

fn loss(progress: &UsageProgress, missing: Option<&Missing>, reason: Reason, now: Timestamp) -> UsageLoss {
    let to = match missing {
        Some(Missing::Records(_, to)) => i64::try_from(*to).ok(),
        _ => None,
    };
    UsageLoss {
        pod: progress.pod.clone(),
        after: progress.seq,
        to,
        recorded_until: progress.until.clone(),
        noticed: Time(now),
        reason: reason.as_str().to_owned(),
    }
}

fn no(reason: Reason, text: impl Into<String>) -> Statement {
    Statement::no(ConditionType::UsageRecorded, reason, text)
}

fn at(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok().map(whole_seconds)
}

/// The UTC day of a moment.
pub(super) fn day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// The UTC day of a record. A moment that no calendar has is the first one's.
pub(super) fn day_of(ms: i64) -> Date {
    day(Timestamp::from_millisecond(ms).unwrap_or_default())
}
