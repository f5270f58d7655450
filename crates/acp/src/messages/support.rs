//! What is asked of people: `support.ticket.create`, and in `tb1` `support.ticket.update`.

use crate::body::bodies;
use crate::form::Form;
use crate::shape::{ID, INSTANT, PROSE, Shape, WORD};

/// How bad it is: `S1` is the worst.
pub(crate) const SEVERITY: Shape = Shape::Text(Form::One(&["S1", "S2", "S3", "S4"]));
/// As long as a subject may be in the resource that it becomes.
const SUBJECT: Shape = Shape::Text(Form::Key);

bodies! {
    /// A question to the seller's people.
    SupportTicketCreate {
        /// The buyer's id of it.
        ticket_id: String = ID,
        /// How bad it is: `S1` (nothing works) to `S4` (a question).
        severity: String = SEVERITY,
        /// The instance that it is about; absent: none in particular.
        instance_id: Option<String> = ID,
        /// What it is about, in a line.
        subject: String = SUBJECT,
        /// What happened and what is wanted. No secret, no prompt.
        details: Option<String> = PROSE,
    }

    /// `tb1`: what was said since.
    SupportTicketUpdate {
        /// The ticket.
        ticket_id: String = ID,
        /// How it stands. Example: `WaitingForCustomer`.
        status: Option<String> = WORD,
        /// What is said.
        text: Option<String> = PROSE,
        /// Until when the seller's first word is owed.
        response_due_at: Option<String> = INSTANT,
        /// Until when it is to be solved.
        resolution_due_at: Option<String> = INSTANT,
    }
}
