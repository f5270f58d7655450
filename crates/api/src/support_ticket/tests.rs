//! Rules of a ticket.

use super::*;
use crate::judged::refusals;
use kube::CustomResourceExt;
use serde_json::{Value, json};

fn ticket(phase: Option<&str>, updates: &[(i64, &str, &str)]) -> Value {
    let one = |(seq, from, phase): &(i64, &str, &str)| json!({"seq": seq, "from": from, "phase": phase, "text": "words"});
    let mut ticket = json!({"spec": {"severity": "S2", "subject": "OOM"}});
    if !updates.is_empty() {
        ticket["spec"]["updates"] = updates.iter().map(one).collect();
    }
    if let Some(phase) = phase {
        ticket["status"] = json!({"phase": phase});
    }
    ticket
}

/// Whether a ticket that is known may have these updates.
fn allowed(updates: &[(i64, &str, &str)]) -> bool {
    let (old, new) = (ticket(Some("Open"), &[]), ticket(Some("Open"), updates));
    refusals(&SupportTicket::crd(), Some(&old), &new).is_empty()
}

#[test]
fn a_new_ticket_says_nothing_of_the_seller() {
    let crd = SupportTicket::crd();
    assert_eq!(refusals(&crd, None, &ticket(None, &[])), Vec::<String>::new());
    let said = refusals(&crd, None, &ticket(None, &[(1, "seller", "Acknowledged")]));
    assert!(
        said.len() == 1 && said[0].contains("must be empty in a new ticket"),
        "{said:?}"
    );
}

/// Every pair of phases, as updates of the seller: refused where the state machine has no such edge.
#[test]
fn updates_walk_the_edges_and_no_other() {
    for from in TicketPhase::ALL {
        for to in TicketPhase::ALL {
            let mut way: Vec<(i64, &str, &str)> = match from {
                TicketPhase::Open => vec![],
                TicketPhase::Acknowledged | TicketPhase::Closed => vec![(1, "seller", from.as_str())],
                _ => vec![(1, "seller", "Acknowledged"), (2, "seller", from.as_str())],
            };
            way.push((i64::try_from(way.len()).unwrap() + 1, "seller", to.as_str()));
            assert_eq!(allowed(&way), from.may_become(*to), "{from} to {to}");
        }
    }
}

#[test]
fn the_buyer_answers_takes_up_again_and_ends_and_nothing_else() {
    let after = |way: &[(i64, &'static str, &'static str)], phase: &'static str| {
        let mut way = way.to_vec();
        way.push((i64::try_from(way.len()).unwrap() + 1, "buyer", phase));
        allowed(&way)
    };
    let acknowledged = [(1, "seller", "Acknowledged")];
    let waiting = [(1, "seller", "Acknowledged"), (2, "seller", "WaitingForCustomer")];
    let solved = [(1, "seller", "Acknowledged"), (2, "seller", "Resolved")];
    assert!(after(&[], "Open") && after(&[], "Closed") && !after(&[], "Acknowledged"));
    assert!(after(&acknowledged, "Acknowledged") && after(&acknowledged, "Closed"));
    assert!(!after(&acknowledged, "InProgress") && !after(&acknowledged, "Resolved"));
    assert!(after(&waiting, "InProgress") && after(&waiting, "WaitingForCustomer"));
    assert!(after(&solved, "InProgress") && after(&solved, "Closed"));
    assert!(!after(&waiting, "Resolved"));
}

#[test]
fn updates_are_numbered_and_stay() {
    assert!(!allowed(&[(2, "seller", "Acknowledged")]));
    assert!(!allowed(&[
        (1, "seller", "Acknowledged"),
        (3, "seller", "Resolved")
    ]));
    // In a list by key the order of writing says nothing.
    assert!(allowed(&[
        (2, "seller", "Resolved"),
        (1, "seller", "Acknowledged")
    ]));
    let crd = SupportTicket::crd();
    let old = ticket(Some("Acknowledged"), &[(1, "seller", "Acknowledged")]);
    let mut changed = old.clone();
    changed["spec"]["updates"][0]["text"] = "other words".into();
    for new in [changed, ticket(Some("Acknowledged"), &[])] {
        let said = refusals(&crd, Some(&old), &new);
        assert!(
            said.iter().any(|m| m.contains("must keep every update")),
            "{said:?}"
        );
    }
    let mut other = old.clone();
    other["spec"]["subject"] = "another".into();
    let said = refusals(&crd, Some(&old), &other);
    assert!(
        said.len() == 1 && said[0].contains("what was asked must not change"),
        "{said:?}"
    );
}

#[test]
fn a_closed_ticket_takes_no_more_words() {
    let crd = SupportTicket::crd();
    let way = [(1, "seller", "Acknowledged"), (2, "seller", "Resolved")];
    let more = [way[0], way[1], (3, "buyer", "InProgress")];
    // The clock closed it: the last update says `Resolved`.
    let closed = ticket(Some("Closed"), &way);
    let said = refusals(&crd, Some(&closed), &ticket(Some("Closed"), &more));
    assert!(said.len() == 1 && said[0].contains("must not grow"), "{said:?}");
    let solved = ticket(Some("Resolved"), &way);
    let taken_up = refusals(&crd, Some(&solved), &ticket(Some("Resolved"), &more));
    assert_eq!(taken_up, Vec::<String>::new());
    assert_eq!(refusals(&crd, Some(&closed), &closed), Vec::<String>::new());
}

#[test]
fn what_was_promised_and_seen_stays() {
    let crd = SupportTicket::crd();
    let known = |promise: Option<i64>, at: &str| {
        let mut ticket = ticket(Some("Acknowledged"), &[(1, "seller", "Acknowledged")]);
        ticket["status"]["moves"] = json!([{"seq": 1, "at": at, "phase": "Acknowledged"}]);
        if let Some(minutes) = promise {
            ticket["status"]["promise"] = json!({"responseMinutes": minutes});
        }
        ticket
    };
    let old = known(Some(60), "2026-01-15T10:00:00Z");
    let said = refusals(&crd, Some(&old), &known(None, "2026-01-15T10:00:00Z"));
    assert!(
        said.len() == 1 && said[0].contains("`promise` is frozen"),
        "{said:?}"
    );
    let said = refusals(&crd, Some(&old), &known(Some(60), "2026-01-15T09:00:00Z"));
    assert!(
        said.len() == 1 && said[0].contains("`moves` must keep"),
        "{said:?}"
    );
}
