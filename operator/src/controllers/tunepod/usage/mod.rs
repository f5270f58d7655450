//! The usage that a pod's sentinel counted: read about each minute, stored, then acknowledged.
//!
//! ```text
//! sentinel's outbox --GET /usage--> page --take--> UsageRecord (day) --> TunePod status --ack--> sentinel
//! ```
//!
//! Each arrow is one write, in this order, and each can be repeated: the UsageRecord knows how far each start of a
//! sentinel is in it, the TunePod's status which record was stored last, and the sentinel forgets nothing before it is
//! told the hash of that record, which the next question does. So a crash anywhere neither loses nor doubles.
//!
//! | What happens | What follows |
//! |---|---|
//! | the pod becomes ready | `status.usage` names it, in the write that opens the interval: from here on its usage is owed |
//! | the end is asked for | that is written first; then `/drain`, then pages until an empty one, then the pod is deleted |
//! | somebody else deletes the pod | the same, as long as its sentinel answers |
//! | the sentinel does not answer | asked again; the end waits for it no longer than [`LAST_WORDS`] from then on |
//! | it answers, but has more, serves on, or cannot be stored | the end waits for it no longer than [`LONGEST_END`] |
//! | the pod is gone and was not read to its end | the UsageRecord says so: `complete: false`, and since when |
//! | usage was recorded up to an earlier day than that of a loss | the records of that day and of all days between say so too; missing ones are made |
//! | the page is not the continuation of what is stored | nothing is taken; the condition `UsageRecorded` says why |

pub(super) mod book;
mod listen;
mod page;
mod step;
#[cfg(test)]
mod tests;

pub(super) use listen::listen;
pub(crate) use page::Heard;
pub(super) use step::is_open;

use super::observe::{Observed, PodSight};
use crate::controllers::execute::{Plan, Write, status_write};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use page::Answer;
use std::time::Duration;
use step::{Entry, Step, began, is_alive, is_answering, step};
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::tunepod::UsageProgress;
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::clock::plus;
use trustbridge_kit::conditions::{Statement, set};

/// How often a serving pod is asked: its sentinel closes an interval each minute.
const EACH: Duration = Duration::from_mins(1);
/// Pause before more is read of what is known to be there.
const MORE: Duration = Duration::from_secs(1);
/// Pause before a pod that ends is asked again.
const ENDING: Duration = Duration::from_secs(2);
/// Pause before a sentinel that does not answer is asked again.
const SILENT: Duration = Duration::from_secs(15);
/// So long the end of a pod waits for a sentinel that does not answer, or whose usage is not taken, in seconds.
const LAST_WORDS: i64 = 60;
/// So long the end waits for usage at all, in seconds: a sentinel that answers is read, unless it takes longer.
const LONGEST_END: i64 = 15 * 60;

/// Writes of usage, and when to look again.
#[derive(Default)]
pub(super) struct Books {
    writes: Vec<Write>,
    pause: Option<Duration>,
}

impl Books {
    /// `plan` with these writes besides.
    pub(super) fn join(self, mut plan: Plan<TunePodStatus>) -> Plan<TunePodStatus> {
        plan.books = self.writes;
        match self.pause {
            Some(pause) => plan.within(pause),
            None => plan,
        }
    }
}

/// Stores what was heard: the writes for the UsageRecord, and in `status` how far it is then.
pub(super) fn store(seen: &Observed, status: &mut TunePodStatus, now: Timestamp) -> Books {
    let Some(mut next) = step(seen, now) else {
        return Books::default();
    };
    // An answer ends a silence, also where what it holds cannot be stored yet.
    if let Some(usage) = status.usage.as_mut() {
        usage.unanswered_since.clone_from(&next.progress.unanswered_since);
    }
    let Some(entry) = &next.entry else {
        return Books {
            writes: Vec::new(),
            pause: accept(seen, status, next, now),
        };
    };
    let spec = book::spec(&seen.tunepod, entry.day);
    let looked_up = seen.heard.record.as_ref();
    let (writes, pause) = match looked_up.filter(|(day, _)| *day == entry.day) {
        // The day changed between the look and the decision.
        None => (Vec::new(), Some(MORE)),
        Some((_, None)) => {
            let record = book::new(&seen.tunepod, &seen.org, entry.day);
            (vec![Write::Create(FieldManager::USAGE, record)], Some(MORE))
        }
        Some((_, Some(record))) if record.spec != spec => {
            let name = book::name(&seen.tunepod, &seen.org, entry.day);
            let text = format!(
                "UsageRecord {name} is not of this TunePod, and somebody made it by hand; \
                 an administrator takes the policy binding trustbridge-kept-records away, deletes it, and puts it back"
            );
            unwritable(seen, status, &text, now);
            (Vec::new(), Some(SILENT))
        }
        Some((_, Some(record))) => {
            let folded = book::fold(record.status.clone().unwrap_or_default(), entry);
            let write = status_write(record, record.status.as_ref(), &folded);
            let writes = write.map(|write| Write::Status(FieldManager::USAGE_STATUS, write));
            let earlier = earlier(seen, entry);
            let writes = earlier.writes.into_iter().chain(writes).collect();
            if earlier.is_waiting {
                (writes, Some(MORE))
            } else {
                next.progress.record = Some(record.name_any());
                (writes, accept(seen, status, next, now))
            }
        }
    };
    Books { writes, pause }
}

