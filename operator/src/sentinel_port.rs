//! What a sentinel says of itself: in its pod's termination message once it ended, at its admin port while it lives.
//!
//! A sentinel that was denied stays alive, so that its pod is not restarted into the same denial for ever; only its
//! admin port can say why until then (CONTRACTS section 5: port 8001 is for the kubelet and the operator).
//!
//! What was used waits there too (CONTRACTS section 6): `usage` reads it, and `drain` sees to it that nothing
//! more is used.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use trustbridge_azure::http::{Client, Deadline, Error};

/// The sentinel's admin port.
pub const ADMIN_PORT: u16 = 8001;

/// A sentinel answers from memory; one that takes longer is not there.
const PATIENCE: Duration = Duration::from_secs(2);
/// No report and no page of usage is longer: a record has about 450 bytes.
const LONGEST: usize = 256 << 10;
/// Records that are asked for at once.
pub(crate) const PAGE: usize = 100;
/// So long a sentinel waits for requests under way when it drains; asked again as long as it takes.
const DRAIN: Duration = Duration::from_secs(5);

/// The sentinel's own words.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct SentinelReport {
    /// Its state: Boot, Authorize, Hydrate, Decrypt, Ready, Suspended.
    pub(crate) state: String,
    /// A stable word; empty while all is well.
    #[serde(default)]
    pub(crate) reason: String,
    /// For people.
    #[serde(default)]
    pub(crate) message: String,
    /// Whose turn it is: Denied, Integrity, Settings or Unavailable.
    #[serde(default)]
    pub(crate) cause: String,
    /// Whether every file was read to its end, while it is Hydrate or Decrypt.
    #[serde(default)]
    pub(crate) delivered: bool,
}

impl SentinelReport {
    /// Reads a termination message; `None` when these are somebody else's words.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The client for admin ports: plain HTTP inside the cluster, where a pod's admin port has no certificate. Nothing
/// secret is asked or told there.
pub fn client() -> Result<Client, Error> {
    Client::builder()
        .system_bundle(false)
        .allow_plain_http()
        .connect_timeout(PATIENCE)
        .body_limit(LONGEST)
        .build()
}

/// Asks the sentinel of the pod at `ip`. `None` when it does not answer: a pod that is starting has no port yet,
/// and what the kubelet says of it stands in the pod's status.
pub(crate) async fn ask(client: &Client, ip: &str) -> Option<SentinelReport> {
    match get(client, ip, "/status", PATIENCE).await? {
        (StatusCode::OK, body) => serde_json::from_slice(&body).ok(),
        (status, _) => {
            tracing::debug!(
                ip,
                status = status.as_u16(),
                "the sentinel does not tell its state"
            );
            None
        }
    }
}

/// What a sentinel answers to the question for its usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UsageAnswer {
    /// A page, as it was sent: its hashes are over its bytes.
    Page(Bytes),
    /// It does not know the record that was acknowledged.
    Unknown,
    /// Something else, in its words.
    Failed(String),
    /// Nothing.
    Silent,
}

/// The records after number `after`; `ack` is that record's hash and says that everything up to there is stored.
pub(crate) async fn usage(client: &Client, ip: &str, after: u64, ack: Option<&str>) -> UsageAnswer {
    let ack = ack.map(|hash| format!("&ack={hash}")).unwrap_or_default();
    let path = format!("/usage?after={after}&limit={PAGE}{ack}");
    match get(client, ip, &path, PATIENCE).await {
        Some((StatusCode::OK, body)) => UsageAnswer::Page(body),
        Some((StatusCode::CONFLICT, _)) if !ack.is_empty() => UsageAnswer::Unknown,
        Some((status, body)) => {
            let words = String::from_utf8_lossy(&body);
            UsageAnswer::Failed(format!("{}: {}", status.as_u16(), words.trim()))
        }
        None => UsageAnswer::Silent,
    }
}

/// Turns new requests to the pod of that UID away. Whether none is under way any more; whoever else has its address by
/// now refuses.
pub(crate) async fn drain(client: &Client, ip: &str, pod: &str) -> bool {
    let path = format!("/drain?wait={}&pod={pod}", DRAIN.as_secs());
    let answer = get(client, ip, &path, DRAIN + PATIENCE).await;
    answer.is_some_and(|(status, _)| status == StatusCode::OK)
}

async fn get(client: &Client, ip: &str, path: &str, patience: Duration) -> Option<(StatusCode, Bytes)> {
    let ip: IpAddr = ip.parse().ok()?;
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let request = Request::get(format!("http://{host}:{ADMIN_PORT}{path}"))
        .body(Bytes::new())
        .ok()?;
    match client.send(request, Deadline::after(patience)).await {
        Ok(answer) => Some((answer.status(), answer.body().clone())),
        Err(error) => {
            tracing::debug!(%ip, %error, "the sentinel does not answer");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_words_are_no_report() {
        assert_eq!(SentinelReport::of_text("killed"), None);
        assert_eq!(SentinelReport::of_text(r#"{"level":"error"}"#), None);
        let report = SentinelReport::of_text(r#"{"state":"Suspended","cause":"Denied","more":1}"#).unwrap();
        assert_eq!(
            (report.state.as_str(), report.cause.as_str()),
            ("Suspended", "Denied")
        );
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_no_report() {
        let client = client().unwrap();
        assert_eq!(ask(&client, "not an address").await, None);
        assert_eq!(ask(&client, "127.0.0.2").await, None);
        assert_eq!(
            usage(&client, "127.0.0.2", 3, Some("h")).await,
            UsageAnswer::Silent
        );
        assert!(!drain(&client, "127.0.0.2", "uid-1").await);
    }
}
