//! What becomes of an incident. Pure.

use super::until;
use crate::controllers::execute::Plan;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::incident::WordSeen;
use trustbridge_api::{Incident, IncidentStatus, TunePod};
use trustbridge_domain::incident::{Word, Words, words};
use trustbridge_domain::phase::{IncidentPhase, TunePodPhase};
use trustbridge_kit::conditions::{Statement, find, is_true, set};

/// Pause before a TunePod that has lost Ready is looked at again.
const LOST: Duration = Duration::from_secs(30);
/// What is due is late after it.
const AFTER: Duration = Duration::from_secs(1);

/// Whether the decision hangs on TunePods: they are looked for once, and where the operator itself sees the end.
pub(super) fn needs_tunepods(incident: &Incident) -> bool {
    let status = incident.status.as_ref();
    let is_accepted = status.is_some_and(|s| is_true(&s.conditions, ConditionType::Accepted));
    let is_resolved = status.is_some_and(|s| s.phase == IncidentPhase::Resolved);
    !is_accepted || (incident.spec.ready_lost.is_some() && !is_resolved)
}

pub(super) fn decide(incident: &Incident, tunepods: &[TunePod], now: Timestamp) -> Plan<IncidentStatus> {
    let mut status = incident.status.clone().unwrap_or_default();
    status.observed_generation = incident.metadata.generation;
    see(incident, &mut status, now);
    let accepted = accepted(incident, &status, tunepods);
    let ended = resolved(incident, &mut status, tunepods, now);
    let resolved_ms = status.resolved_at.as_ref().map(|at| at.0.as_millisecond());
    let stand = words(&said(incident, &status, now), resolved_ms, now.as_millisecond());
    status.next_update_due_at = stand.due_ms.and_then(time);
    let all = [
        accepted,
        ended,
        Some(owed(stand, now)),
        Some(breached(incident, stand)),
    ];
    for statement in all.iter().flatten() {
        set(
            &mut status.conditions,
            statement,
            incident.metadata.generation,
            now,
        );
    }
    let is_watched = incident.spec.ready_lost.is_some() && status.phase == IncidentPhase::Declared;
    let pauses = [
        stand.due_ms.map(|at| until(at, now).saturating_add(AFTER)),
        is_watched.then_some(LOST),
    ];
    // What is late already is looked at like anything else.
    let pauses = pauses.into_iter().flatten().filter(|pause| *pause > AFTER);
    pauses.fold(Plan::rest(status), Plan::within)
}

/// Writes down when each word was first seen, never before the one before it.
fn see(incident: &Incident, status: &mut IncidentStatus, now: Timestamp) {
    let mut updates: Vec<i64> = incident.spec.updates.iter().map(|u| u.seq).collect();
    updates.sort_unstable();
    for seq in updates {
        if status.said.iter().any(|word| word.seq == seq) {
            continue;
        }
        let at = status.said.last().map_or(now, |last| last.at.0.max(now));
        status.said.push(WordSeen { seq, at: Time(at) });
    }
}

/// The declaration and every word since, with what each promised.
fn said(incident: &Incident, status: &IncidentStatus, now: Timestamp) -> Vec<Word> {
    let created = incident.metadata.creation_timestamp.as_ref();
    let first = Word {
        at_ms: created.map_or(now, |at| at.0).as_millisecond(),
        next_minutes: incident.spec.eta_update_minutes,
    };
    let rest = status.said.iter().map(|word| {
        let update = incident.spec.updates.iter().find(|u| u.seq == word.seq);
        Word {
            at_ms: word.at.0.as_millisecond(),
            next_minutes: update.and_then(|u| u.eta_update_minutes),
        }
    });
    std::iter::once(first).chain(rest).collect()
}

