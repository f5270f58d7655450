//! The admin port: for the kubelet and the operator, never for clients.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use trustbridge_domain::sentinel::{Offer, State as Stage};

use crate::audit::{Audit, Head};
use crate::billing::{self, Billing, Page};
use crate::caller::is_inside;
use crate::config::Config;
use crate::serve::cause;
use crate::shared::{Guard, Shared, Snapshot};

/// `/drain` waits so long where nothing is asked, and never longer than `LONGEST_DRAIN`.
const DRAIN: Duration = Duration::from_secs(25);
const LONGEST_DRAIN: Duration = Duration::from_mins(5);

#[derive(Clone)]
struct Admin {
    shared: Arc<Shared>,
    audit: Arc<OnceLock<Arc<Audit>>>,
    billing: Arc<Billing>,
    /// This process reports its usage itself: nobody else may take it away.
    bills_itself: bool,
    /// UID of the pod; empty outside Kubernetes.
    pod_uid: Arc<str>,
    contract_id: Arc<str>,
    asset_id: Arc<str>,
}

#[derive(Serialize)]
struct Status<'a> {
    state: &'static str,
    /// Whose turn it is, once something is wrong; as in the termination message.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(flatten)]
    snapshot: Snapshot,
    /// Whether every file was read to its end, while it is Hydrate or Decrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
    draining: bool,
    in_flight: usize,
    contract_id: &'a str,
    asset_id: &'a str,
    anchored: bool,
    #[serde(flatten)]
    guard: Guard,
    ciphertext_bytes: u64,
    landed_bytes: u64,
    delivered_bytes: u64,
    /// Missing in the first moment of a start, before there is a key to sign with.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Head>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_public_key: Option<String>,
    version: &'static str,
}

/// The routes. Whoever serves them says where each connection comes from. The audit log may be opened later: probes do not
/// wait for it.
pub(crate) fn router(
    config: &Config,
    shared: Arc<Shared>,
    audit: Arc<OnceLock<Arc<Audit>>>,
    billing: Arc<Billing>,
) -> Router {
    let admin = Admin {
        shared,
        audit,
        billing,
        bills_itself: config.own_meter.is_some(),
        pod_uid: config.pod_uid.as_deref().unwrap_or_default().into(),
        contract_id: config.contract_id.as_str().into(),
        asset_id: config.asset_id.as_str().into(),
    };
    Router::new()
        .route("/startupz", get(startup))
        .route("/readiness", get(startup))
        .route("/readyz", get(ready))
        .route("/health", get(ready))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/usage", get(usage))
        .route("/drain", get(drain).post(drain))
        .with_state(admin)
        .merge(crate::app_probe::router(config.runtime.clone()))
}

async fn startup(State(admin): State<Admin>) -> Response {
    let snapshot = admin.shared.snapshot();
    // A runtime that starts before the small files have their names does not find them.
    let is_offered = admin.shared.facts.is_offered();
    answer(snapshot.state.is_started() && is_offered, &snapshot)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let snapshot = admin.shared.snapshot();
    answer(admin.shared.is_serving(), &snapshot)
}

/// The state in words, so that a failed probe's event says why.
fn answer(yes: bool, snapshot: &Snapshot) -> Response {
    let code = if yes {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let text = format!(
        "{} {} {}",
        snapshot.state.as_str(),
        snapshot.reason,
        snapshot.message
    );
    (code, format!("{}\n", text.trim_end())).into_response()
}

async fn status(State(admin): State<Admin>) -> Response {
    let snapshot = admin.shared.snapshot();
    let facts = &admin.shared.facts;
    let delivered = match snapshot.state {
        Stage::Decrypt { delivered } => Some(delivered),
        Stage::Hydrate(offer) => Some(offer == Offer::Taken),
        _ => None,
    };
    let is_wrong = !snapshot.reason.is_empty();
    let audit = admin.audit.get();
    axum::Json(Status {
        state: snapshot.state.as_str(),
        cause: is_wrong.then(|| cause(snapshot.state, &snapshot.reason)),
        delivered,
        snapshot,
        draining: admin.shared.is_draining(),
        in_flight: admin.shared.in_flight(),
        contract_id: &admin.contract_id,
        asset_id: &admin.asset_id,
        anchored: facts.anchored.load(Ordering::Relaxed),
        guard: facts.guard(),
        ciphertext_bytes: facts.ciphertext_bytes.load(Ordering::Relaxed),
        landed_bytes: facts.landed_bytes.load(Ordering::Relaxed),
        delivered_bytes: facts.delivered_bytes.load(Ordering::Relaxed),
        audit: audit.map(|audit| audit.head()),
        audit_public_key: audit.map(|audit| audit.public_key()),
        version: env!("CARGO_PKG_VERSION"),
    })
    .into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match admin.shared.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `GET /usage?after=SEQ[&ack=HASH][&limit=N]`: the records after number `after` (0: from the beginning), oldest
/// first, at most `limit` (1000); the answer's shape is [`Page`]'s.
///
/// Reading changes nothing. With `ack`, the hash of record `after`, the reader says that it has stored everything
/// up to there; only then may the records go. While the sentinel drains or is suspended, what was used since the
/// last interval is closed first: whoever asks then has all of it.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    after: u64,
    ack: Option<String>,
    limit: Option<usize>,
}

/// A page, and whose it is: addresses of pods are used again.
#[derive(Serialize)]
struct OwnPage<'a> {
    pod: &'a str,
    /// Whether new requests are turned away, looked at behind the page: what is on it is all then. A runtime that
    /// loads anew takes a drain back.
    draining: bool,
    #[serde(flatten)]
    page: Page,
}

