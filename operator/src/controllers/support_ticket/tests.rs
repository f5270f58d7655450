//! Tickets as tables: what is taken, how the phase walks, and what the clock says.

use super::decide::{Observed, decide};
use crate::controllers::execute::status_write;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use trustbridge_api::condition::ConditionType;
use trustbridge_api::seller_profile::{SupportTarget, SupportTerms};
use trustbridge_api::support_ticket::{SupportPromise, TicketUpdate};
use trustbridge_api::{NameRef, Order, OrderSpec, SellerProfileSpec, SupportTicket, SupportTicketSpec};
use trustbridge_api::{SupportTicketStatus, TunePod, TunePodSpec};
use trustbridge_domain::phase::TicketPhase;
use trustbridge_domain::support::{Severity, Side};
use trustbridge_kit::conditions::find;

fn minute(number: i64) -> Timestamp {
    let opened: Timestamp = "2026-01-15T10:00:00Z".parse().unwrap();
    opened + SignedDuration::from_mins(number)
}

/// A ticket of severity S2 about a TunePod whose order has premium support: a word in an hour, a solution in four.
fn asked() -> Observed {
    let spec = SupportTicketSpec {
        severity: Severity::S2,
        tune_pod_ref: Some(NameRef::new("order-1-0")),
        subject: "OOM during training".to_owned(),
        details: None,
        updates: Vec::new(),
    };
    let mut ticket = SupportTicket::new("t-1", spec);
    ticket.metadata.namespace = Some("tb-acme".to_owned());
    ticket.metadata.creation_timestamp = Some(Time(minute(0)));
    let spec = TunePodSpec {
        order_ref: NameRef::new("order-1"),
        ..TunePodSpec::default()
    };
    Observed {
        ticket,
        profile: Some(promising()),
        tunepod: Some(TunePod::new("order-1-0", spec)),
        order: Some(order()),
    }
}

fn line(sku: &str) -> serde_json::Value {
    json!({"sku": sku, "quantity": 1, "model": "monthly", "unitPriceMinor": 1, "minHours": 0})
}

fn order() -> Order {
    let mut order = Order::new("order-1", OrderSpec::default());
    order.status = serde_json::from_value(json!({"phase": "Active", "pricingSnapshot": {
        "digest": "d", "currency": "USD", "summary": "s",
        "lines": [line("StudioGen-1GPU"), line("Support-Premium")],
        "terms": terms(),
    }}))
    .unwrap();
    order
}

/// A seller with targets of two tiers, use cases and severities.
fn promising() -> SellerProfileSpec {
    let target = |sku: &str, use_case: &str, severity, minutes: (u32, u32)| SupportTarget {
        use_case: use_case.to_owned(),
        sku: sku.to_owned(),
        severity,
        response_minutes: Some(minutes.0),
        resolution_minutes: Some(minutes.1),
    };
    let (premium, standard, studio) = ("Support-Premium", "Support-Standard", "image_studio_sd");
    SellerProfileSpec {
        support: SupportTerms {
            close_resolved_after_days: Some(7),
            targets: vec![
                target(premium, "private_llm_finetuning", Severity::S2, (1, 1)),
                target(premium, studio, Severity::S1, (2, 2)),
                target(standard, studio, Severity::S2, (3, 3)),
                target(premium, studio, Severity::S2, (60, 240)),
            ],
        },
        ..SellerProfileSpec::default()
    }
}

fn terms() -> serde_json::Value {
    json!({
        "offerId": "studio-gen-1gpu", "sku": "StudioGen-1GPU", "useCase": "image_studio_sd", "model": "monthly",
        "instances": 1, "minTermDays": 0, "vmSize": "v", "acceptedAt": "2026-01-01T00:00:00Z",
        "resources": trustbridge_domain::quote::Resources::default(),
        "agreed": {
            "singleTenant": true, "wipeOnTermination": true, "outboundMode": "restricted",
            "outboundPolicy": "restricted_allowlist", "loggingPolicy": "none", "dpaRequired": false,
            "auditEvents": [], "telemetryBoundary": "hours",
        },
        "invoicing": trustbridge_api::seller_profile::Invoicing::default(),
        "signature": {"keyId": "k", "algorithm": "Ed25519", "value": "v"},
    })
}

