//! What is asked, answered and declared: SupportTicket, Incident, and what a SellerProfile promises of them.

use super::{Rule, create, later, update};
use serde_json::{Value, json};

/// Every rule of these kinds.
pub(super) fn rules() -> Vec<Rule> {
    let all = [
        of_targets(),
        of_tickets(),
        of_moves(),
        of_ticket_status(),
        of_incidents(),
    ];
    all.into_iter().flatten().collect()
}

fn of_targets() -> Vec<Rule> {
    let target = |more: &str| {
        let mut target = json!({"useCase": "u", "sku": "Support-Premium", "severity": "S1"});
        if !more.is_empty() {
            target[more] = 60.into();
        }
        json!({"spec": {"support": {"targets": [target]}}})
    };
    vec![create(
        "SellerProfile",
        "`responseMinutes` or `resolutionMinutes` must be set: a target without a time promises nothing",
        target("resolutionMinutes"),
        target(""),
    )]
}

/// The ticket is known to the operator.
fn known(phase: &str) -> Value {
    json!({"status": {"phase": phase}})
}

fn updates(all: &[(i64, &str, &str, &str)]) -> Value {
    let one = |(seq, from, phase, text): &(i64, &str, &str, &str)| json!({"seq": seq, "from": from, "phase": phase, "text": text});
    json!({"spec": {"updates": all.iter().map(one).collect::<Vec<_>>()}})
}

const READ: (i64, &str, &str, &str) = (1, "seller", "Acknowledged", "read");

fn of_tickets() -> Vec<Rule> {
    vec![
        update(
            "SupportTicket",
            "what was asked must not change: say more in `spec.updates`, or make another ticket",
            json!({"spec": {"tunePodRef": {"name": "o-0"}, "details": "d"}}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            json!({"spec": {"severity": "S1"}}),
        ),
        create(
            "SupportTicket",
            "`spec.updates` must be empty in a new ticket: the operator takes it first, then it is answered",
            json!({"spec": {"details": "d"}}),
            updates(&[READ]),
        ),
        later(
            "SupportTicket",
            "`spec.updates` must keep every update as it was written: add to the list",
            vec![known("Open"), updates(&[READ])],
            updates(&[READ, (2, "seller", "Resolved", "done")]),
            updates(&[(1, "seller", "Acknowledged", "not read")]),
        ),
        later(
            "SupportTicket",
            "`spec.updates` must be numbered from 1 without a gap: `seq` of the next one is their number and one",
            vec![known("Open"), updates(&[READ])],
            updates(&[READ, (2, "seller", "Resolved", "done")]),
            updates(&[
                READ,
                (2, "seller", "Resolved", "done"),
                (4, "seller", "Closed", "over"),
            ]),
        ),
    ]
}

fn of_moves() -> Vec<Rule> {
    vec![
        later(
            "SupportTicket",
            "`phase` of each update must be one that may follow the phase before it; a new ticket is `Open`",
            vec![known("Open")],
            updates(&[READ]),
            updates(&[READ, (2, "seller", "Open", "unread")]),
        ),
        later(
            "SupportTicket",
            "`phase` of an update from the buyer must be the one before it, `Closed`, or `InProgress` of what waits for the buyer or is solved",
            vec![known("Open"), updates(&[READ, (2, "seller", "Resolved", "done")])],
            updates(&[
                READ,
                (2, "seller", "Resolved", "done"),
                (3, "buyer", "InProgress", "it came back"),
            ]),
            updates(&[
                READ,
                (2, "seller", "Resolved", "done"),
                (3, "buyer", "InProgress", "it came back"),
                (4, "buyer", "Resolved", "gone"),
            ]),
        ),
        later(
            "SupportTicket",
            "`spec.updates` must not grow once the ticket is `Closed`: make another ticket",
            vec![known("Open"), updates(&[READ]), known("Closed")],
            json!({"metadata": {"labels": {"note": "x"}}}),
            updates(&[READ, (2, "seller", "Acknowledged", "more")]),
        ),
    ]
}

fn of_ticket_status() -> Vec<Rule> {
    let promised = |minutes: i64| json!({"status": {"promise": {"sku": "s", "responseMinutes": minutes}}});
    let seen = |at: &str| json!({"status": {"moves": [{"seq": 1, "at": at, "phase": "Acknowledged"}]}});
    let looked = json!({"status": {"observedGeneration": 1}});
    vec![
        update(
            "SupportTicket",
            "`promise` is frozen when the ticket is taken and must not change",
            promised(60),
            looked.clone(),
            promised(61),
        ),
        update(
            "SupportTicket",
            "`moves` must keep every move as it was seen",
            seen("2026-01-15T10:00:00Z"),
            looked,
            seen("2026-01-15T10:00:01Z"),
        ),
    ]
}

fn of_incidents() -> Vec<Rule> {
    let words = |all: &[(i64, &str)]| {
        let one = |(seq, text): &(i64, &str)| json!({"seq": seq, "text": text});
        json!({"spec": {"updates": all.iter().map(one).collect::<Vec<_>>()}})
    };
    let pods = |names: &[&str]| {
        let one = |name: &&str| json!({"name": name});
        json!({"spec": {"tunePods": names.iter().map(one).collect::<Vec<_>>()}})
    };
    let ended = |text: &str| json!({"spec": {"resolution": {"text": text}}});
    let labelled = json!({"metadata": {"labels": {"note": "x"}}});
    let resolved = |at: &str| json!({"status": {"phase": "Resolved", "resolvedAt": at}});
    let seen = |at: &str| json!({"status": {"said": [{"seq": 1, "at": at}]}});
    let looked = json!({"status": {"observedGeneration": 1}});
    vec![
        update(
            "Incident",
            "what was declared must not change: say more in `spec.updates`, or declare another incident",
            json!({"spec": {"etaUpdateMinutes": 30}}),
            words(&[(1, "looking")]),
            json!({"spec": {"impact": "nothing"}}),
        ),
        update(
            "Incident",
            "`spec.tunePods` must keep every TunePod that was affected: add to the list",
            pods(&["a-0"]),
            pods(&["b-0", "a-0"]),
            pods(&["b-0"]),
        ),
        update(
            "Incident",
            "`spec.updates` must keep every word as it was said: add to the list",
            words(&[(1, "looking")]),
            words(&[(1, "looking"), (2, "found")]),
            words(&[(1, "found"), (2, "looking")]),
        ),
        create(
            "Incident",
            "`spec.updates` must be counted from 1 without a gap: `seq` of the next one is their number and one",
            words(&[(1, "looking"), (2, "found")]),
            words(&[(1, "looking"), (3, "found")]),
        ),
        update(
            "Incident",
            "`spec.resolution` of an incident is set once and must not change",
            ended("replaced"),
            labelled,
            ended("repaired"),
        ),
        update(
            "Incident",
            "`resolvedAt` is set once and must not change",
            resolved("2026-01-15T10:00:00Z"),
            looked.clone(),
            resolved("2026-01-15T11:00:00Z"),
        ),
        update(
            "Incident",
            "`said` must keep every word as it was seen",
            seen("2026-01-15T10:00:00Z"),
            looked,
            seen("2026-01-15T11:00:00Z"),
        ),
    ]
}
