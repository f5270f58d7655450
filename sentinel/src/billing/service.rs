//! The metering service, as the agent needs it.

use std::time::Duration;

use jiff::Timestamp;
use trustbridge_azure::http::Deadline;
use trustbridge_azure::metering::{
    Answered, Metering, Number, Outcome, Resource, Submission, Submitted, UsageEvent,
};
use trustbridge_domain::metering::{Answer, Blocked, Due, Quantity};

/// Longest time of one call.
const CALL: Duration = Duration::from_secs(30);
/// The last second of an hour, in milliseconds from its beginning: the moment that an event names.
const LAST_SECOND_MS: i64 = 3_599_000;

/// Reports events, and says what it has.
pub(crate) trait Service {
    /// One answer for each event; at most 25.
    fn submit(&self, events: &[UsageEvent]) -> impl Future<Output = Submission> + Send;
    /// Sums by day, from a day on.
    fn sums(&self, from: Timestamp) -> impl Future<Output = Result<Vec<Submitted>, String>> + Send;
}

impl Service for Metering {
    async fn submit(&self, events: &[UsageEvent]) -> Submission {
        let id = uuid::Uuid::new_v4().to_string();
        let done = Self::submit(self, events, &id, Deadline::after(CALL)).await;
        // Only what was never sent comes here as an error.
        done.unwrap_or_else(|error| Submission {
            answers: vec![never_sent(&error.to_string()); events.len()],
            retry_after: None,
            date: None,
        })
    }

    async fn sums(&self, from: Timestamp) -> Result<Vec<Submitted>, String> {
        let sums = self.usage_events(from, Deadline::after(CALL)).await;
        sums.map_err(|error| error.to_string())
    }
}

fn never_sent(detail: &str) -> Answered {
    Answered {
        outcome: Outcome::BadArgument,
        detail: detail.to_owned(),
    }
}

/// An event as it is sent. `None` for an hour that no calendar has.
pub(crate) fn event_of(due: &Due) -> Option<UsageEvent> {
    let last_second = due.key.hour.start_ms().checked_add(LAST_SECOND_MS)?;
    Some(UsageEvent {
        resource: Resource::new(&due.key.meter.resource),
        quantity: Number::new(&due.quantity.to_string())?,
        dimension: due.key.meter.dimension.clone(),
        effective_start: Timestamp::from_millisecond(last_second).ok()?,
        plan: due.key.meter.plan.clone(),
    })
}

/// What an outcome means for the books.
pub(crate) fn answer_of(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Accepted(told) => Answer::Accepted(told.as_ref().and_then(quantity_of)),
        Outcome::Duplicate(told) => Answer::Duplicate(told.as_ref().and_then(quantity_of)),
        Outcome::Expired => Answer::Expired,
        Outcome::NotActive => Answer::Refused(Blocked::NotActive),
        Outcome::NotFound => Answer::Refused(Blocked::NotFound),
        Outcome::NotAuthorized => Answer::Refused(Blocked::NotAuthorized),
        Outcome::NotSubscribed => Answer::Refused(Blocked::NotSubscribed),
        Outcome::InvalidDimension | Outcome::InvalidQuantity | Outcome::BadArgument => {
            Answer::Refused(Blocked::Config)
        }
        Outcome::Transient { perhaps_recorded, .. } => Answer::NotReached {
            perhaps_recorded: *perhaps_recorded,
        },
    }
}

/// A word for each outcome, for metrics.
pub(crate) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::Duplicate(_) => "duplicate",
        Outcome::Expired => "expired",
        Outcome::NotActive => "not_active",
        Outcome::NotFound => "not_found",
        Outcome::NotAuthorized => "not_authorized",
        Outcome::NotSubscribed => "not_subscribed",
        Outcome::InvalidDimension => "invalid_dimension",
        Outcome::InvalidQuantity => "invalid_quantity",
        Outcome::BadArgument => "bad_argument",
        Outcome::Transient { .. } => "transient",
    }
}

/// The service writes doubles: digits beyond our places are its rounding, and cannot be ours.
pub(crate) fn quantity_of(number: &Number) -> Option<Quantity> {
    number.as_str().parse().ok()
}
