//! The end of an order: durable steps, each written when it was observed.

use super::{Observed, build};
use crate::controllers::execute::Write;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::order::TerminationProgress;
use trustbridge_api::{Mode, OrderStatus, TunePod};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::termination::{TerminationStep, current_step};
use trustbridge_kit::apply::FieldManager;

/// Asks every TunePod that was not asked yet to end.
pub(super) fn requests(seen: &Observed) -> Vec<Write> {
    let live = seen.tunepods.iter().filter(|t| t.spec.termination.is_none());
    live.map(|t| Write::Apply(FieldManager::ORDER_TERMINATION, build::termination(t)))
        .collect()
}

/// Whether `step` is observed as done. A TunePod that does not exist has nothing left to end.
fn is_done(seen: &Observed, step: TerminationStep) -> bool {
    let all = |test: fn(&TunePod) -> bool| seen.tunepods.iter().all(test);
    match step {
        TerminationStep::ExportHold => {
            seen.order.spec.mode == Mode::ProtectedModel
                || seen
                    .order
                    .spec
                    .termination
                    .as_ref()
                    .is_some_and(|t| t.data_export_confirmed)
        }
        // A TunePod leaves Draining when its pod is gone, or when its time to go is over.
        TerminationStep::Draining => all(|t| matches!(phase(t), TunePodPhase::Wiping | TunePodPhase::Wiped)),
        TerminationStep::FinalMeter => {
            all(|t| t.status.iter().flat_map(|s| &s.intervals).all(|i| i.to.is_some()))
        }
        TerminationStep::Wiping => all(|t| phase(t) == TunePodPhase::Wiped),
        TerminationStep::FinalInvoice => !seen.owes_invoices,
        TerminationStep::Closed => true,
    }
}

fn phase(tunepod: &TunePod) -> TunePodPhase {
    tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

/// Writes the steps up to the present one; whether it is the last.
pub(super) fn advance(seen: &Observed, status: &mut OrderStatus, now: Timestamp) -> bool {
    let current = current_step(|step| is_done(seen, step));
    for step in TerminationStep::ALL
        .iter()
        .filter(|step| **step <= current && applies(**step, seen))
    {
        let known = status.termination_steps.iter().position(|p| p.step == *step);
        let index = known.unwrap_or_else(|| {
            status.termination_steps.push(TerminationProgress {
                step: *step,
                started_at: Time(now),
                finished_at: None,
            });
            status.termination_steps.len() - 1
        });
        let done = *step < current || current == TerminationStep::Closed;
        if let Some(progress) = status
            .termination_steps
            .get_mut(index)
            .filter(|p| done && p.finished_at.is_none())
        {
            progress.finished_at = Some(Time(now));
        }
    }
    current == TerminationStep::Closed
}

/// A protected model exports nothing, so that step does not exist.
fn applies(step: TerminationStep, seen: &Observed) -> bool {
    step != TerminationStep::ExportHold || seen.order.spec.mode == Mode::ByoWorkspace
}
