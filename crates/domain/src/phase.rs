//! State machines as data: the legal edges, everything else refused.
//!
//! The same table feeds three guards: the operator (which never plans an illegal edge), the CEL rule on
//! `status.phase` (so the API server refuses one, whoever writes it), and the diagrams in the docs.
//! Edges: the commerce state machines of the ACP documents, `docs/concepts/state-machines.md`.

use serde::{Deserialize, Serialize};

macro_rules! state_machine {
    ($(#[$doc:meta])* $name:ident starts $initial:ident { $($(#[$vdoc:meta])* $state:ident => [$($next:ident),*],)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vdoc])* $state,)+ }

        impl Default for $name {
            fn default() -> Self { Self::$initial }
        }

        impl $name {
            /// Every state, in the order of the life it describes.
            pub const ALL: &'static [Self] = &[$(Self::$state,)+];

            /// The states that may follow this one; empty for an end.
            #[must_use]
            pub const fn next(self) -> &'static [Self] {
                match self { $(Self::$state => &[$(Self::$next,)*],)+ }
            }

            /// The word in `status.phase`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$state => stringify!($state),)+ }
            }

            /// Whether `to` may be written over this state. Staying is always legal.
            #[must_use]
            pub fn may_become(self, to: Self) -> bool {
                self == to || self.next().contains(&to)
            }

            /// Whether nothing follows.
            #[must_use]
            pub const fn is_terminal(self) -> bool { self.next().is_empty() }

            /// The CEL transition rule over `self` and `oldSelf` that says the same to the API server.
            #[must_use]
            pub fn transition_rule() -> String { Self::succession_rule("oldSelf", "self") }

            /// The CEL rule that the state in `to` may be written over the one in `from`; both are CEL expressions.
            #[must_use]
            pub fn succession_rule(from: &str, to: &str) -> String {
                let edges = Self::ALL.iter().map(|s| (s.as_str(), s.next().iter().map(|n| n.as_str()).collect()));
                cel_rule(from, to, edges)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

fn cel_rule<'a>(old: &str, new: &str, edges: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> String {
    let edge = |(from, to): (&str, Vec<&str>)| {
        let list: Vec<String> = to.iter().map(|t| format!("'{t}'")).collect();
        format!("({old} == '{from}' && {new} in [{}])", list.join(", "))
    };
    let stay = format!("{new} == {old}");
    let legal: Vec<String> = std::iter::once(stay)
        .chain(edges.filter(|(_, to)| !to.is_empty()).map(edge))
        .collect();
    legal.join(" || ")
}

state_machine! {
    /// Life of a Quote.
    QuotePhase starts Requested {
        /// Asked for; not priced yet.
        Requested => [Issued, NeedsHuman, Rejected, Cancelled],
        /// A line has no list price or a limit is passed: a person of the seller decides.
        NeedsHuman => [Issued, Rejected, Cancelled],
        /// Priced, digested, open for acceptance until `validUntil`.
        Issued => [Accepted, Expired, Declined, Superseded, Withdrawn],
        /// One order took it.
        Accepted => [],
        /// `validUntil` passed.
        Expired => [],
        /// The buyer said no.
        Declined => [],
        /// A newer revision replaced it.
        Superseded => [],
        /// The seller took it back.
        Withdrawn => [],
        /// No offer fits, or the request contradicts itself.
        Rejected => [],
        /// The buyer took the request back.
        Cancelled => [],
    }
}

state_machine! {
    /// Life of an Order.
    OrderPhase starts Pending {
        /// Written; waiting for its quote.
        Pending => [Confirmed, Rejected],
        /// Priced and accepted: terms are frozen.
        Confirmed => [Provisioning, Cancelled],
        /// TunePods are on their way.
        Provisioning => [Active, Failed, Terminating],
        /// Every TunePod is ready.
        Active => [Suspended, Terminating],
        /// Stopped for non-payment or a licence denial.
        Suspended => [Active, Terminating],
        /// Provisioning gave up; it may be retried.
        Failed => [Provisioning, Terminating],
        /// The end was asked for; its steps are running.
        Terminating => [Terminated],
        /// Everything is wiped and closed.
        Terminated => [],
        /// Refused before confirmation.
        Rejected => [],
        /// Withdrawn before provisioning.
        Cancelled => [],
    }
}

state_machine! {
    /// Life of a TunePod.
    TunePodPhase starts Pending {
        /// Written; nothing asked for yet.
        Pending => [Scheduling, Draining],
        /// The node pool's name is fixed and written down; the request follows.
        Scheduling => [Provisioning, Failed, Draining],
        /// The node pool is being made.
        Provisioning => [Verifying, Failed, Draining],
        /// Nodes are there; the pod starts and the readiness checks run.
        Verifying => [Ready, Failed, Draining],
        /// Serves, and is metered.
        Ready => [Degraded, Updating, Suspended, Draining],
        /// Was ready and has lost a check; not metered.
        Degraded => [Ready, Suspended, Failed, Draining],
        /// A change order is being applied.
        Updating => [Verifying, Failed, Draining],
        /// Cut off for non-payment or a licence denial.
        Suspended => [Verifying, Draining],
        /// Gave up; may be scheduled again.
        Failed => [Scheduling, Draining],
        /// The pod is being ended; the meter has stopped.
        Draining => [Wiping],
        /// The node pool and what was on it are being destroyed.
        Wiping => [Wiped],
        /// Nothing is left but the record.
        Wiped => [],
    }
}

state_machine! {
    /// Life of a `ChangeOrder`.
    ChangeOrderPhase starts Requested {
        /// Asked for; not priced yet.
        Requested => [Quoted, NeedsHuman, Rejected],
        /// Something in it has no list price: a person of the seller decides.
        NeedsHuman => [Quoted, Rejected],
        /// Priced; open for acceptance for 72 hours.
        Quoted => [Accepted, Declined, Expired],
        /// The buyer said yes; at most one of an order is here or being applied.
        Accepted => [Applying, Rejected],
        /// Capacity changes; prices do not yet.
        Applying => [Applied, RolledBack],
        /// Done: prices change at `appliedAt`.
        Applied => [],
        /// It could not be done; nothing changed, nothing is billed for it.
        RolledBack => [],
        /// The buyer said no.
        Declined => [],
        /// Nobody answered in time.
        Expired => [],
        /// It cannot be had, or the order is ending.
        Rejected => [],
    }
}

state_machine! {
    /// Life of an Invoice. What an issued one says is immutable; it is mended by credit notes.
    InvoicePhase starts Draft {
        /// Written down, not sent.
        Draft => [Issued],
        /// Sent; due at its due date.
        Issued => [Paid, PartiallyPaid, Overdue, Credited],
        /// Something was paid, not all.
        PartiallyPaid => [Paid, Overdue],
        /// The due date passed without the whole amount.
        Overdue => [Paid, PartiallyPaid, Credited],
        /// Paid in full.
        Paid => [],
        /// Credit notes took all of it back.
        Credited => [],
    }
}

state_machine! {
    /// Life of a `SupportTicket`. Its moves are written by the seller's people; only the last edge may be walked by the
    /// clock.
    TicketPhase starts Open {
        /// Asked; nobody answered yet.
        Open => [Acknowledged, Closed],
        /// Somebody of the seller has read it: this is the response that was promised.
        Acknowledged => [InProgress, WaitingForCustomer, Resolved, Closed],
        /// Worked on.
        InProgress => [WaitingForCustomer, Resolved, Closed],
        /// The buyer was asked something: the clock of the resolution stands.
        WaitingForCustomer => [InProgress, Resolved, Closed],
        /// Solved, as far as the seller knows; the buyer may say otherwise.
        Resolved => [InProgress, Closed],
        /// Over; what comes up again is another ticket.
        Closed => [],
    }
}

state_machine! {
    /// Life of an `Incident`.
    IncidentPhase starts Declared {
        /// Something does not work as sold, and the buyer was told.
        Declared => [Resolved],
        /// It works again, or what was affected is gone.
        Resolved => [],
    }
}

state_machine! {
    /// The end of an order, step by step; each is written when it is reached, and none is skipped.
    TerminationPhase starts ExportHold {
        /// The buyer's export is waited for, until confirmed or until the retention days passed.
        ExportHold => [Draining],
        /// Pods are being ended; the meter has stopped.
        Draining => [FinalMeter],
        /// The last usage is being sealed.
        FinalMeter => [Wiping],
        /// Disks and nodes are being destroyed; a failed wipe stays here.
        Wiping => [EvidenceSigned],
        /// What was observed of the wipe is signed.
        EvidenceSigned => [FinalInvoice],
        /// The final invoices are issued.
        FinalInvoice => [Closed],
        /// All done; the order stays readable.
        Closed => [],
    }
}

#[cfg(test)]
mod tests;
