//! What came of the writes and the call, in the status. Pure.

use super::observe::Observed;
use super::{ending, status, usage};
use crate::controllers::execute::{Outcome, Plan};
use crate::nodepool::{PoolCall, PoolView};
use jiff::Timestamp;
use std::time::Duration;
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::Reason;
use trustbridge_api::tunepod::NodePoolState;
use trustbridge_domain::phase::TunePodPhase;

/// Pause before a pod that was refused is tried again.
const AFTER_REFUSAL: Duration = Duration::from_secs(20);

pub(super) fn conclude(
    seen: &Observed,
    plan: Plan<TunePodStatus>,
    outcome: Outcome,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    let generation = seen.tunepod.metadata.generation;
    let plan = match &outcome.unrecorded {
        Some(words) => usage::refused(seen, plan, words, now),
        None => plan,
    };
    if let Some(words) = outcome.refused {
        let mut status = plan.status;
        let text = format!(
            "the pod was refused: {words}; tried again every {} s",
            AFTER_REFUSAL.as_secs()
        );
        status::say(&mut status, generation, now, Reason::PodRefused, &text);
        return Plan::rest(status).within(AFTER_REFUSAL);
    }
    let Some(answer) = outcome.pool else { return plan };
    let is_delete = matches!(plan.call, Some(PoolCall::Delete(_)));
    // The remains of a failed attempt are being cleared away: the error and the time that it set stand.
    let is_clearing = is_delete
        && seen
            .pool_view
            .as_ref()
            .is_some_and(|v| matches!(v, Ok(PoolView::Broken(_))))
        && plan.status.phase != TunePodPhase::Wiping;
    match answer {
        _ if is_clearing => plan,
        Err(error) if is_delete && error.is_anothers() && plan.status.phase == TunePodPhase::Wiping => {
            ending::wiped(seen, plan.status, now)
        }
        Err(error) => status::pool_failed(seen, plan.status, &error, now),
        Ok(PoolView::Working {
            state,
            operation_url,
            retry_after,
        }) => {
            let mut status = plan.status;
            let pool_state = if is_delete {
                NodePoolState::Deleting
            } else {
                NodePoolState::Creating
            };
            status::pool(&mut status, pool_state, operation_url);
            let reason = if is_delete {
                Reason::Terminating
            } else {
                Reason::NodePoolCreating
            };
            let text = format!("node pool {} is {state} at {}", seen.pool.name, seen.provider);
            status::say(&mut status, generation, now, reason, &text);
            Plan::rest(status).within(retry_after)
        }
        // Nothing was there, or it went at once: the provider has said so, which is what was waited for.
        Ok(PoolView::Absent) if is_delete && plan.status.phase == TunePodPhase::Wiping => {
            ending::wiped(seen, plan.status, now)
        }
        // Done at once, or broken at once: the next look says what follows.
        Ok(PoolView::Absent | PoolView::Ready | PoolView::Broken(_)) => plan.within(Duration::from_secs(1)),
    }
}
