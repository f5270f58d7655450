//! What an answer of the control plane means, and with which code the program ends.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use trustbridge_azure::http::Error;

use super::Outcome;
use crate::failure::{Exit, Failure};

/// The verdict on one answer to `PUT url`.
pub(super) fn judge(url: &str, answer: &Response<Bytes>) -> Result<Outcome, Failure> {
    let (code, message) = reason(answer.body());
    let status = answer.status();
    let said = format!("PUT {url}: HTTP {} {code} {message}", status.as_u16());
    let said = said.trim_end();
    let refused = |exit: Exit, next: &str| Err(Failure::new(exit, format!("{said}; {next}")));
    match status {
        StatusCode::CREATED => Ok(Outcome::Created),
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(Outcome::Known),
        StatusCode::CONFLICT if code == "KEY_REUSED" => refused(
            Exit::Data,
            "this key belongs to another asset already, and one key must never encrypt two; run `trustbridge encrypt` \
             again and upload what it writes",
        ),
        StatusCode::CONFLICT => refused(
            Exit::Data,
            "the asset id is taken by other content; encrypt under another --asset-id",
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(
            Exit::NotAllowed,
            "the provider is not accepted; check --token-file, or --client-cert and --client-key",
        ),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => refused(
            Exit::Usage,
            "there is no control plane at this address; check --edc-endpoint",
        ),
        _ if status.is_redirection() => refused(
            Exit::Usage,
            "redirects are never followed with a key in the body; give the final address as --edc-endpoint",
        ),
        _ if status.is_server_error() || matches!(status.as_u16(), 408 | 429) => refused(
            Exit::Unavailable,
            "the control plane is in trouble, try again later",
        ),
        _ => refused(
            Exit::Data,
            "the control plane does not accept this registration; check the manifest and the blob base URL",
        ),
    }
}

/// A call that got no answer. A peer that refuses our certificate says so in an alert, not by HTTP.
pub(super) fn unsent(error: Error) -> Failure {
    let text = error.to_string();
    let alerts = [
        "CertificateRequired",
        "BadCertificate",
        // A certificate that another authority of the same name signed.
        "DecryptError",
        "CertificateUnknown",
        "CertificateExpired",
        "CertificateRevoked",
        "UnknownCA",
        "AccessDenied",
    ];
    let alert = |name: &&str| text.contains(&format!("received fatal alert: {name}"));
    if alerts.iter().any(alert) {
        return Failure::new(
            Exit::NotAllowed,
            format!(
                "{text}; the control plane refuses the client certificate, or wants one: check --client-cert and --client-key"
            ),
        );
    }
    error.into()
}

/// The error's code and message, printable and short. Control planes are not trusted to leave secrets out of
/// long texts.
fn reason(body: &[u8]) -> (String, String) {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| {
        let value = document
            .get("error")
            .and_then(|error| error.get(name))
            .and_then(Value::as_str);
        let printable = value.unwrap_or_default().chars().filter(|c| !c.is_control());
        let text: String = printable.take(160).collect();
        // A key that is echoed is 64 digits of hex: no code or message needs that many.
        let hex_run = text
            .split(|c: char| !c.is_ascii_hexdigit())
            .any(|run| run.len() >= 32);
        if hex_run { String::new() } else { text }
    };
    (text("code"), text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &'static str) -> Result<Outcome, Failure> {
        let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        judge("https://edc.example/api/v1/assets/tb-1", &answer)
    }

    #[test]
    fn each_answer_has_its_meaning() {
        assert_eq!(judged(201, "").unwrap(), Outcome::Created);
        assert_eq!(judged(200, "{}").unwrap(), Outcome::Known);
        let reused = judged(
            409,
            r#"{"error":{"code":"KEY_REUSED","message":"bound to tb-2"}}"#,
        )
        .unwrap_err();
        assert_eq!(reused.exit, Exit::Data);
        assert!(
            reused.to_string().contains("KEY_REUSED") && reused.to_string().contains("encrypt"),
            "{reused}"
        );
        for (status, exit) in [
            (301, Exit::Usage),
            (400, Exit::Data),
            (401, Exit::NotAllowed),
            (403, Exit::NotAllowed),
            (404, Exit::Usage),
            (408, Exit::Unavailable),
            (409, Exit::Data),
            (422, Exit::Data),
            (429, Exit::Unavailable),
            (500, Exit::Unavailable),
            (503, Exit::Unavailable),
        ] {
            assert_eq!(judged(status, "<html>").unwrap_err().exit, exit, "{status}");
        }
    }

    #[test]
    fn an_echoed_key_is_not_repeated() {
        let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let body = format!(r#"{{"error":{{"code":"BAD","message":"key {key} is bad"}}}}"#);
        let (code, message) = reason(body.as_bytes());
        assert_eq!((code.as_str(), message.as_str()), ("BAD", ""));
        assert_eq!(
            reason(br#"{"error":{"code":"A","message":"short\u0007"}}"#).1,
            "short"
        );
    }
}
