//! Long-running operations: what an answer of 201 or 202 promises, and what polling says.

use super::classify::ErrorBody;
use ::http::header::{HeaderMap, LOCATION, RETRY_AFTER};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// No wait asked for by the service is honoured beyond this; the caller looks again instead.
pub const RETRY_AFTER_CAP: Duration = Duration::from_mins(10);

/// Where a running operation is watched. It can be written down and taken up again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The URL to poll.
    pub url: String,
    /// Whether it is an `Azure-AsyncOperation` (its body has a status) or a `Location` (202 until done).
    pub has_status: bool,
}

impl Operation {
    /// What the answer's headers name; `Azure-AsyncOperation` goes before `Location`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |value: &::http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let polled = |url, has_status| Self { url, has_status };
        let status_url = headers
            .get("azure-asyncoperation")
            .and_then(text)
            .map(|url| polled(url, true));
        status_url.or_else(|| headers.get(LOCATION).and_then(text).map(|url| polled(url, false)))
    }
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationState {
    /// Look again, after this time if the service named one.
    Running {
        /// The service's word, such as `Creating`.
        status: String,
        /// `Retry-After`, capped.
        retry_after: Option<Duration>,
    },
    /// Done.
    Succeeded,
    /// Ended with an error.
    Failed(ErrorBody),
    /// Somebody stopped it.
    Canceled(ErrorBody),
}

/// Whether a state is final: only Succeeded, Failed and Canceled are, in any case of letters.
#[must_use]
pub fn is_terminal(state: &str) -> bool {
    ["succeeded", "failed", "canceled"]
        .iter()
        .any(|terminal| state.eq_ignore_ascii_case(terminal))
}

#[derive(Deserialize)]
struct StatusBody {
    status: Option<String>,
    error: Option<ErrorBody>,
}

/// Reads the answer of a poll of an `Azure-AsyncOperation`; `None` when its body is not one.
#[must_use]
pub fn read_status(body: &Bytes, retry_after: Option<Duration>) -> Option<OperationState> {
    let body: StatusBody = serde_json::from_slice(body).ok()?;
    let status = body.status?;
    let error = body.error.unwrap_or_default();
    Some(match status.to_ascii_lowercase().as_str() {
        "succeeded" => OperationState::Succeeded,
        "failed" => OperationState::Failed(error),
        "canceled" => OperationState::Canceled(error),
        _ => OperationState::Running { status, retry_after },
    })
}

/// Shortest pause that a `Retry-After` is taken for.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// `Retry-After` in seconds or as a date, at least a second and at most [`RETRY_AFTER_CAP`].
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    };
    // 0 would be a loop without a pause.
    Some(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_CAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (::http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_status_url_goes_before_the_location() {
        let both = headers(&[
            ("location", "https://h/l"),
            ("azure-asyncoperation", "https://h/a"),
        ]);
        assert_eq!(
            Operation::of(&both),
            Some(Operation {
                url: "https://h/a".to_owned(),
                has_status: true
            })
        );
        let one = headers(&[("location", "https://h/l")]);
        assert_eq!(
            Operation::of(&one),
            Some(Operation {
                url: "https://h/l".to_owned(),
                has_status: false
            })
        );
        assert_eq!(Operation::of(&HeaderMap::new()), None);
    }

    #[test]
    fn only_three_states_are_final() {
        for (status, running) in [
            ("SUCCEEDED", false),
            ("Failed", false),
            ("canceled", false),
            ("Canceling", true),
            ("InProgress", true),
        ] {
            let body = Bytes::from(format!(r#"{{"status":"{status}","error":{{"code":"X"}}}}"#));
            let state = read_status(&body, None).unwrap();
            assert_eq!(
                matches!(state, OperationState::Running { .. }),
                running,
                "{status}"
            );
            assert_eq!(is_terminal(status), !running);
        }
        assert_eq!(read_status(&Bytes::from_static(b"{}"), None), None);
    }

    #[test]
    fn waits_are_read_in_both_forms_and_capped() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            ("86400", Some(600)),
            ("Sat, 21 Nov 2026 08:00:30 GMT", Some(30)),
            ("0", Some(1)),
            ("Sat, 21 Nov 2026 07:00:00 GMT", Some(1)),
            ("soon", None),
        ] {
            let got = retry_after(&headers(&[("retry-after", text)]), now);
            assert_eq!(got, seconds.map(Duration::from_secs), "{text}");
        }
    }
}
