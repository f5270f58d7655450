//! What an answer means for an event. Total: what nobody foresaw is trouble that passes, with its cause.

use super::event::{Number, UsageEvent};
use ::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Longest text of the service that is passed on, in characters.
const DETAIL_CHARS: usize = 300;

/// Why there is no word about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// There is no token.
    NoToken,
    /// No connection, no answer before the deadline, or an answer that broke off.
    Unreachable,
    /// The token is not accepted (401, 403): a new one, or a right that has yet to spread, may help.
    Forbidden,
    /// Too many requests (429).
    Throttled,
    /// The service stumbled (5xx).
    Server,
    /// An answer, a status or a code that the API does not promise.
    Unknown,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded, with this quantity.
    Accepted(Option<Number>),
    /// An event for its resource, dimension and hour was recorded before, with this quantity.
    Duplicate(Option<Number>),
    /// Its hour is more than 24 hours back.
    Expired,
    /// The resource is suspended, or was never activated.
    NotActive,
    /// The service does not know the resource.
    NotFound,
    /// The identity may not report for the resource.
    NotAuthorized,
    /// The subscription is not in the state Subscribed.
    NotSubscribed,
    /// The plan does not define the dimension.
    InvalidDimension,
    /// The quantity is not above zero.
    InvalidQuantity,
    /// An argument is missing or malformed; an hour in the future counts as such.
    BadArgument,
    /// Not decided.
    Transient {
        /// Why.
        trouble: Trouble,
        /// Whether the service may have recorded it nevertheless.
        perhaps_recorded: bool,
    },
}

/// An outcome and the service's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What became of the event.
    pub outcome: Outcome,
    /// The service's code and message, cut short; empty when all is well.
    pub detail: String,
}

impl Answered {
    pub(super) fn trouble(trouble: Trouble, perhaps_recorded: bool, detail: &str) -> Self {
        let outcome = Outcome::Transient {
            trouble,
            perhaps_recorded,
        };
        Self::new(outcome, detail)
    }

    fn new(outcome: Outcome, detail: &str) -> Self {
        Self {
            outcome,
            detail: detail.chars().take(DETAIL_CHARS).collect(),
        }
    }
}

/// The answer to `usageEvent`.
#[must_use]
pub fn read_single(status: StatusCode, body: &[u8], event: &UsageEvent) -> Answered {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    match status {
        StatusCode::OK if text(&value, "status").is_some() => element(&value),
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::NOT_FOUND => {
            let error = failure(&value, status);
            match &error.outcome {
                // A conflict about somebody else's event says nothing about this one.
                Outcome::Duplicate(_) if !fits(accepted_message(&value).unwrap_or(&Value::Null), event) => {
                    Answered::trouble(Trouble::Unknown, true, &error.detail)
                }
                _ => error,
            }
        }
        _ => by_status(status, &value),
    }
}

/// The answer to `batchUsageEvent`: one for each event, whatever the answer is.
#[must_use]
pub fn read_batch(status: StatusCode, body: &[u8], events: &[UsageEvent]) -> Vec<Answered> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let results = value.get("result").and_then(Value::as_array);
    let Some(results) = results.filter(|_| status == StatusCode::OK) else {
        let all = match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => failure(&value, status),
            _ => by_status(status, &value),
        };
        return vec![all; events.len()];
    };
    let same_length = results.len() == events.len();
    let answer = |(place, event): (usize, &UsageEvent)| {
        let beside = results
            .get(place)
            .filter(|result| same_length && fits(result, event));
        let found = beside.or_else(|| results.iter().find(|result| names(result, event)));
        let missing = "the answer does not speak of this event";
        found.map_or_else(|| Answered::trouble(Trouble::Unknown, true, missing), element)
    };
    events.iter().enumerate().map(answer).collect()
}

/// The code of an error's body, for messages.
pub(super) fn code(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    detail(&value)
}

/// One result: a status, and for most of them an error.
fn element(value: &Value) -> Answered {
    let status = text(value, "status").unwrap_or_default();
    let error = value.get("error").unwrap_or(&Value::Null);
    let outcome = match status {
        "Accepted" => Outcome::Accepted(quantity(value)),
        "Duplicate" => Outcome::Duplicate(accepted_message(error).and_then(quantity)),
        "Expired" => Outcome::Expired,
        "ResourceNotFound" => Outcome::NotFound,
        "ResourceNotAuthorized" => Outcome::NotAuthorized,
        "ResourceNotActive" => Outcome::NotActive,
        "InvalidDimension" => Outcome::InvalidDimension,
        "InvalidQuantity" => Outcome::InvalidQuantity,
        "BadArgument" => return failure(error, StatusCode::BAD_REQUEST),
        "Error" if !error.is_null() => return failure(error, StatusCode::OK),
        _ => {
            return Answered::trouble(
                Trouble::Unknown,
                true,
                &format!("status {status:?} {}", detail(error)),
            );
        }
    };
    let told = if matches!(outcome, Outcome::Accepted(_)) {
        String::new()
    } else {
        format!("{status} {}", detail(error))
    };
    Answered::new(outcome, told.trim())
}

