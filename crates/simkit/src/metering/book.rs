//! The books: what was accepted, and the rules by which more is.

use super::decimal;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MOST_EVENTS: usize = 25;

/// How the service sees a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It may be reported against.
    #[default]
    Active,
    /// Suspended, or never activated.
    NotActive,
    /// Not in the state Subscribed.
    NotSubscribed,
    /// Another publisher's.
    NotAuthorized,
    /// Unknown.
    NotFound,
}

/// An accepted event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Against what.
    pub resource: String,
    /// The dimension.
    pub dimension: String,
    /// The plan.
    pub plan: String,
    /// Hours since 1970 began.
    pub hour: i64,
    /// A plain decimal.
    pub quantity: String,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Book {
    dimensions: BTreeSet<String>,
    standings: BTreeMap<String, Standing>,
    accepted: BTreeMap<(String, String, i64), Recorded>,
}

struct Event<'a> {
    resource: &'a str,
    dimension: &'a str,
    plan: &'a str,
    start: &'a str,
    start_ms: i64,
    quantity: i128,
}

impl Book {
    /// Nothing accepted. Without `dimensions` every dimension is defined.
    #[must_use]
    pub fn new(dimensions: BTreeSet<String>) -> Self {
        Self {
            dimensions,
            ..Self::default()
        }
    }

    /// Changes how a resource is seen.
    pub fn set_standing(&mut self, resource: &str, standing: Standing) {
        self.standings.insert(resource.to_lowercase(), standing);
    }

    /// What was accepted, in the order of resource, dimension and hour.
    pub fn accepted(&self) -> impl Iterator<Item = &Recorded> {
        self.accepted.values()
    }

    /// `usageEvent` at the moment `now_ms`: HTTP status and body.
    pub fn single(&mut self, request: &Value, now_ms: i64) -> (u16, Value) {
        let result = self.judge(request, now_ms);
        match result.get("status").and_then(Value::as_str) {
            Some("Accepted") => (200, result),
            Some("Duplicate") => (409, result.get("error").cloned().unwrap_or_default()),
            _ => (400, result.get("error").cloned().unwrap_or_default()),
        }
    }

    /// `batchUsageEvent` at the moment `now_ms`: HTTP status and body.
    pub fn batch(&mut self, request: &Value, now_ms: i64) -> (u16, Value) {
        let events = request.get("request").and_then(Value::as_array);
        let Some(events) = events.filter(|events| !events.is_empty()) else {
            return (400, bad("BadArgument", "The request is required."));
        };
        if events.len() > MOST_EVENTS {
            return (400, bad("BadArgument", "A batch holds at most 25 usage events."));
        }
        let results: Vec<Value> = events.iter().map(|event| self.judge(event, now_ms)).collect();
        (200, json!({"count": results.len(), "result": results}))
    }

    /// `usageEvents` from a day on: sums by day, resource, dimension and plan.
    #[must_use]
    pub fn sums(&self, from_ms: i64) -> Value {
        let mut sums: BTreeMap<(i64, &str, &str, &str), (i128, u64)> = BTreeMap::new();
        for event in self.accepted.values() {
            let day = (event.hour * HOUR_MS).div_euclid(DAY_MS);
            if day >= from_ms.div_euclid(DAY_MS) {
                let key = (day, &*event.resource, &*event.dimension, &*event.plan);
                let sum = sums.entry(key).or_default();
                sum.0 += decimal::read(&event.quantity).unwrap_or_default();
                sum.1 += 1;
            }
        }
        let line = |((day, resource, dimension, plan), (quantity, count)): (_, (i128, u64))| {
            let date = Timestamp::from_millisecond(day * DAY_MS).unwrap_or_default();
            json!({
                "usageDate": date.to_string(), "usageResourceId": resource, "dimension": dimension,
                "planId": plan, "reconStatus": "Submitted", "submittedQuantity": number(quantity),
                "processedQuantity": 0.0, "submittedCount": count,
            })
        };
        sums.into_iter().map(line).collect()
    }

