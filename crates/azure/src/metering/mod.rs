//! The metered billing API of the commercial marketplace, API version 2018-08-31.
//!
//! One event for each resource, dimension and clock hour, of the past 24 hours, at most 25 in one request. Every
//! answer, and every failure to get one, becomes an [`Outcome`] for each event: [`read_single`] and [`read_batch`]
//! are total. What to do about it is the caller's decision.
//!
//! Quantities cross this module as the text of a JSON number and are never computed with. The service keeps them as
//! doubles: 15 significant digits come back as they were sent.

mod classify;
mod event;
#[cfg(test)]
mod tests;

pub use classify::{Answered, Outcome, Trouble, read_batch, read_single};
pub use event::{Number, Resource, Submitted, UsageEvent};

use crate::arm::operation::retry_after;
use crate::http::{self, Client, Deadline};
use crate::token::{self, Credential};
use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;
use url::Url;

/// The service's address.
pub const PUBLIC_ENDPOINT: &str = "https://marketplaceapi.microsoft.com";
/// The version that this module speaks.
pub const API_VERSION: &str = "2018-08-31";
/// The application id of the service: tokens are asked for it.
pub const RESOURCE: &str = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7";
/// Most events in one request.
pub const BATCH: usize = 25;

/// What a request for some events came to.
#[derive(Debug)]
pub struct Submission {
    /// One for each event, in their order.
    pub answers: Vec<Answered>,
    /// How long the service asks to be left alone, capped.
    pub retry_after: Option<Duration>,
    /// The time of day by the service's clock, to a second.
    pub date: Option<Timestamp>,
}

/// Why a call has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is no URL to which a path can be added.
    #[error("metering endpoint {0}: give an absolute URL, such as https://marketplaceapi.microsoft.com")]
    Endpoint(String),
    /// More events than one request may hold.
    #[error("{0} usage events in one request: at most 25; send them in several")]
    TooMany(usize),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// The call did not come through.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The service refused, or its answer is not what the API promises.
    #[error("GET {url}: HTTP {status}: {reason}")]
    Refused {
        /// URL without its query.
        url: String,
        /// HTTP status.
        status: u16,
        /// The service's code, or what is wrong with its answer.
        reason: String,
    },
}

/// A client for one publisher's identity.
#[derive(Debug)]
pub struct Metering {
    http: Client,
    endpoint: Url,
    credential: Credential,
}

impl Metering {
    /// Sends nothing yet. `endpoint` is [`PUBLIC_ENDPOINT`] unless somebody plays its role.
    pub fn new(http: Client, endpoint: &str, credential: Credential) -> Result<Self, Error> {
        let bad = || Error::Endpoint(http::redact(endpoint));
        let endpoint = Url::parse(endpoint).map_err(|_| bad())?;
        if endpoint.cannot_be_a_base() {
            return Err(bad());
        }
        Ok(Self {
            http,
            endpoint,
            credential,
        })
    }

    /// Reports up to [`BATCH`] events: one alone by `usageEvent`, several by `batchUsageEvent`. A failure on the
    /// way is an outcome of every event, too. `request_id` is any text that finds the request again in the
    /// service's log.
    pub async fn submit(
        &self,
        events: &[UsageEvent],
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Submission, Error> {
        if events.len() > BATCH {
            return Err(Error::TooMany(events.len()));
        }
        let (path, body) = match events {
            [event] => ("usageEvent", event.body()),
            _ => ("batchUsageEvent", event::batch_body(events)),
        };
        let all = |trouble, perhaps, reason: String| {
            let answer = Answered::trouble(trouble, perhaps, &reason);
            Submission {
                answers: vec![answer; events.len()],
                retry_after: None,
                date: None,
            }
        };
        let answer = match self.post(path, body, request_id, deadline).await {
            Ok(answer) => answer,
            Err(Error::Token(error)) => return Ok(all(Trouble::NoToken, false, error.to_string())),
            Err(Error::Http(error)) => {
                let sent = error.is_transient() || matches!(error, http::Error::BodyTooLarge { .. });
                return Ok(all(Trouble::Unreachable, sent, error.to_string()));
            }
            Err(error) => return Err(error),
        };
        self.heed(&answer).await;
        let answers = match events {
            [event] => vec![read_single(answer.status(), answer.body(), event)],
            _ => read_batch(answer.status(), answer.body(), events),
        };
        Ok(Submission {
            answers,
            retry_after: retry_after(answer.headers(), Timestamp::now()),
            date: date(&answer),
        })
    }

    /// What the service has: sums by day, resource, dimension and plan, from the day of `from` on.
    pub async fn usage_events(&self, from: Timestamp, deadline: Deadline) -> Result<Vec<Submitted>, Error> {
        let mut url = self.url("usageEvents")?;
        url.query_pairs_mut()
            .append_pair("usageStartDate", &from.strftime("%Y-%m-%d").to_string());
        let request = Request::get(url.as_str());
        let request = self
            .authorized(request, deadline)
            .await?
            .header(ACCEPT, "application/json");
        let request = request
            .body(Bytes::new())
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        let answer = self.http.send(request, deadline).await?;
        self.heed(&answer).await;
        let refused = |reason: String| Error::Refused {
            url: http::redact(url.as_str()),
            status: answer.status().as_u16(),
            reason,
        };
        if answer.status() != StatusCode::OK {
            return Err(refused(classify::code(answer.body())));
        }
        serde_json::from_slice(answer.body()).map_err(|error| refused(format!("unreadable: {error}")))
    }

    async fn post(
        &self,
        path: &str,
        body: String,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Response<Bytes>, Error> {
        let url = self.url(path)?;
        let request = self.authorized(Request::post(url.as_str()), deadline).await?;
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header("x-ms-requestid", request_id)
            .header("x-ms-correlationid", request_id)
            .body(Bytes::from(body))
            .map_err(|source| http::Error::request(url.as_str(), &source))?;
        Ok(self.http.send(request, deadline).await?)
    }

    async fn authorized(
        &self,
        request: ::http::request::Builder,
        deadline: Deadline,
    ) -> Result<::http::request::Builder, Error> {
        let token = self.credential.token(deadline).await?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|source| http::Error::request(self.endpoint.as_str(), &source))?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Endpoint(http::redact(self.endpoint.as_str())))?
            .pop_if_empty()
            .extend(["api", path]);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        Ok(url)
    }

    /// A token that is refused is not used again.
    async fn heed(&self, answer: &Response<Bytes>) {
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.credential.forget().await;
        }
    }
}

fn date(answer: &Response<Bytes>) -> Option<Timestamp> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}
