//! The end of an order: durable steps, each written when it was observed.

use super::{Observed, build, ledger};
use crate::controllers::execute::Write;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use trustbridge_api::order::TerminationProgress;
use trustbridge_api::{Mode, OrderStatus, TunePod};
use trustbridge_domain::phase::TunePodPhase;
use trustbridge_domain::termination::{TerminationStep, current_step};
use trustbridge_kit::apply::FieldManager;
use trustbridge_kit::clock::plus;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Asks every TunePod that was not asked yet to end; none while the buyer's export is waited for.
pub(super) fn requests(seen: &Observed, status: &OrderStatus) -> Vec<Write> {
    let steps = &status.termination_steps;
    if steps
        .iter()
        .all(|progress| progress.step == TerminationStep::ExportHold)
    {
        return Vec::new();
    }
    let live = seen.tunepods.iter().filter(|t| t.spec.termination.is_none());
    live.map(|t| Write::Apply(FieldManager::ORDER_TERMINATION, build::termination(t)))
        .collect()
}

/// Whether `step` is observed as done. A TunePod that does not exist has nothing left to end.
fn is_done(seen: &Observed, status: &OrderStatus, step: TerminationStep, now: Timestamp) -> bool {
    let all = |test: fn(&TunePod) -> bool| seen.tunepods.iter().all(test);
    match step {
        TerminationStep::ExportHold => !is_held(seen, status, now),
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

/// Whether the buyer's data is still to be exported: until the export is confirmed, or the days are over for which data
/// is kept by the quote. A workspace that was never of use holds nothing.
fn is_held(seen: &Observed, status: &OrderStatus, now: Timestamp) -> bool {
    let termination = seen.order.spec.termination.as_ref();
    let is_confirmed = termination.is_some_and(|asked| asked.data_export_confirmed);
    let was_of_use = |t: &TunePod| ledger::folded(t).is_some() || !ledger::intervals(t).is_empty();
    if seen.order.spec.mode == Mode::ProtectedModel || is_confirmed || !seen.tunepods.iter().any(was_of_use) {
        return false;
    }
    let terms = status
        .pricing_snapshot
        .as_ref()
        .and_then(|snapshot| snapshot.terms.as_ref());
    let days = terms.and_then(|terms| terms.agreed.retention_days).unwrap_or(0);
    let asked = status
        .termination_steps
        .first()
        .map_or(now, |step| step.started_at.0);
    now < plus(asked, i64::from(days).saturating_mul(DAY))
}

fn phase(tunepod: &TunePod) -> TunePodPhase {
    tunepod.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

/// Writes the steps up to the present one; whether it is the last.
pub(super) fn advance(seen: &Observed, status: &mut OrderStatus, now: Timestamp) -> bool {
    let current = current_step(|step| is_done(seen, status, step, now));
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