/// Phrases with which `BadArgument` says something finer, in lower case.
const PHRASES: &[(&str, Outcome)] = &[
    ("more than 24 hours", Outcome::Expired),
    ("24 hours in the past", Outcome::Expired),
    ("expired", Outcome::Expired),
    ("not in subscribed", Outcome::NotSubscribed),
    ("not subscribed", Outcome::NotSubscribed),
    ("subscribed status", Outcome::NotSubscribed),
    ("not active", Outcome::NotActive),
];

/// An error's body, by its code and, where that says little, by its words.
fn failure(error: &Value, status: StatusCode) -> Answered {
    let mut told = detail(error);
    if told.is_empty() {
        "no reason was given".clone_into(&mut told);
    }
    let words = told.to_lowercase();
    let outcome = match text(error, "code").unwrap_or_default() {
        "Conflict" => Outcome::Duplicate(accepted_message(error).and_then(quantity)),
        "Expired" => Outcome::Expired,
        "ResourceNotFound" => Outcome::NotFound,
        "ResourceNotAuthorized" => Outcome::NotAuthorized,
        "ResourceNotActive" => Outcome::NotActive,
        "InvalidDimension" => Outcome::InvalidDimension,
        "InvalidQuantity" => Outcome::InvalidQuantity,
        code if code == "BadArgument" || status == StatusCode::BAD_REQUEST => PHRASES
            .iter()
            .find(|(phrase, _)| words.contains(phrase))
            .map_or(Outcome::BadArgument, |(_, outcome)| outcome.clone()),
        _ => {
            return Answered::trouble(
                Trouble::Unknown,
                true,
                &format!("HTTP {} {told}", status.as_u16()),
            );
        }
    };
    Answered::new(outcome, &told)
}

fn by_status(status: StatusCode, value: &Value) -> Answered {
    let (trouble, perhaps) = match status.as_u16() {
        401 | 403 => (Trouble::Forbidden, false),
        429 => (Trouble::Throttled, false),
        500..=599 => (Trouble::Server, true),
        _ => (Trouble::Unknown, true),
    };
    let told = format!("HTTP {} {}", status.as_u16(), detail(value));
    Answered::trouble(trouble, perhaps, told.trim())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn quantity(value: &Value) -> Option<Number> {
    Number::new(&value.get("quantity")?.as_number()?.to_string())
}

fn accepted_message(error: &Value) -> Option<&Value> {
    error.get("additionalInfo")?.get("acceptedMessage")
}

/// Code and message of an error and of its details, in one line.
fn detail(error: &Value) -> String {
    let details = error.get("details").and_then(Value::as_array);
    let all = std::iter::once(error).chain(details.into_iter().flatten());
    let words = all.flat_map(|error| [text(error, "code"), text(error, "message")]);
    let told: Vec<&str> = words.flatten().collect();
    told.join(" ").replace(['\r', '\n'], " ")
}

/// Whether nothing in the result contradicts its being about this event.
fn fits(result: &Value, event: &UsageEvent) -> bool {
    let same = [
        dimension(result, event),
        resource(result, event),
        hour(result, event),
    ];
    same.into_iter().flatten().all(|same| same)
}

/// Whether the result says that it is about this event.
fn names(result: &Value, event: &UsageEvent) -> bool {
    dimension(result, event) == Some(true)
        && hour(result, event) == Some(true)
        && resource(result, event) != Some(false)
}

fn dimension(result: &Value, event: &UsageEvent) -> Option<bool> {
    Some(text(result, "dimension")? == event.dimension)
}

fn resource(result: &Value, event: &UsageEvent) -> Option<bool> {
    let ids = ["resourceId", "resourceUri"].map(|name| text(result, name));
    let mut told = ids.into_iter().flatten().filter(|id| !id.is_empty()).peekable();
    told.peek()?;
    Some(told.any(|id| id.eq_ignore_ascii_case(event.resource.as_str())))
}

/// Times come with and without `Z`; both mean UTC.
fn hour(result: &Value, event: &UsageEvent) -> Option<bool> {
    let text = text(result, "effectiveStartTime")?;
    let zoned = text.parse::<Timestamp>().ok();
    let time = zoned.or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(time.as_second().div_euclid(3600) == event.hour())
}
