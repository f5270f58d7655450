//! The end of an order as durable, resumable steps. A step is written when it was *observed*, in order.

use serde::{Deserialize, Serialize};

/// A step between "terminate" and "closed".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TerminationStep {
    /// The buyer's export is waited for (`byoWorkspace` only; a protected model exports nothing).
    ExportHold,
    /// Pods are being ended; the meter has stopped.
    Draining,
    /// The last usage is written down.
    FinalMeter,
    /// Node pools and what was on them are being destroyed.
    Wiping,
    /// The invoices up to the end are being written down.
    FinalInvoice,
    /// All done; the order stays readable.
    Closed,
}

impl TerminationStep {
    /// All steps in their order.
    pub const ALL: &'static [Self] = &[
        Self::ExportHold,
        Self::Draining,
        Self::FinalMeter,
        Self::Wiping,
        Self::FinalInvoice,
        Self::Closed,
    ];
}

/// The step that an order is in: the earliest that `observed` does not call done.
#[must_use]
pub fn current_step(observed: impl Fn(TerminationStep) -> bool) -> TerminationStep {
    TerminationStep::ALL
        .iter()
        .copied()
        .find(|step| !observed(*step))
        .unwrap_or(TerminationStep::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_unfinished_step_is_the_one_shown() {
        assert_eq!(current_step(|_| false), TerminationStep::ExportHold);
        assert_eq!(
            current_step(|step| step < TerminationStep::Wiping),
            TerminationStep::Wiping
        );
        // A pod that came back keeps the order draining, whatever else is done.
        assert_eq!(
            current_step(|step| step != TerminationStep::Draining),
            TerminationStep::Draining
        );
        assert_eq!(current_step(|_| true), TerminationStep::Closed);
    }
}
