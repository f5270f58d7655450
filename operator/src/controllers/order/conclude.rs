//! What came of the writes, in the status. Pure.

use super::Observed;
use crate::controllers::execute::{Outcome, Plan};
use jiff::Timestamp;
use trustbridge_api::OrderStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_kit::conditions::{Statement, set};

/// A create that was refused is told in the API server's words; the phase stays, and the create is tried again.
pub(super) fn conclude(
    seen: &Observed,
    mut plan: Plan<OrderStatus>,
    outcome: Outcome,
    now: Timestamp,
) -> Plan<OrderStatus> {
    let Some(words) = outcome.refused else { return plan };
    let text = format!(
        "the API server refused what this order needs: {words}; correct what it names: it is tried again every {} s",
        plan.requeue.as_secs()
    );
    let of = |make: fn(ConditionType, Reason, String) -> Statement, type_| {
        make(type_, Reason::CreateRefused, text.clone())
    };
    let mut said = vec![of(Statement::no, ConditionType::Ready)];
    match plan.status.phase {
        OrderPhase::Pending => {
            said.push(of(Statement::no, ConditionType::Accepted));
            said.push(of(Statement::unknown, ConditionType::Succeeded));
        }
        OrderPhase::Failed => {}
        _ => said.push(of(Statement::unknown, ConditionType::Succeeded)),
    }
    // From what was written before: the same refusal at a later time is the same condition.
    for statement in &said {
        let type_ = statement.type_.as_str();
        plan.status.conditions.retain(|c| c.type_ != type_);
        let before = seen.order.status.iter().flat_map(|s| &s.conditions);
        plan.status
            .conditions
            .extend(before.filter(|c| c.type_ == type_).cloned());
        set(
            &mut plan.status.conditions,
            statement,
            seen.order.metadata.generation,
            now,
        );
    }
    // The same order as before, so that only a change is a write.
    if let Some(before) = &seen.order.status {
        let place = |type_: &str| before.conditions.iter().position(|c| c.type_ == type_);
        plan.status
            .conditions
            .sort_by_key(|c| place(&c.type_).unwrap_or(usize::MAX));
    }
    plan
}