/// Whether anything of what it names is there; said once, because TunePods go. One name that is wrong cannot be taken
/// away, since the list only grows: it is told and holds up nothing.
fn accepted(incident: &Incident, status: &IncidentStatus, tunepods: &[TunePod]) -> Option<Statement> {
    if is_true(&status.conditions, ConditionType::Accepted) {
        return None;
    }
    let is_there = |name: &str| tunepods.iter().any(|t| t.name_any() == name);
    let named = incident.spec.tune_pods.iter().map(|named| named.name.as_str());
    let missing: Vec<&str> = named.filter(|name| !is_there(name)).collect();
    Some(if missing.is_empty() {
        Statement::yes(ConditionType::Accepted, Reason::AsSpecified, "declared")
    } else if missing.len() < incident.spec.tune_pods.len() {
        let text = format!(
            "declared; of `spec.tunePods` there was no {} in this namespace: add what was meant",
            missing.join(", ")
        );
        Statement::yes(ConditionType::Accepted, Reason::AsSpecified, text)
    } else {
        let text = format!(
            "`spec.tunePods` names {}, and there is no such TunePod in this namespace; add the right one",
            missing.join(", ")
        );
        Statement::no(ConditionType::Accepted, Reason::TunePodNotFound, text)
    })
}

/// Resolves it, once: by the seller's word, or where the operator declared it by what it sees.
fn resolved(
    incident: &Incident,
    status: &mut IncidentStatus,
    tunepods: &[TunePod],
    now: Timestamp,
) -> Option<Statement> {
    if status.phase == IncidentPhase::Resolved {
        return None;
    }
    let Some((at, text)) = end(incident, tunepods, now) else {
        let text = "it is not resolved yet";
        return Some(Statement::unknown(
            ConditionType::Succeeded,
            Reason::NotResolved,
            text,
        ));
    };
    status.phase = IncidentPhase::Resolved;
    status.resolved_at = Some(Time(at));
    Some(Statement::yes(
        ConditionType::Succeeded,
        Reason::AsSpecified,
        text,
    ))
}

/// When it ended, and by what; `None`: it did not.
fn end(incident: &Incident, tunepods: &[TunePod], now: Timestamp) -> Option<(Timestamp, String)> {
    if let Some(resolution) = &incident.spec.resolution {
        return Some((now, format!("resolved: {}", resolution.text)));
    }
    let lost = incident.spec.ready_lost.as_ref()?;
    let mut found = tunepods
        .iter()
        .filter(|t| t.uid().as_ref() == Some(&lost.tune_pod_uid));
    let Some(tunepod) = found.next() else {
        return Some((now, "the TunePod is gone".to_owned()));
    };
    let status = tunepod.status.as_ref()?;
    match status.phase {
        TunePodPhase::Ready => {
            let ready = find(&status.conditions, ConditionType::Ready).filter(|c| c.status == "True");
            let at = ready.map_or(now, |c| c.last_transition_time.0);
            Some((at, format!("TunePod {} is Ready again", tunepod.name_any())))
        }
        TunePodPhase::Draining | TunePodPhase::Wiping | TunePodPhase::Wiped => {
            Some((now, format!("TunePod {} is ended", tunepod.name_any())))
        }
        _ => None,
    }
}

fn time(ms: i64) -> Option<Time> {
    Timestamp::from_millisecond(ms).ok().map(Time)
}

fn told(ms: i64) -> String {
    time(ms).map(|time| time.0.to_string()).unwrap_or_default()
}

/// `UpdateDue`.
fn owed(stand: Words, now: Timestamp) -> Statement {
    let Some(due) = stand.due_ms else {
        let text = "no next word is owed";
        return Statement::no(ConditionType::UpdateDue, Reason::AsSpecified, text);
    };
    if now.as_millisecond() > due {
        let text = format!("the next word was owed until {}", told(due));
        return Statement::yes(ConditionType::UpdateDue, Reason::PromiseBroken, text);
    }
    let text = format!("the next word is owed until {}", told(due));
    Statement::yes(ConditionType::UpdateDue, Reason::WordOwed, text)
}

/// `Breached`.
fn breached(incident: &Incident, stand: Words) -> Statement {
    if let Some(at) = stand.broken_ms {
        let text = format!("a next word was promised until {}", told(at));
        return Statement::yes(ConditionType::Breached, Reason::PromiseBroken, text);
    }
    let promised = incident
        .spec
        .updates
        .iter()
        .any(|u| u.eta_update_minutes.is_some());
    if incident.spec.eta_update_minutes.is_none() && !promised {
        let text = "no next word is promised";
        return Statement::no(ConditionType::Breached, Reason::NothingPromised, text);
    }
    let text = "every promised word came in time so far";
    Statement::no(ConditionType::Breached, Reason::AsSpecified, text)
}