async fn usage(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(wanted): Query<Wanted>,
) -> Response {
    if wanted.ack.is_some()
        && let Some(refusal) = refuse_inside(&admin, peer, "/usage with ack")
    {
        return refusal;
    }
    if admin.bills_itself && wanted.ack.is_some() {
        let text = "ack: this sentinel reports its usage itself (TB_METERING_URL); read without ack\n";
        return (StatusCode::CONFLICT, text).into_response();
    }
    let (pod, shared) = (admin.pod_uid.clone(), admin.shared.clone());
    match tokio::task::spawn_blocking(move || read_usage(&admin, &wanted)).await {
        Ok(Ok(page)) => {
            let draining = shared.is_draining();
            axum::Json(OwnPage {
                pod: &pod,
                draining,
                page,
            })
            .into_response()
        }
        Ok(Err(error @ billing::Error::Unknown(_))) => {
            (StatusCode::CONFLICT, format!("{error}\n")).into_response()
        }
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn read_usage(admin: &Admin, wanted: &Wanted) -> Result<Page, billing::Error> {
    let (shared, billing) = (&admin.shared, &admin.billing);
    let over = shared.is_draining() || matches!(shared.state(), Stage::Suspended(_));
    if let Some(hash) = &wanted.ack {
        billing.acknowledge(wanted.after, hash)?;
    }
    if over {
        billing.close_interval(&shared.metrics)?;
    }
    billing.page(wanted.after, wanted.limit.unwrap_or(billing::PAGE))
}

/// In a pod the model server shares the network: it must neither end the service nor throw usage away.
fn refuse_inside(admin: &Admin, peer: SocketAddr, what: &str) -> Option<Response> {
    let is_refused = !admin.pod_uid.is_empty() && is_inside(peer);
    is_refused.then(|| {
        let ip = peer.ip();
        let text =
            format!("{what}: {ip} is inside this pod; the kubelet and the operator ask from outside\n");
        (StatusCode::FORBIDDEN, text).into_response()
    })
}

/// A drain of a pod that had this address before.
fn refuse_other(admin: &Admin, meant: &str) -> Option<Response> {
    let own = &*admin.pod_uid;
    (meant != own).then(|| {
        let text =
            format!("pod: {meant} is not here, this is the pod of UID {own:?}; look for its address again\n");
        (StatusCode::CONFLICT, text).into_response()
    })
}

#[derive(Deserialize)]
struct Wait {
    /// Seconds.
    wait: Option<u64>,
    /// UID of the pod that is meant. The kubelet, which asks for a runtime's `preStop`, names none: it knows whom it asks.
    pod: Option<String>,
}

/// `/drain[?wait=SECONDS][&pod=UID]`: fails readiness, turns new requests away, waits for those under way. Whoever
/// means another pod is refused: addresses of pods are used again.
async fn drain(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<Wait>,
) -> Response {
    if let Some(refusal) = refuse_inside(&admin, peer, "/drain") {
        return refusal;
    }
    if let Some(refusal) = query.pod.and_then(|meant| refuse_other(&admin, &meant)) {
        return refusal;
    }
    let wait = query.wait.map_or(DRAIN, Duration::from_secs).min(LONGEST_DRAIN);
    if admin.shared.drain(wait).await {
        return "drained\n".into_response();
    }
    let text = format!("{} requests are still under way\n", admin.shared.in_flight());
    (StatusCode::REQUEST_TIMEOUT, text).into_response()
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