fn say(seen: &mut Observed, from: Side, phase: TicketPhase) {
    let seq = i64::try_from(seen.ticket.spec.updates.len()).unwrap() + 1;
    let text = "words".to_owned();
    seen.ticket.spec.updates.push(TicketUpdate {
        seq,
        from,
        phase,
        text,
    });
}

/// One look at that minute; what it wrote is there for the next.
fn look(seen: &mut Observed, at: i64) -> SupportTicketStatus {
    let before = seen.ticket.status.clone().unwrap_or_default().phase;
    let status = decide(seen, minute(at)).status;
    assert!(before.may_become(status.phase), "{before} to {}", status.phase);
    seen.ticket.status = Some(status.clone());
    status
}

fn said(status: &SupportTicketStatus, of: ConditionType) -> String {
    let condition = find(&status.conditions, of).unwrap();
    format!("{}/{}", condition.status, condition.reason)
}

#[test]
fn a_ticket_is_taken_with_what_its_order_was_promised_and_that_is_frozen() {
    let mut seen = asked();
    let status = look(&mut seen, 0);
    let right = SupportPromise {
        order: Some("order-1".to_owned()),
        sku: Some("Support-Premium".to_owned()),
        response_minutes: Some(60),
        resolution_minutes: Some(240),
    };
    assert_eq!(status.promise, Some(right.clone()));
    assert_eq!(status.response_due_at, Some(Time(minute(60))));
    assert_eq!(status.resolution_due_at, Some(Time(minute(240))));
    assert_eq!(said(&status, ConditionType::ResponseDue), "True/WordOwed");
    assert_eq!(said(&status, ConditionType::Breached), "False/AsSpecified");
    // Cheaper promises of tomorrow are not this ticket's.
    seen.profile.as_mut().unwrap().support.targets.clear();
    assert_eq!(look(&mut seen, 1).promise, Some(right));
    let rest = decide(&seen, minute(2));
    let old = seen.ticket.status.as_ref();
    assert!(status_write(&seen.ticket, old, &rest.status).is_none(), "at rest");
}

#[test]
fn a_tier_that_a_change_brought_is_what_counts() {
    let mut seen = asked();
    let change = json!({
        "uid": "u", "name": "standard-will-do", "digest": "d", "acceptedAt": minute(-20), "appliedAt": minute(-10),
        "ends": ["Support-Premium"],
        "adds": [{"key": "Support-Standard", "sku": "Support-Standard", "quantity": 1, "model": "monthly",
                  "unitPriceMinor": 1, "minHours": 0}],
    });
    let status = seen.order.as_mut().unwrap().status.as_mut().unwrap();
    status.changes = vec![serde_json::from_value(change).unwrap()];
    let promise = look(&mut seen, 0).promise.unwrap();
    assert_eq!(
        (promise.sku.as_deref(), promise.response_minutes),
        (Some("Support-Standard"), Some(3))
    );
}

#[test]
fn nothing_is_promised_that_nobody_wrote_down() {
    let of_nothing = |change: fn(&mut Observed)| {
        let mut seen = asked();
        change(&mut seen);
        let status = look(&mut seen, 10_000);
        let accepted = said(&status, ConditionType::Accepted);
        assert_eq!(said(&status, ConditionType::Breached), "False/NothingPromised");
        assert_eq!(
            (&status.response_due_at, &status.resolution_due_at),
            (&None, &None)
        );
        (accepted, status.promise)
    };
    let (accepted, promise) = of_nothing(|seen| seen.ticket.spec.tune_pod_ref = None);
    assert_eq!(
        (accepted.as_str(), promise),
        ("True/AsSpecified", Some(SupportPromise::default()))
    );
    let (accepted, promise) = of_nothing(|seen| seen.ticket.spec.severity = Severity::S4);
    assert_eq!(accepted, "True/AsSpecified");
    assert_eq!(promise.unwrap().order.as_deref(), Some("order-1"));
    // Not known yet, so not frozen either.
    let (accepted, promise) = of_nothing(|seen| seen.tunepod = None);
    assert_eq!((accepted.as_str(), promise), ("False/TunePodNotFound", None));
    let (accepted, promise) = of_nothing(|seen| seen.profile = None);
    assert_eq!((accepted.as_str(), promise), ("False/SellerNotReady", None));
}