/// The loss in the records of the earlier days on which it may lie; those that are missing are made first.
fn earlier(seen: &Observed, entry: &Entry) -> Earlier {
    let mut all = Earlier::default();
    for each in entry.earlier(began(seen)) {
        let looked_up = seen.heard.earlier.iter().find(|(day, _)| *day == each.day);
        let Some((day, found)) = looked_up else {
            // The day changed between the look and the decision.
            all.is_waiting = true;
            continue;
        };
        let Some(record) = found else {
            let made = book::new(&seen.tunepod, &seen.org, *day);
            all.writes.push(Write::Create(FieldManager::USAGE, made));
            all.is_waiting = true;
            continue;
        };
        // One of another TunePod is not written into.
        if record.spec == book::spec(&seen.tunepod, *day) {
            let folded = book::fold(record.status.clone().unwrap_or_default(), &each);
            let write = status_write(record, record.status.as_ref(), &folded);
            all.writes
                .extend(write.map(|write| Write::Status(FieldManager::USAGE_STATUS, write)));
        }
    }
    all
}

/// Writes for the records of earlier days.
#[derive(Default)]
struct Earlier {
    writes: Vec<Write>,
    /// Not all of them are there yet: they are looked up once more before the step is written down.
    is_waiting: bool,
}

/// Writes down how far the step went; answers when to look again.
fn accept(seen: &Observed, status: &mut TunePodStatus, next: Step, now: Timestamp) -> Option<Duration> {
    let pause = match &next.progress {
        progress if progress.closed => None,
        _ if next.more => Some(MORE),
        progress if progress.unanswered_since.is_some() => Some(SILENT),
        _ if next.is_ending => Some(ENDING),
        _ => Some(EACH),
    };
    if let Some(said) = &next.said {
        set(
            &mut status.conditions,
            said,
            seen.tunepod.metadata.generation,
            now,
        );
    }
    status.usage = Some(next.progress);
    pause
}

/// The usage of `pod`, which serves from now on, is owed from now on. `false` while that of the pod before it is not
/// closed yet.
pub(super) fn adopt(status: &mut TunePodStatus, pod: &PodSight) -> bool {
    let losses = match &status.usage {
        Some(usage) if usage.pod == pod.uid => return true,
        Some(usage) if !usage.closed => return false,
        Some(usage) => usage.losses,
        None => 0,
    };
    status.usage = Some(UsageProgress {
        pod: pod.uid.clone(),
        losses,
        ..UsageProgress::default()
    });
    true
}

/// The end begins: written before the sentinel is drained.
pub(super) fn begin_end(status: &mut TunePodStatus, now: Timestamp) {
    if let Some(usage) = status.usage.as_mut().filter(|usage| !usage.closed) {
        usage.ending_since = Some(Time(now));
    }
}

/// Whether the pod must stay because its last usage is still to be read. What counts is what was written down, and
/// what was heard just now.
pub(super) fn holds(seen: &Observed, pod: &PodSight, now: Timestamp) -> bool {
    let written = seen.tunepod.status.as_ref().and_then(|s| s.usage.as_ref());
    let Some(usage) = written.filter(|usage| !usage.closed && usage.pod == pod.uid) else {
        return false;
    };
    let can_answer = is_alive(pod, now) && pod.is_guarded && pod.ip.is_some();
    can_answer && waits_until(seen, usage, now).is_some_and(|until| now < until)
}

/// Until when the end waits, by what is known now; `None` where it was not written down that it begins.
fn waits_until(seen: &Observed, usage: &UsageProgress, now: Timestamp) -> Option<Timestamp> {
    let since = usage.ending_since.as_ref()?.0;
    let longest = plus(since, LONGEST_END);
    if is_answering(seen) {
        return Some(longest);
    }
    // Time in which nobody listened is no silence: it counts from the first question without an answer.
    let silent = match &seen.heard.answer {
        Some(Answer::Silent) => usage.unanswered_since.as_ref().map_or(now, |from| from.0),
        _ => since,
    };
    Some(longest.min(plus(silent.max(since), LAST_WORDS)))
}

/// Whether a TunePod that is being deleted must stay, since what is known of its usage is not stored yet. A namespace
/// that goes takes no new UsageRecord, so nothing is waited for there.
pub(super) fn keeps(seen: &Observed, now: Timestamp) -> bool {
    let usage = seen.tunepod.status.as_ref().and_then(|s| s.usage.as_ref());
    let ending = usage.and_then(|usage| usage.ending_since.as_ref());
    let deleted = seen.tunepod.metadata.deletion_timestamp.as_ref();
    let since = ending.max(deleted).map(|since| since.0);
    is_open(&seen.tunepod)
        && !seen.is_namespace_leaving
        && since.is_some_and(|since| now < plus(since, LONGEST_END))
}

/// The API server refused the UsageRecord: nothing of it is stored, and nothing is acknowledged.
pub(super) fn refused(
    seen: &Observed,
    mut plan: Plan<TunePodStatus>,
    words: &str,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    let planned = plan.status.usage.take().unwrap_or_default();
    plan.status.usage = seen.tunepod.status.as_ref().and_then(|s| s.usage.clone());
    if let Some(usage) = plan.status.usage.as_mut() {
        usage.ending_since = planned.ending_since.or(usage.ending_since.take());
        usage.unanswered_since = planned.unanswered_since;
    }
    let text = format!("the UsageRecord was refused: {words}; usage waits in the pod");
    unwritable(seen, &mut plan.status, &text, now);
    plan.within(SILENT)
}

fn unwritable(seen: &Observed, status: &mut TunePodStatus, text: &str, now: Timestamp) {
    let said = Statement::no(ConditionType::UsageRecorded, Reason::UsageUnwritable, text);
    set(
        &mut status.conditions,
        &said,
        seen.tunepod.metadata.generation,
        now,
    );
}

/// Whether the sentinel of a pod in that phase is to be read to its end.
fn ends(phase: TunePodPhase, pod: &PodSight) -> bool {
    phase == TunePodPhase::Draining || pod.is_leaving
}
