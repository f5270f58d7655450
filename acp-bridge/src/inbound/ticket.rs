//! `support.ticket.create` as a `SupportTicket`.

use crate::identity::{id_of, metadata, misdirected, refused};
use kube::ResourceExt;
use trustbridge_acp::code::Code;
use trustbridge_acp::{Message, Received, Refusal};
use trustbridge_api::reference::NameRef;
use trustbridge_api::{SupportTicket, SupportTicketSpec, TunePod};
use trustbridge_domain::support::Severity;

/// The ticket of `org`. `tune_pods` are those of the organisation: a ticket is about one of them, or about none.
///
/// # Errors
/// A refusal where the message is another one, or names an instance that the organisation does not have.
pub fn ticket(org: &str, received: &Received, tune_pods: &[TunePod]) -> Result<SupportTicket, Refusal> {
    let Message::SupportTicketCreate(asked) = &received.message else {
        return Err(misdirected(&received.message, "support.ticket.create"));
    };
    let about = match &asked.instance_id {
        None => None,
        Some(id) => {
            let found = tune_pods.iter().find(|tune_pod| id_of(*tune_pod) == *id);
            let missing = || {
                let next = "take it from `fulfillment.update`, or leave it out";
                refused("instance_id", Code::NotFound, "names no instance of yours", next)
            };
            Some(NameRef::new(found.ok_or_else(missing)?.name_any()))
        }
    };
    let words = [Severity::S1, Severity::S2, Severity::S3, Severity::S4];
    let severity = words
        .into_iter()
        .find(|severity| severity.as_str() == asked.severity);
    let unknown = || {
        refused(
            "severity",
            Code::FieldInvalid,
            "must be one of [S1, S2, S3, S4]",
            "send one of these",
        )
    };
    let spec = SupportTicketSpec {
        severity: severity.ok_or_else(unknown)?,
        tune_pod_ref: about,
        subject: asked.subject.clone(),
        details: asked.details.clone(),
        updates: Vec::new(),
    };
    let mut ticket = SupportTicket::new("", spec);
    ticket.metadata = metadata(org, "SupportTicket", &asked.ticket_id);
    Ok(ticket)
}
