//! What came of the writes and the call, in the status. Pure.

use super::observe::Observed;
use super::{ending, status, usage};
use crate::controllers::execute::{Outcome, Plan};
use crate::nodepool::{PoolCall, PoolError, PoolView};
use jiff::Timestamp;
use std::time::Duration;
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::Reason;
use trustbridge_api::tunepod::{NodePoolState, PoolRequest};
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
    if let Some(words) = outcome
        .refused
        .as_ref()
        .filter(|_| plan.status.phase == TunePodPhase::Wiping)
    {
        return ending::unattested(seen, plan.status, words, now);
    }
    if let Some(words) = outcome.refused {
        let mut status = plan.status;
        let text = format!(
            "the pod was refused: {words}; tried again every {} s",
            AFTER_REFUSAL.as_secs()
        );
        status::say(&mut status, generation, now, Reason::PodRefused, &text);
        return Plan::rest(status).within(AFTER_REFUSAL);
    }
    match outcome.pool {
        Some(answer) => answered(seen, plan, answer, now),
        None => plan,
    }
}

/// What the provider said to what was asked of it.
fn answered(
    seen: &Observed,
    plan: Plan<TunePodStatus>,
    answer: Result<PoolView, PoolError>,
    now: Timestamp,
) -> Plan<TunePodStatus> {
    let generation = seen.tunepod.metadata.generation;
    let is_delete = matches!(plan.call, Some(PoolCall::Delete(_)));
    let mut plan = plan;
    if let Ok(PoolView::Working { operation_url, .. }) = &answer {
        let request = if is_delete {
            PoolRequest::Delete
        } else {
            PoolRequest::Create
        };
        status::operation_accepted(&mut plan.status, request, operation_url.as_deref(), now);
    }
    // The remains of a failed attempt are being cleared away: the error and the time that it set stand.
    let is_clearing = is_delete
        && seen
            .pool_view
            .as_ref()
            .is_some_and(|v| matches!(v, Ok(PoolView::Broken(_))))
        && plan.status.phase != TunePodPhase::Wiping;
    match answer {
        _ if is_clearing => plan,
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
        // Done at once, gone at once, or broken at once: the next look says what follows.
        Ok(PoolView::Absent | PoolView::Ready | PoolView::Broken(_)) => plan.within(Duration::from_secs(1)),
    }
}
