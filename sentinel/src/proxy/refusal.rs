//! Answers that do not come from the runtime, in the shape that OpenAI clients understand.

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::json;
use trustbridge_domain::sentinel::Cause;

use super::{Answer, full};

/// Seconds after which a client may try again.
const RETRY_SECONDS: u32 = 5;

/// Status, stable code, words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
        }
    }

    pub(super) const fn framing() -> Self {
        let message =
            "Content-Length and Transfer-Encoding must not come together, nor either one twice; send one";
        Self::new(StatusCode::BAD_REQUEST, "ambiguous_length", message)
    }

    pub(super) const fn upgrade() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "upgrade_refused",
            "this port does not upgrade connections",
        )
    }

    pub(super) const fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "this port has no such path and method; see GET /v1/models",
        )
    }

    pub(super) const fn unauthorized() -> Self {
        let message = "a valid bearer token is required; take it from the Secret in Order.status.access";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    pub(super) const fn too_large() -> Self {
        let message = "the request body is larger than 32 MiB; send less";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    pub(super) const fn unavailable(code: &'static str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            code,
            "the model is not ready now; try again",
        )
    }

    pub(super) const fn unreachable() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "runtime_unreachable",
            "the model server gave no answer; try again",
        )
    }

    pub(super) const fn late() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "runtime_timeout",
            "the model server took too long; try again",
        )
    }

    pub(super) fn suspended(cause: Cause) -> Self {
        let status = StatusCode::from_u16(cause.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self::new(
            status,
            cause.as_str(),
            "this model is suspended; its operator's status says why",
        )
    }

    pub(super) fn body(&self) -> String {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let error = json!({"error": {
            "message": self.message, "type": kind, "param": null, "code": self.code,
        }});
        error.to_string()
    }

    pub(super) fn answer(&self) -> Answer {
        let mut answer = json(self.status, self.body());
        let headers = answer.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

pub(super) fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
