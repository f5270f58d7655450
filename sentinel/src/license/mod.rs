//! Asking the control plane whether this machine may have the model, and asking again in time.

mod answer;
mod evidence;
mod fingerprint;
mod grant;
mod keep;
#[cfg(test)]
mod tests;

pub(crate) use fingerprint::hardware_id;
pub(crate) use grant::Grant;
pub(crate) use keep::{Ended, keep};

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use trustbridge_azure::http::{Client, Deadline};
use zeroize::Zeroize;

use crate::config::{Attestation, Config};
use crate::retry::{self, Backoff};
use answer::{Answer, Verdict};

/// Attempts of one authorisation.
const ATTEMPTS: u32 = 3;
/// Longest time of one attempt.
const ATTEMPT_TIME: Duration = Duration::from_secs(30);
/// Largest answer: a URL for each of a thousand files, and room.
const ANSWER_BYTES: usize = 1 << 20;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(10),
};

/// Why there is no authorisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The control plane said no. Asking again changes nothing.
    #[error(
        "the control plane denies contract and asset: {reason}; see the contract's state with the provider"
    )]
    Denied {
        /// The control plane's word.
        reason: String,
    },
    /// The answer contradicts itself, an earlier one, or the rules.
    #[error("the control plane's answer is refused: {0}")]
    Contradiction(String),
    /// Every attempt failed.
    #[error("no authorisation: {0}; is TB_EDC_ENDPOINT right and reachable from this pod?")]
    Unavailable(String),
}

/// What one attempt can come to.
enum Fault {
    Final(Error),
    Passing { message: String, wait: Option<Duration> },
}

#[derive(Serialize)]
struct Question<'a> {
    contract_id: &'a str,
    asset_id: &'a str,
    hw_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<String>,
    client_version: &'a str,
    purpose: &'a str,
    nonce: String,
    audit_public_key: &'a str,
}

/// The authorisation and its renewal. All tasks share one; a renewal happens once, however many ask.
pub(crate) struct License {
    http: Client,
    endpoint: String,
    contract_id: String,
    asset_id: String,
    hw_id: String,
    attestation: Attestation,
    audit_public_key: String,
    granted: Counter,
    current: RwLock<Option<Arc<Grant>>>,
    renewing: tokio::sync::Mutex<()>,
}

/// The name and version in the question (spec 4.1).
const CLIENT_VERSION: &str = concat!("sentinel/", env!("CARGO_PKG_VERSION"));

impl License {
    pub(crate) fn new(
        http: Client,
        config: &Config,
        hw_id: String,
        audit_public_key: String,
        granted: Counter,
    ) -> Self {
        Self {
            http,
            endpoint: config.edc_endpoint.clone(),
            contract_id: config.contract_id.clone(),
            asset_id: config.asset_id.clone(),
            hw_id,
            attestation: config.attestation.clone(),
            audit_public_key,
            granted,
            current: RwLock::new(None),
            renewing: tokio::sync::Mutex::new(()),
        }
    }

    /// The newest authorisation.
    pub(crate) fn current(&self) -> Option<Arc<Grant>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An authorisation newer than generation `seen` (0: any). Callers who saw the same one run out share one
    /// question to the control plane.
    pub(crate) async fn renew(&self, seen: u64) -> Result<Arc<Grant>, Error> {
        let _one_at_a_time = self.renewing.lock().await;
        let before = self.current();
        if let Some(newer) = before.as_ref().filter(|grant| grant.generation > seen) {
            return Ok(newer.clone());
        }
        let answer = self.ask().await?;
        self.granted.inc();
        let grant = Arc::new(Grant::accept(answer, before.as_deref(), &self.asset_id)?);
        tracing::info!(
            generation = grant.generation,
            life_s = grant.life().as_secs(),
            "authorised"
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(grant.clone());
        Ok(grant)
    }

    /// Forgets key and URLs.
    pub(crate) fn forget(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn ask(&self) -> Result<Answer, Error> {
        let mut last = String::new();
        for attempt in 1..=ATTEMPTS {
            match self.attempt().await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { message, wait }) => {
                    tracing::warn!(attempt, of = ATTEMPTS, "authorisation failed: {message}");
                    last = message;
                    if attempt < ATTEMPTS {
                        tokio::time::sleep(BACKOFF.wait_at_least(attempt, wait)).await;
                    }
                }
            }
        }
        Err(Error::Unavailable(format!(
            "{ATTEMPTS} attempts failed, the last with: {last}"
        )))
    }

