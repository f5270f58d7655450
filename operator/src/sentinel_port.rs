//! What a sentinel says of itself: in its pod's termination message once it ended, at its admin port while it lives.
//!
//! A sentinel that was denied stays alive, so that its pod is not restarted into the same denial for ever; only its
//! admin port can say why until then (CONTRACTS section 5: port 8001 is for the kubelet and the operator).

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
/// No report is longer.
const LONGEST: usize = 64 << 10;

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
    let ip: IpAddr = ip.parse().ok()?;
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let request = Request::get(format!("http://{host}:{ADMIN_PORT}/status"))
        .body(Bytes::new())
        .ok()?;
    match client.send(request, Deadline::after(PATIENCE)).await {
        Ok(answer) if answer.status() == StatusCode::OK => serde_json::from_slice(answer.body()).ok(),
        Ok(answer) => {
            tracing::debug!(%ip, status = answer.status().as_u16(), "the sentinel does not tell its state");
            None
        }
        Err(error) => {
            tracing::debug!(%ip, %error, "the sentinel does not answer yet");
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
    }
}
