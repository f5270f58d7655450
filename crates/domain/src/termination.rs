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
    /// All done; the order stays readable.
    Closed,
}

impl TerminationStep {
    /// All steps in their order.
    pub const ALL: &'static [Self] =
        &[Self::ExportHold, Self::Draining, Self::FinalMeter, Self::Wiping, Self::Closed];
}

/// What of a terminating order was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// The export is confirmed, or there is nothing to export.
    pub export_settled: bool,
    /// No pod of the order exists any more.
    pub drained: bool,
    /// Every interval is closed.
    pub metered: bool,
    /// Every TunePod is `Wiped`.
    pub wiped: bool,
}

/// The step that an order is in: the earliest that is not yet observed as done.
#[must_use]
pub fn current_step(seen: Teardown) -> TerminationStep {
    if !seen.export_settled {
        TerminationStep::ExportHold
    } else if !seen.drained {
        TerminationStep::Draining
    } else if !seen.metered {
        TerminationStep::FinalMeter
    } else if !seen.wiped {
        TerminationStep::Wiping
    } else {
        TerminationStep::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_what_was_seen() {
        let mut seen = Teardown::default();
        assert_eq!(current_step(seen), TerminationStep::ExportHold);
        seen.export_settled = true;
        assert_eq!(current_step(seen), TerminationStep::Draining);
        seen.drained = true;
        assert_eq!(current_step(seen), TerminationStep::FinalMeter);
        seen.metered = true;
        assert_eq!(current_step(seen), TerminationStep::Wiping);
        seen.wiped = true;
        assert_eq!(current_step(seen), TerminationStep::Closed);
    }
}
