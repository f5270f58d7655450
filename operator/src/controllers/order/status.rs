//! Conditions of an order.

use super::Observed;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_api::{Access, OrderStatus, TunePod};
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_kit::conditions::{Statement, find};

/// `Ready` and `Succeeded`, from the phase that was decided.
pub(super) fn statements(
    seen: &Observed,
    status: &OrderStatus,
    accepted: Option<&Statement>,
) -> Vec<Statement> {
    let (ready, reason, text) = match status.phase {
        OrderPhase::Pending | OrderPhase::Rejected => match accepted {
            Some(said) => (false, said.reason, said.message.clone()),
            None => return Vec::new(),
        },
        OrderPhase::Active if not_ready(seen).is_none() => {
            (true, Reason::AsSpecified, "every TunePod is ready".to_owned())
        }
        OrderPhase::Confirmed | OrderPhase::Provisioning | OrderPhase::Active | OrderPhase::Failed => {
            let (reason, text) =
                not_ready(seen).unwrap_or((Reason::InProgress, "TunePods are being made".to_owned()));
            (false, reason, text)
        }
        OrderPhase::Suspended => (false, Reason::InProgress, "suspended".to_owned()),
        OrderPhase::Terminating => (false, Reason::Terminating, step_text(status)),
        OrderPhase::Terminated => (
            false,
            Reason::Terminated,
            "everything is wiped and closed".to_owned(),
        ),
        OrderPhase::Cancelled => (
            false,
            Reason::Terminated,
            "ended before anything was made".to_owned(),
        ),
    };
    let of = if ready { Statement::yes } else { Statement::no };
    vec![
        of(ConditionType::Ready, reason, text.clone()),
        succeeded(status.phase, reason, text),
    ]
}

/// The word for the whole life: True at the good end, False at a bad one, Unknown in between.
fn succeeded(phase: OrderPhase, reason: Reason, text: String) -> Statement {
    match phase {
        OrderPhase::Terminated => Statement::yes(ConditionType::Succeeded, reason, text),
        OrderPhase::Rejected | OrderPhase::Cancelled | OrderPhase::Failed => {
            Statement::no(ConditionType::Succeeded, reason, text)
        }
        _ => Statement::unknown(ConditionType::Succeeded, reason, text),
    }
}

/// Why not every TunePod is ready: the first one's own words.
fn not_ready(seen: &Observed) -> Option<(Reason, String)> {
    let wanted = usize::try_from(seen.order.spec.instances).unwrap_or(usize::MAX);
    let is_missing = seen.tunepods.len() < wanted;
    let snapshot = seen
        .order
        .status
        .as_ref()
        .and_then(|s| s.pricing_snapshot.as_ref());
    if is_missing && snapshot.is_some_and(|s| s.terms.is_none()) {
        let text = format!(
            "{} of {wanted} TunePods exist, and this order was confirmed by a version that did not freeze what the rest are made of; end it by `spec.termination` and order again",
            seen.tunepods.len()
        );
        return Some((Reason::QuoteExpired, text));
    }
    let late = seen.tunepods.iter().find(|t| phase(t) != TunePodPhase::Ready);
    match late {
        Some(tunepod) => Some(said(tunepod)),
        None if is_missing => Some((Reason::InProgress, "TunePods are being made".to_owned())),
        None => None,
    }
}

fn said(tunepod: &TunePod) -> (Reason, String) {
    let name = tunepod.metadata.name.as_deref().unwrap_or_default();
    let conditions = tunepod
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    match find(conditions, ConditionType::Ready) {
        Some(condition) => {
            let reason = Reason::ALL
                .iter()
                .find(|r| r.as_str() == condition.reason)
                .copied();
            (
                reason.unwrap_or(Reason::InProgress),
                format!("TunePod {name} is {}: {}", phase(tunepod), condition.message),
            )
        }
        None => (
            Reason::InProgress,
            format!("TunePod {name} is {}", phase(tunepod)),
        ),
    }
}

fn step_text(status: &OrderStatus) -> String {
    let step = status.termination_steps.iter().find(|s| s.finished_at.is_none());
    step.map_or_else(
        || "the end was asked for".to_owned(),
        |s| format!("step {:?} is running", s.step),
    )
}

/// How to call the model: the first TunePod that has a door.
pub(super) fn access(seen: &Observed) -> Option<Access> {
    let mut doors = seen
        .tunepods
        .iter()
        .filter_map(|t| t.status.as_ref()?.access.clone());
    doors.next()
}

fn phase(tunepod: &TunePod) -> TunePodPhase {
    tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default()
}
