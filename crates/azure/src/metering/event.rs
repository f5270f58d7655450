//! What is sent, and what the service's books say.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// A number as JSON writes it. It is passed on, not computed with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// `text` if it is a JSON number.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let number = serde_json::from_str::<serde_json::Number>(text);
        (number.is_ok() && text.trim() == text).then(|| Self(text.to_owned()))
    }

    /// The number's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(serde_json::Number::deserialize(from)?.to_string()))
    }
}

/// Against what usage is reported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The id of a subscription (`SaaS`), or `resourceUsageId` of a managed application.
    Id(String),
    /// The resource id of a managed application or of a cluster extension, `/subscriptions/...`.
    Uri(String),
}

impl Resource {
    /// A path is a URI, anything else an id.
    #[must_use]
    pub fn new(text: &str) -> Self {
        if text.starts_with('/') {
            Self::Uri(text.to_owned())
        } else {
            Self::Id(text.to_owned())
        }
    }

    /// The id or the URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Uri(text) => text,
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Id(_) => "resourceId",
            Self::Uri(_) => "resourceUri",
        }
    }
}

/// One usage event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    /// Against what.
    pub resource: Resource,
    /// How much, above zero.
    pub quantity: Number,
    /// The dimension, as the plan defines it.
    pub dimension: String,
    /// A moment in the hour that is reported.
    pub effective_start: Timestamp,
    /// The plan that was purchased.
    pub plan: String,
}

impl UsageEvent {
    /// Its JSON, written by hand so that the quantity's digits stay.
    pub(super) fn body(&self) -> String {
        let text = |text: &str| Value::from(text).to_string();
        format!(
            "{{\"{}\":{},\"quantity\":{},\"dimension\":{},\"effectiveStartTime\":{},\"planId\":{}}}",
            self.resource.field(),
            text(self.resource.as_str()),
            self.quantity,
            text(&self.dimension),
            text(&self.effective_start.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            text(&self.plan),
        )
    }

    /// Hours since 1970 began.
    pub(super) fn hour(&self) -> i64 {
        self.effective_start.as_second().div_euclid(3600)
    }
}

pub(super) fn batch_body(events: &[UsageEvent]) -> String {
    let all: Vec<String> = events.iter().map(UsageEvent::body).collect();
    format!("{{\"request\":[{}]}}", all.join(","))
}

/// A line of the service's books: the sum of a day.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The day; its time of day is midnight UTC.
    pub usage_date: Timestamp,
    /// Against what.
    #[serde(alias = "resourceUri", alias = "resourceId")]
    pub usage_resource_id: String,
    /// The dimension.
    pub dimension: String,
    /// The plan.
    #[serde(default)]
    pub plan_id: String,
    /// `Submitted`, `Accepted`, `Rejected`, `Mismatch`, `TestHeaders` or `DryRun`.
    pub recon_status: String,
    /// What was reported.
    pub submitted_quantity: Number,
}

impl Submitted {
    /// Whether the service means to bill it.
    #[must_use]
    pub fn is_billed(&self) -> bool {
        ["Submitted", "Accepted", "Mismatch"]
            .iter()
            .any(|status| self.recon_status.eq_ignore_ascii_case(status))
    }
}
