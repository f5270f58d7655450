//! Why a call about agent pools failed.

use super::classify::{self, Context, ErrorBody, Verdict};
use super::operation;
use crate::{http, token};
use ::http::Response;
use bytes::Bytes;
use jiff::Timestamp;
use url::Url;

/// The service said no.
#[derive(Debug, thiserror::Error)]
#[error("{action} {url}: {code} (HTTP {status}, {class:?}): {message}", code = verdict.code, class = verdict.class, message = verdict.message)]
pub struct Refusal {
    /// What was tried.
    pub action: &'static str,
    /// URL without its query.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// What it means.
    pub verdict: Verdict,
    /// `x-ms-correlation-request-id` or `x-ms-request-id`, for a support request.
    pub request_id: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// The call did not come through.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The answer is not what the API promises.
    #[error("{action} {url}: unexpected answer: {reason}")]
    Unexpected {
        /// What was tried.
        action: &'static str,
        /// URL without its query.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// What the service's refusal means; other failures have no verdict, they are about the way there.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Refused(refusal) => Some(&refusal.verdict),
            _ => None,
        }
    }
}

pub(super) fn refused(action: &'static str, url: &Url, answer: &Response<Bytes>, spot: bool) -> Error {
    let status = answer.status().as_u16();
    let retry_after = operation::retry_after(answer.headers(), Timestamp::now());
    let context = Context {
        status: Some(status),
        retry_after,
        spot,
    };
    let id = ["x-ms-correlation-request-id", "x-ms-request-id"]
        .iter()
        .find_map(|name| answer.headers().get(*name));
    Error::Refused(Box::new(Refusal {
        action,
        url: http::redact(url.as_str()),
        status,
        verdict: classify::classify(context, &ErrorBody::read(answer.body())),
        request_id: id.and_then(|value| value.to_str().ok()).map(str::to_owned),
    }))
}

pub(super) fn unexpected(action: &'static str, url: &Url, reason: String) -> Error {
    Error::Unexpected {
        action,
        url: http::redact(url.as_str()),
        reason,
    }
}
