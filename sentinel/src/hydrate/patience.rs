//! What a failed attempt means for the next one.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use trustbridge_azure::blob::{RangeVerdict, judge_range};
use trustbridge_azure::http::{self as client, Body};

use super::Error;
use crate::license::{Grant, License};
use crate::retry::{self, Backoff};

/// Failures in a row without progress.
const FAILURES: u32 = 6;
/// Refusals in a row, each after a fresh authorisation, without progress.
const RENEWALS: u32 = 2;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(200),
    cap: Duration::from_secs(10),
};
/// Bytes of one attempt that count as progress.
pub(super) const PROGRESS_BYTES: u64 = 64 << 10;
/// An error answer is a few lines of XML.
const ERROR_BYTES: usize = 16 << 10;

/// Why one attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Worth another attempt.
    Passing { message: String, wait: Option<Duration> },
    /// The SAS may have run out.
    Unauthorised { message: String },
    /// No attempt can succeed.
    Final(Error),
}

impl Fault {
    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self::Passing {
            message: message.into(),
            wait: None,
        }
    }
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        if error.is_transient() {
            Self::passing(error.to_string())
        } else {
            Self::Final(Error::GaveUp(error.to_string()))
        }
    }
}

/// Reads an answer that is not the wanted one.
pub(super) async fn refusal(what: &str, answer: Response<Body>) -> Fault {
    let (parts, body) = answer.into_parts();
    let header = parts
        .headers
        .get("x-ms-error-code")
        .and_then(|code| code.to_str().ok())
        .map(str::to_owned);
    let code = match header {
        Some(code) => code,
        None => body
            .collect(ERROR_BYTES)
            .await
            .map(|body| code_in(&body))
            .unwrap_or_default(),
    };
    judge(what, parts.status, &code, &parts.headers)
}

fn judge(what: &str, status: StatusCode, code: &str, headers: &HeaderMap) -> Fault {
    let code: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect();
    let message = format!("{what}: HTTP {} {code}", status.as_u16())
        .trim_end()
        .to_owned();
    match judge_range(status, &code) {
        RangeVerdict::Reauthorise => Fault::Unauthorised { message },
        RangeVerdict::Changed => Fault::Final(Error::Changed(message)),
        RangeVerdict::Backoff => Fault::Passing {
            message,
            wait: retry::retry_after(headers),
        },
        RangeVerdict::Fatal if status == StatusCode::FORBIDDEN => Fault::Final(Error::Denied(message)),
        RangeVerdict::Fatal | RangeVerdict::Read => Fault::Final(Error::GaveUp(message)),
    }
}

/// `<Code>` of an Azure error document.
fn code_in(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map(|(code, _)| code.to_owned()).unwrap_or_default()
}

/// The budget of one piece of work.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    renewals: u32,
}

impl Patience {
    /// So many bytes arrived. The budgets are whole again if that is worth the name of a transfer: whoever sends a
    /// byte and breaks off, again and again, must not be waited for without end.
    pub(super) fn progress(&mut self, bytes: u64) {
        if bytes >= PROGRESS_BYTES {
            *self = Self::default();
        }
    }

    /// Waits, or authorises again, so that another attempt makes sense. `used` is what the attempt went with.
    pub(super) async fn after(&mut self, fault: Fault, license: &License, used: &Grant) -> Result<(), Error> {
        match fault {
            Fault::Final(error) => Err(error),
            Fault::Unauthorised { message } => {
                self.renewals += 1;
                if self.renewals > RENEWALS {
                    let why = "in spite of a fresh authorisation; does the control plane sign for this blob?";
                    return Err(Error::Denied(format!("{message} {why}")));
                }
                tracing::info!(generation = used.generation, "{message}; authorising again");
                license.renew(used.generation).await?;
                Ok(())
            }
            Fault::Passing { message, wait } => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    return Err(Error::GaveUp(format!("{message}, {FAILURES} times in a row")));
                }
                tracing::debug!(failures = self.failures, "{message}; trying again");
                tokio::time::sleep(BACKOFF.wait_at_least(self.failures, wait)).await;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, code_in, judge};
    use crate::hydrate::Error;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    fn fault(status: u16, code: &str) -> Fault {
        judge(
            "x",
            StatusCode::from_u16(status).unwrap(),
            code,
            &HeaderMap::new(),
        )
    }

    #[test]
    fn answers_are_judged() {
        assert!(matches!(
            fault(403, "AuthenticationFailed"),
            Fault::Unauthorised { .. }
        ));
        assert!(matches!(
            fault(403, "AuthorizationFailure"),
            Fault::Unauthorised { .. }
        ));
        assert!(matches!(
            fault(403, "AccountIsDisabled"),
            Fault::Final(Error::Denied(_))
        ));
        assert!(matches!(
            fault(412, "ConditionNotMet"),
            Fault::Final(Error::Changed(_))
        ));
        assert!(matches!(fault(503, "ServerBusy"), Fault::Passing { .. }));
        assert!(matches!(
            fault(404, "BlobNotFound"),
            Fault::Final(Error::GaveUp(_))
        ));
        // Not followed, so not an answer that helps.
        assert!(matches!(fault(302, ""), Fault::Final(Error::GaveUp(_))));
    }

    #[test]
    fn the_code_is_found_in_the_document() {
        let xml =
            Bytes::from_static(b"<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>");
        assert_eq!(code_in(&xml), "AuthenticationFailed");
        assert_eq!(code_in(&Bytes::from_static(b"<html>")), "");
    }
}
