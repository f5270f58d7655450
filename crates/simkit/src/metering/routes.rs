//! Routes, tokens, and failures that a test orders.

use super::Metering;
use super::book::Standing;
use crate::answer::Problem;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::time::Instant;
use trustbridge_azure::metering::{API_VERSION, RESOURCE};
use uuid::Uuid;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request is answered with `status` and not looked at.
    Refuse,
    /// The events are judged, and accepted where the rules say so; the answer is `status`.
    FailAfter,
    /// The events are judged; no answer ever comes.
    LoseReply,
    /// Nothing is judged; no answer ever comes.
    Hang,
}

/// A failure that is ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// HTTP status of the answer, 503 unless set.
    #[serde(default = "unavailable")]
    pub status: u16,
    /// How often, once unless set.
    #[serde(default = "once")]
    pub times: u32,
    /// `Retry-After` in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn unavailable() -> u16 {
    503
}

fn once() -> u32 {
    1
}

pub(super) fn router(double: Metering) -> Router {
    Router::new()
        .route("/api/usageEvent", post(single))
        .route("/api/batchUsageEvent", post(batch))
        .route("/api/usageEvents", get(sums))
        .route("/{tenant}/oauth2/v2.0/token", post(exchange))
        .route("/metadata/identity/oauth2/token", get(managed))
        .route("/_double/faults", put(set_faults))
        .route("/_double/resource", put(set_standing))
        .route("/_double/clock", put(set_clock))
        .route("/_double/ledger", get(ledger))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(double)
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "api-version")]
    version: Option<String>,
    #[serde(rename = "usageStartDate")]
    from: Option<String>,
}

type Asked = (HeaderMap, Query<Version>);

async fn single(State(double): State<Metering>, (headers, query): Asked, body: Bytes) -> Response {
    take(&double, &headers, &query, &body, true).await
}

async fn batch(State(double): State<Metering>, (headers, query): Asked, body: Bytes) -> Response {
    take(&double, &headers, &query, &body, false).await
}

async fn take(
    double: &Metering,
    headers: &HeaderMap,
    query: &Version,
    body: &[u8],
    single: bool,
) -> Response {
    let fault = take_fault(double).await;
    match &fault {
        Some(fault) if fault.kind == FaultKind::Hang => return std::future::pending().await,
        Some(fault) if fault.kind == FaultKind::Refuse => return failed(fault),
        _ => {}
    }
    if let Err(problem) = admit(double, headers, query).await {
        return problem.into_response();
    }
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let now_ms = double.now_ms().await;
    let mut book = double.0.book.lock().await;
    let (status, answer) = if single {
        book.single(&request, now_ms)
    } else {
        book.batch(&request, now_ms)
    };
    drop(book);
    match &fault {
        Some(fault) if fault.kind == FaultKind::LoseReply => std::future::pending().await,
        Some(fault) => failed(fault),
        None => (status_of(status), Json(answer)).into_response(),
    }
}

async fn sums(State(double): State<Metering>, (headers, query): Asked) -> Response {
    if let Err(problem) = admit(&double, &headers, &query).await {
        return problem.into_response();
    }
    let day = query.from.as_deref().and_then(|text| text.get(..10));
    let from = day.and_then(|day| format!("{day}T00:00:00Z").parse::<Timestamp>().ok());
    let Some(from) = from else {
        return Problem::bad("BadArgument", "usageStartDate: give a date such as 2020-12-03").into_response();
    };
    Json(double.0.book.lock().await.sums(from.as_millisecond())).into_response()
}

async fn admit(double: &Metering, headers: &HeaderMap, query: &Version) -> Result<(), Problem> {
    if query.version.as_deref() != Some(API_VERSION) {
        return Err(Problem::bad("BadArgument", "The api-version is not supported."));
    }
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    match double.0.tokens.lock().await.get(token) {
        Some(ends) if *ends > Instant::now() => Ok(()),
        _ => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "The token is missing, invalid or expired.",
        )),
    }
}

async fn take_fault(double: &Metering) -> Option<Fault> {
    let mut faults = double.0.faults.lock().await;
    let fault = faults.iter_mut().find(|fault| fault.times > 0)?;
    fault.times -= 1;
    Some(fault.clone())
}

fn failed(fault: &Fault) -> Response {
    let mut problem = Problem::new(status_of(fault.status), "Fault", "This failure was ordered.");
    problem.retry_after = fault.retry_after;
    problem.into_response()
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn exchange(State(double): State<Metering>, Path(_tenant): Path<String>, body: String) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let proven = !field("client_assertion").is_empty() || !field("client_secret").is_empty();
    if field("grant_type") != "client_credentials" || !proven || field("client_id").is_empty() {
        let body = json!({"error": "invalid_client", "error_description": "AADSTS7000215: no proof"});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    if field("scope") != format!("{RESOURCE}/.default") {
        let body = json!({"error": "invalid_scope", "error_description": "AADSTS1002012: another resource"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let seconds = double.0.token_life.as_secs();
    Json(json!({"token_type": "Bearer", "expires_in": seconds, "access_token": issue(&double).await}))
        .into_response()
}

#[derive(Deserialize)]
struct Wanted {
    resource: Option<String>,
}

async fn managed(
    State(double): State<Metering>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Problem> {
    if headers.get("metadata").is_none_or(|value| value != "true") {
        return Err(Problem::bad(
            "invalid_request",
            "Required metadata header not specified",
        ));
    }
    if wanted.resource.as_deref() != Some(RESOURCE) {
        return Err(Problem::bad("invalid_resource", "The resource was not found."));
    }
    let seconds = double.0.token_life.as_secs().to_string();
    let token = issue(&double).await;
    Ok(Json(
        json!({"token_type": "Bearer", "expires_in": seconds, "access_token": token}),
    ))
}

async fn issue(double: &Metering) -> String {
    let token = format!("double.{}", Uuid::new_v4());
    let ends = Instant::now() + double.0.token_life;
    double.0.tokens.lock().await.insert(token.clone(), ends);
    token
}

async fn set_faults(State(double): State<Metering>, Json(faults): Json<Vec<Fault>>) -> Json<Vec<Fault>> {
    (*double.0.faults.lock().await).clone_from(&faults);
    Json(faults)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    resource: String,
    standing: Standing,
}

async fn set_standing(State(double): State<Metering>, Json(seen): Json<Seen>) {
    double
        .0
        .book
        .lock()
        .await
        .set_standing(&seen.resource, seen.standing);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    skew_ms: i64,
}

async fn set_clock(State(double): State<Metering>, Json(clock): Json<Clock>) {
    *double.0.skew_ms.lock().await = clock.skew_ms;
}

async fn ledger(State(double): State<Metering>) -> Json<Value> {
    let book = double.0.book.lock().await;
    Json(json!({"accepted": book.accepted().collect::<Vec<_>>()}))
}