    async fn attempt(&self) -> Result<Answer, Fault> {
        let deadline = Deadline::after(ATTEMPT_TIME);
        let request = self.question().await?;
        let (parts, body) = match self.http.send_streaming(request, deadline).await {
            Ok(answer) => answer.into_parts(),
            Err(error) => return Err(passing(error.to_string())),
        };
        let body = match body.collect(ANSWER_BYTES).await {
            Ok(body) => body,
            Err(error) => return Err(passing(error.to_string())),
        };
        let verdict = judge(&Response::from_parts(parts, &body), self.current().is_some());
        wipe(body);
        verdict
    }

    async fn question(&self) -> Result<Request<Bytes>, Fault> {
        let attestation = evidence::gather(&self.attestation).await.map_err(passing)?;
        let question = Question {
            contract_id: &self.contract_id,
            asset_id: &self.asset_id,
            hw_id: &self.hw_id,
            attestation,
            client_version: CLIENT_VERSION,
            purpose: "inference",
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            audit_public_key: &self.audit_public_key,
        };
        let body = serde_json::to_vec(&question).map_err(|error| passing(error.to_string()))?;
        Request::post(format!("{}/api/v1/license/authorize", self.endpoint))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            // A connection that is kept keeps buffers, and in them the key.
            .header("connection", "close")
            .body(Bytes::from(body))
            .map_err(|error| passing(error.to_string()))
    }
}

fn passing(message: impl Into<String>) -> Fault {
    Fault::Passing {
        message: message.into(),
        wait: None,
    }
}

/// What an answer means. 401 and 403 are a no whatever their body says, and so is a body that says it. Another
/// status that no control plane gives means a wrong endpoint at the first question; at a renewal, where the
/// endpoint was right before, something in between spoke, and the authorisation lasts until it runs out.
fn judge(answer: &Response<&Bytes>, renewing: bool) -> Result<Answer, Fault> {
    let status = answer.status();
    match status {
        StatusCode::OK => match Answer::parse(answer.body(), jiff::Timestamp::now()) {
            Ok(Verdict::Authorized(answer)) => Ok(*answer),
            Ok(Verdict::Denied(reason)) => Err(Fault::Final(Error::Denied { reason })),
            Ok(Verdict::Unreadable(message)) => Err(passing(message)),
            Err(error) => Err(Fault::Final(error)),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let reason =
                answer::reason_of(answer.body()).unwrap_or_else(|| format!("http_{}", status.as_u16()));
            Err(Fault::Final(Error::Denied { reason }))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Fault::Passing {
            message: format!("HTTP {status}"),
            wait: retry::retry_after(answer.headers()),
        }),
        _ if status.is_server_error() => Err(Fault::Passing {
            message: format!("HTTP {status}"),
            wait: retry::retry_after(answer.headers()),
        }),
        _ => {
            let message = format!(
                "HTTP {status} to POST /api/v1/license/authorize; does TB_EDC_ENDPOINT name a control plane?"
            );
            match answer::denial_of(answer.body()) {
                Some(reason) => Err(Fault::Final(Error::Denied { reason })),
                None if renewing => Err(passing(message)),
                None => Err(Fault::Final(Error::Contradiction(message))),
            }
        }
    }
}

/// The answer held a key.
fn wipe(body: Bytes) {
    if let Ok(mut body) = body.try_into_mut() {
        let bytes: &mut BytesMut = &mut body;
        bytes.as_mut().zeroize();
    }
}