    fn judge(&mut self, request: &Value, now_ms: i64) -> Value {
        let event = match read(request) {
            Ok(event) => event,
            Err(message) => return refuse(request, "BadArgument", &bad("BadArgument", message)),
        };
        let standing = self.standings.get(&event.resource.to_lowercase()).copied();
        let refusal = match standing.unwrap_or_default() {
            Standing::NotFound => Some(("ResourceNotFound", "The resource is not known.")),
            Standing::NotAuthorized => {
                Some(("ResourceNotAuthorized", "The resource is another publisher's."))
            }
            Standing::NotActive => Some(("ResourceNotActive", "The resource is not active.")),
            Standing::NotSubscribed => Some(("BadArgument", "The subscription is not in Subscribed status.")),
            Standing::Active if !self.dimensions.is_empty() && !self.dimensions.contains(event.dimension) => {
                Some(("InvalidDimension", "The plan does not define the dimension."))
            }
            Standing::Active if event.quantity <= 0 => {
                Some(("InvalidQuantity", "The quantity must be greater than 0."))
            }
            Standing::Active if event.start_ms > now_ms => {
                Some(("BadArgument", "effectiveStartTime must not be in the future."))
            }
            Standing::Active if event.start_ms <= now_ms - DAY_MS => {
                Some(("Expired", "effectiveStartTime is more than 24 hours in the past."))
            }
            Standing::Active => None,
        };
        if let Some((status, message)) = refusal {
            return refuse(request, status, &bad(status, message));
        }
        let key = (
            event.resource.to_lowercase(),
            event.dimension.to_owned(),
            event.start_ms.div_euclid(HOUR_MS),
        );
        if let Some(known) = self.accepted.get(&key) {
            let message = echo(
                "Duplicate",
                &event,
                decimal::read(&known.quantity).unwrap_or_default(),
            );
            let error = json!({"code": "Conflict", "message": "This usage event already exist.",
                "additionalInfo": {"acceptedMessage": message}});
            return refuse(request, "Duplicate", &error);
        }
        let recorded = Recorded {
            resource: event.resource.to_owned(),
            dimension: event.dimension.to_owned(),
            plan: event.plan.to_owned(),
            hour: key.2,
            quantity: decimal::write(event.quantity),
        };
        self.accepted.insert(key, recorded);
        echo("Accepted", &event, event.quantity)
    }
}

/// A result that repeats what was asked.
fn refuse(request: &Value, status: &str, error: &Value) -> Value {
    let mut result = request.clone();
    if let Some(fields) = result.as_object_mut() {
        fields.insert("status".to_owned(), status.into());
        fields.insert("messageTime".to_owned(), "0001-01-01T00:00:00".into());
        fields.insert("error".to_owned(), error.clone());
        return result;
    }
    json!({"status": status, "error": error})
}

fn read(request: &Value) -> Result<Event<'_>, &'static str> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let resource = text("resourceId").or_else(|| text("resourceUri"));
    let start = text("effectiveStartTime").ok_or("The effectiveStartTime is required.")?;
    let quantity = request.get("quantity").and_then(Value::as_number);
    let quantity = quantity.ok_or("The quantity is required.")?.to_string();
    Ok(Event {
        resource: resource.ok_or("The resourceId is required.")?,
        dimension: text("dimension").ok_or("The dimension is required.")?,
        plan: text("planId").ok_or("The planId is required.")?,
        start,
        start_ms: moment(start).ok_or("The effectiveStartTime is malformed.")?,
        quantity: decimal::read(&quantity).ok_or("The quantity is malformed.")?,
    })
}

/// With `Z` or without it is UTC.
fn moment(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn echo(status: &str, event: &Event<'_>, quantity: i128) -> Value {
    json!({
        "usageEventId": uuid::Uuid::new_v4(), "status": status, "resourceId": event.resource,
        "quantity": number(quantity), "dimension": event.dimension, "effectiveStartTime": event.start,
        "planId": event.plan,
    })
}

/// The service writes doubles.
fn number(parts: i128) -> Value {
    serde_json::from_str(&decimal::write(parts)).unwrap_or_default()
}

fn bad(code: &str, message: &str) -> Value {
    let detail = json!({"code": code, "message": message, "target": "usageEvent"});
    json!({"code": code, "message": "One or more errors have occurred.", "target": "usageEventRequest",
        "details": [detail]})
}
