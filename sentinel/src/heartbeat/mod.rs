//! The sign of life: one Lease of the API server, renewed every ten seconds for as long as the process lives.
//!
//! Serving never waits for it. Where the API server is away the beats fail, with a pause that grows to fifteen seconds,
//! and go on by themselves; what silence means is the operator's business (`trustbridge_domain::sentinel::heartbeat`).

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use trustbridge_azure::http::{Client, Deadline};
use trustbridge_domain::sentinel::heartbeat::EVERY_S;
use zeroize::Zeroizing;

use crate::config::LeaseSettings;
use crate::retry::{self, Backoff};

/// From the beginning of one beat to that of the next.
const EVERY: Duration = Duration::from_secs(EVERY_S);
/// Longest time of one call.
const CALL: Duration = Duration::from_secs(5);
/// The answer is the Lease, and is not read.
const ANSWER_BYTES: usize = 256 << 10;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(15),
};

/// Why a beat was not taken. Holds no token.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{field}: {path}: {source}; is the projected token mounted?")]
    File {
        field: &'static str,
        path: String,
        source: io::Error,
    },
    #[error("TB_API_TOKEN_PATH: {0}: it holds no token; see what the kubelet wrote there")]
    NoToken(String),
    #[error("the API server answered HTTP {status}")]
    Refused {
        status: StatusCode,
        wait: Option<Duration>,
    },
    #[error(transparent)]
    Http(#[from] trustbridge_azure::http::Error),
    #[error("the request is none: {0}")]
    Request(#[from] http::Error),
}

/// Beats for ever. `holder` names this start of the process.
pub(crate) async fn keep(settings: LeaseSettings, holder: String) {
    let mut heart = Heart::new(settings, holder);
    let mut failures = 0_u32;
    loop {
        let begun = Instant::now();
        match heart.beat(Timestamp::now()).await {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(failures, "the Lease is renewed again");
                }
                failures = 0;
                sleep_until(begun + EVERY).await;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                // An outage of hours is a few lines.
                if failures.is_power_of_two() {
                    tracing::warn!(failures, "the Lease was not renewed: {error}; it is tried again");
                }
                sleep(BACKOFF.wait_at_least(failures, error.wait())).await;
            }
        }
    }
}

impl Error {
    const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

struct Heart {
    settings: LeaseSettings,
    url: String,
    holder: String,
    since: Timestamp,
    /// Made anew after a failed call: the authorities may be others by then.
    client: Option<Client>,
}

impl Heart {
    fn new(settings: LeaseSettings, holder: String) -> Self {
        let LeaseSettings {
            server,
            namespace,
            name,
            ..
        } = &settings;
        Self {
            url: format!(
                "{server}/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}?fieldManager=trustbridge-sentinel&force=true"
            ),
            settings,
            holder,
            since: Timestamp::now(),
            client: None,
        }
    }

    /// Writes `now` into the Lease.
    async fn beat(&mut self, now: Timestamp) -> Result<(), Error> {
        let request = self.request(now).await?;
        let client = match self.client.take() {
            Some(client) => client,
            None => client(&self.settings.ca_path)?,
        };
        let answer = client.send(request, Deadline::after(CALL)).await?;
        if !answer.status().is_success() {
            return Err(Error::Refused {
                status: answer.status(),
                wait: retry::retry_after(answer.headers()),
            });
        }
        self.client = Some(client);
        Ok(())
    }

    /// Server-side apply of the fields that are the sentinel's.
    async fn request(&self, now: Timestamp) -> Result<Request<Bytes>, Error> {
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.settings.name, "namespace": self.settings.namespace},
            "spec": {
                "holderIdentity": self.holder,
                "acquireTime": micro_time(self.since),
                "renewTime": micro_time(now),
            },
        });
        Ok(Request::patch(&self.url)
            .header(AUTHORIZATION, bearer(&self.settings.token_path).await?)
            .header(CONTENT_TYPE, "application/apply-patch+yaml")
            .body(Bytes::from(body.to_string()))?)
    }
}

fn client(ca: &Path) -> Result<Client, trustbridge_azure::http::Error> {
    // The cluster's own authority and no other: a public one says nothing about who is the API server here.
    Client::builder()
        .system_bundle(false)
        .ca_file(ca)
        .connect_timeout(CALL)
        .idle_connections(1)
        .body_limit(ANSWER_BYTES)
        .build()
}

/// Read anew for each beat: the kubelet replaces the token before it runs out.
async fn bearer(path: &Path) -> Result<HeaderValue, Error> {
    let read = tokio::fs::read_to_string(path).await;
    let token = Zeroizing::new(read.map_err(|source| Error::File {
        field: "TB_API_TOKEN_PATH",
        path: path.display().to_string(),
        source,
    })?);
    let no_token = || Error::NoToken(path.display().to_string());
    if token.trim().is_empty() {
        return Err(no_token());
    }
    let text = Zeroizing::new(format!("Bearer {}", token.trim()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| no_token())?;
    value.set_sensitive(true);
    Ok(value)
}

/// As Kubernetes writes a `MicroTime`: six digits behind the second.
fn micro_time(at: Timestamp) -> String {
    format!("{at:.6}")
}
