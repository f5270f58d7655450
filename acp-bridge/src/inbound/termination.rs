//! `order.terminate` as the end of an Order, and until when.

use crate::identity::{misdirected, refused};
use trustbridge_acp::code::Code;
use trustbridge_acp::{Message, Received, Refusal};
use trustbridge_api::order::Termination;
use trustbridge_domain::calendar::{day_period, parse_date};

/// The end that a buyer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedEnd {
    /// First instant at which nothing runs any more, POSIX milliseconds: midnight after the last day, UTC.
    pub stops_before_ms: i64,
    /// What is written into the Order at the end. It begins when it is written.
    pub termination: Termination,
}

/// The end of an order. `wipe_required: false` changes nothing: what was on the machine always goes, as the offers promise.
///
/// # Errors
/// A refusal where the message is another one, or its day is none of the calendar.
pub fn end(received: &Received) -> Result<RequestedEnd, Refusal> {
    let Message::OrderTerminate(terminate) = &received.message else {
        return Err(misdirected(&received.message, "order.terminate"));
    };
    let day = parse_date("requested_end", &terminate.requested_end)
        .ok()
        .and_then(day_period);
    let no_day = || {
        refused(
            "requested_end",
            Code::FieldInvalid,
            "must be a day",
            "send one such as 2026-03-31",
        )
    };
    Ok(RequestedEnd {
        stops_before_ms: day.ok_or_else(no_day)?.to_ms,
        termination: Termination {
            reason: terminate.reason.clone(),
            data_export_confirmed: terminate.data_export_confirmed.unwrap_or(false),
        },
    })
}