#[test]
fn the_phase_walks_after_the_updates_one_edge_in_one_write() {
    let mut seen = asked();
    look(&mut seen, 0);
    say(&mut seen, Side::Seller, TicketPhase::Acknowledged);
    say(&mut seen, Side::Seller, TicketPhase::WaitingForCustomer);
    say(&mut seen, Side::Buyer, TicketPhase::InProgress);
    for phase in [
        TicketPhase::Acknowledged,
        TicketPhase::WaitingForCustomer,
        TicketPhase::InProgress,
    ] {
        let plan = decide(&seen, minute(30));
        assert_eq!(plan.status.phase, phase);
        seen.ticket.status = Some(plan.status);
    }
    let status = look(&mut seen, 31);
    assert_eq!(status.moves.len(), 3, "each update is one move");
    assert_eq!(said(&status, ConditionType::ResponseDue), "False/AsSpecified");
    // An update that may not follow was written past the rules: nothing moves.
    say(&mut seen, Side::Seller, TicketPhase::Open);
    assert_eq!(look(&mut seen, 32).phase, TicketPhase::InProgress);
}

#[test]
fn a_clock_that_steps_back_turns_no_move_around() {
    let mut seen = asked();
    say(&mut seen, Side::Seller, TicketPhase::Acknowledged);
    look(&mut seen, 30);
    say(&mut seen, Side::Seller, TicketPhase::Resolved);
    let status = look(&mut seen, 20);
    assert_eq!(status.moves[1].at, status.moves[0].at);
}

#[test]
fn a_promise_that_was_missed_is_said_and_stays_said() {
    let mut seen = asked();
    look(&mut seen, 0);
    let late = look(&mut seen, 61);
    assert_eq!(said(&late, ConditionType::ResponseDue), "True/PromiseBroken");
    assert_eq!(said(&late, ConditionType::Breached), "True/PromiseBroken");
    say(&mut seen, Side::Seller, TicketPhase::Acknowledged);
    let answered = look(&mut seen, 62);
    assert_eq!(said(&answered, ConditionType::ResponseDue), "False/AsSpecified");
    assert_eq!(answered.response_due_at, None);
    say(&mut seen, Side::Seller, TicketPhase::Resolved);
    let solved = look(&mut seen, 70);
    assert_eq!(said(&solved, ConditionType::Breached), "True/PromiseBroken");
}

#[test]
fn what_stays_solved_is_closed_by_the_clock_and_what_somebody_wrote_comes_first() {
    let (day, week) = (24 * 60, 7 * 24 * 60);
    let mut seen = asked();
    say(&mut seen, Side::Seller, TicketPhase::Acknowledged);
    look(&mut seen, 1);
    say(&mut seen, Side::Seller, TicketPhase::Resolved);
    look(&mut seen, 2);
    assert_eq!(look(&mut seen, week + 1).phase, TicketPhase::Resolved);
    let mut taken_up = seen.clone();
    say(&mut taken_up, Side::Buyer, TicketPhase::InProgress);
    assert_eq!(look(&mut taken_up, week + day).phase, TicketPhase::InProgress);
    let mut by_hand = seen.clone();
    by_hand
        .profile
        .as_mut()
        .unwrap()
        .support
        .close_resolved_after_days = None;
    assert_eq!(look(&mut by_hand, 50 * week).phase, TicketPhase::Resolved);
    let closed = look(&mut seen, week + 2);
    assert_eq!(
        (closed.phase, closed.closed_at.clone()),
        (TicketPhase::Closed, Some(Time(minute(week + 2))))
    );
    assert_eq!(look(&mut seen, week + day), closed, "at rest");
}
