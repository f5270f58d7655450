//! What Blob storage answers when it refuses.

use crate::http;
use ::http::{Response, StatusCode};
use bytes::Bytes;
use url::Url;

/// Why a call to Blob storage failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is no account root.
    #[error("blob endpoint {0}: give an absolute URL, such as https://<account>.blob.core.windows.net")]
    Endpoint(String),
    /// The account key is not Base64.
    #[error("account key of {account}: not Base64; copy one of the account's two access keys as it is shown")]
    AccountKey {
        /// The account.
        account: String,
    },
    /// The service refused.
    #[error("{action} {url}: HTTP {status} {code}")]
    Service {
        /// What was tried.
        action: &'static str,
        /// URL without its query.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The service's error code, or an empty text.
        code: String,
    },
    /// The call did not come through.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// A local file could not be read.
    #[error("read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn answer(action: &'static str, url: &Url, answer: &Response<Bytes>) -> Self {
        Self::Service {
            action,
            url: http::redact(url.as_str()),
            status: answer.status(),
            code: code_of(answer),
        }
    }

    pub(crate) fn unless(
        action: &'static str,
        url: &Url,
        answer: &Response<Bytes>,
        expected: &[StatusCode],
    ) -> Result<(), Self> {
        if expected.contains(&answer.status()) {
            Ok(())
        } else {
            Err(Self::answer(action, url, answer))
        }
    }

    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Service { status, .. } => status.is_server_error() || matches!(status.as_u16(), 408 | 429),
            _ => false,
        }
    }
}

/// The service's code: from its header (the only place on HEAD), else from the XML body.
pub(crate) fn code_of(answer: &Response<Bytes>) -> String {
    let header = answer
        .headers()
        .get("x-ms-error-code")
        .and_then(|value| value.to_str().ok());
    header.map_or_else(|| code_in_xml(answer.body()), str::to_owned)
}

fn code_in_xml(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let inner = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    inner
        .map(|(code, _)| code.chars().take(80).collect())
        .unwrap_or_default()
}

/// What a reader of ranges does after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeVerdict {
    /// The bytes are coming.
    Read,
    /// The SAS may have run out: authorise again, once for each range and generation of the SAS.
    Reauthorise,
    /// The blob is another one than at the start: begin again with a new manifest.
    Changed,
    /// Wait and try again.
    Backoff,
    /// Trying again cannot help.
    Fatal,
}

/// Judges an answer to a ranged GET by its status and the service's error code.
///
/// Azure says `AuthenticationFailed` for a SAS that has run out, Azurite `AuthorizationFailure`; both also say
/// so for a wrong signature, hence "may have".
#[must_use]
pub fn judge_range(status: StatusCode, code: &str) -> RangeVerdict {
    match status.as_u16() {
        200 | 206 => RangeVerdict::Read,
        401 => RangeVerdict::Reauthorise,
        403 if matches!(code, "AuthenticationFailed" | "AuthorizationFailure" | "") => {
            RangeVerdict::Reauthorise
        }
        412 => RangeVerdict::Changed,
        408 | 429 | 500..=599 => RangeVerdict::Backoff,
        _ => RangeVerdict::Fatal,
    }
}
