//! What an error of the agent-pool API means, and what to do about it.
//!
//! The same code means different things (`OperationNotAllowed` is "quota exceeded" and also "another operation
//! is in progress"), the same meaning comes in several places (the answer to the PUT, the body of the operation,
//! `status.provisioningError`), wrapped in others (`details[]`, `Code="…"` inside a message), and in two shapes
//! (`{"error":{…}}` and flat). So everything is read into one tree, every node of it is looked up in one table,
//! and the most telling one decides.

mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// An error as ARM or the AKS resource provider writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// The code; in newer answers also the place for what used to be the message.
    pub code: String,
    /// A text for people.
    pub message: String,
    /// The AKS resource provider's finer code.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subcode: String,
    /// Causes, nested as deep as the service likes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ErrorBody>,
}

impl ErrorBody {
    /// Reads either shape; an unreadable body becomes an error without a code.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let inner = value
            .get("error")
            .filter(|inner| inner.is_object())
            .unwrap_or(&value);
        Self::from_value(inner, MAX_DEPTH)
    }

    /// Tolerant of nulls and of wrong types anywhere, unlike a derived parser: an error must not be lost over
    /// the shape of one of its details.
    fn from_value(value: &Value, depth: usize) -> Self {
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let details = value
            .get("details")
            .and_then(Value::as_array)
            .filter(|_| depth > 0);
        Self {
            code: text("code"),
            message: text("message"),
            subcode: text("subcode"),
            details: details
                .into_iter()
                .flatten()
                .map(|detail| Self::from_value(detail, depth - 1))
                .collect(),
        }
    }

    /// This error and all its causes, outermost first.
    fn walk(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.details.iter().flat_map(Self::walk));
        all
    }
}

const MAX_DEPTH: usize = 16;

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Another operation is running on the cluster or the pool.
    Busy,
    /// The generation that we named is not the current one, or the pool exists already.
    Stale,
    /// No quota left for this VM family.
    QuotaFamily,
    /// No quota left for the region's cores in total.
    QuotaRegion,
    /// No quota left for Spot cores.
    QuotaSpot,
    /// Some other quota.
    Quota,
    /// The size is not offered here now.
    SkuUnavailable,
    /// The subscription may not use the size.
    SkuForbidden,
    /// The zone has no room.
    Zone,
    /// The region has no room.
    Capacity,
    /// We ask too often.
    Throttle,
    /// The request itself is wrong.
    Fatal,
    /// The identity lacks a right, or it has not spread yet.
    Auth,
    /// A lock forbids the change.
    Locked,
    /// It does not exist.
    Gone,
    /// The service stumbled.
    Transient,
}

/// What is avoided for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BreakerScope {
    /// This VM size.
    Size,
    /// All sizes of its family.
    Family,
    /// Spot capacity.
    Spot,
    /// This availability zone.
    Zone,
    /// The whole region.
    Region,
}

/// A circuit breaker to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// What is avoided.
    pub scope: BreakerScope,
    /// For how long.
    pub open_for: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Wait before the next try; `None`: no try before something is changed.
    pub retry_after: Option<Duration>,
    /// Longest wait after many tries.
    pub retry_max: Duration,
    /// What to avoid meanwhile.
    pub breaker: Option<Breaker>,
    /// The next step in words, for a condition's message.
    pub remedy: &'static str,
}

impl Advice {
    /// Wait before try number `attempt` (0 is the first repetition), doubling up to the longest; the caller adds
    /// jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Option<Duration> {
        let factor = 2_u32.saturating_pow(attempt.min(16));
        self.retry_after
            .map(|first| first.saturating_mul(factor).min(self.retry_max.max(first)))
    }
}

/// The meaning of an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The kind of trouble.
    pub class: Class,
    /// The code that decided; a text like `HTTP 500` when there was none.
    pub code: String,
    /// The message beside that code, cut to a length that fits a condition.
    pub message: String,
    /// What to do.
    pub advice: Advice,
}

/// Where an error came from; the same text in two places may mean different waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// HTTP status of the answer; `None` for the body of an operation and for `provisioningError`.
    pub status: Option<u16>,
    /// `Retry-After`, capped.
    pub retry_after: Option<Duration>,
    /// Whether Spot capacity was asked for.
    pub spot: bool,
}

/// Says what an error means. Pure: the same error always gets the same verdict.
#[must_use]
pub fn classify(context: Context, error: &ErrorBody) -> Verdict {
    let named = error
        .walk()
        .into_iter()
        .filter_map(|node| table::lookup(node).map(|(class, code)| (class, code, node)))
        .reduce(|best, next| {
            if table::weight(next.0) > table::weight(best.0) {
                next
            } else {
                best
            }
        });
    let (class, code, message) = match named {
        Some((class, code, node)) => (class, code, node.message.as_str()),
        None => (
            table::by_status(context.status),
            error.code.clone(),
            error.message.as_str(),
        ),
    };
    let code = match context.status {
        Some(status) if code.is_empty() => format!("HTTP {status}"),
        _ if code.is_empty() => "no code".to_owned(),
        _ => code,
    };
    let message: String = message.chars().take(MESSAGE_CHARS).collect();
    Verdict {
        class,
        advice: table::advice(class, &message, context),
        code,
        message,
    }
}

const MESSAGE_CHARS: usize = 1000;
