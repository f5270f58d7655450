//! The HTTP side.

use super::engine::{Conditions, Engine, PoolKey, Started};
use super::fault::Faults;
use super::record::Action;
use super::{Arm, token};
use crate::answer::Problem;
use axum::Router;
use axum::extract::{Json, Path, Query, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header::SERVER;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

const POOLS: &str =
    "/subscriptions/{subscription}/{groups}/{group}/providers/{provider}/{clusters}/{cluster}/{pools}";
const OPERATION: &str =
    "/subscriptions/{subscription}/providers/{provider}/locations/{location}/operations/{id}";
const PROVIDER: &str = "Microsoft.ContainerService";

pub(super) fn router(arm: Arm) -> Router {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token::exchange))
        .route(POOLS, get(list_pools))
        .route(
            &format!("{POOLS}/{{pool}}"),
            get(get_pool).put(put_pool).delete(delete_pool),
        )
        .route(OPERATION, get(poll))
        .route("/_double/faults", put(set_faults))
        .route("/_double/land", post(land))
        .route("/_double/ledger", get(ledger))
        .route("/_double/reset", post(reset))
        .route("/healthz", get(|| async { "ok" }))
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "InvalidResourceType",
                "No such resource type.",
            )
        })
        .layer(map_response(say_who_answers))
        .with_state(arm)
}

/// Whoever asks can tell the double from Azure.
async fn say_who_answers(mut answer: Response) -> Response {
    let name = HeaderValue::from_static("arm-double");
    answer.headers_mut().insert(SERVER, name);
    answer
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    subscription: String,
    groups: String,
    group: String,
    provider: String,
    clusters: String,
    cluster: String,
    pools: String,
    #[serde(default)]
    pool: String,
}

impl Target {
    /// Resource ids compare without regard to case.
    fn key(self) -> Result<PoolKey, Problem> {
        let words = [
            (self.groups, "resourceGroups"),
            (self.provider, PROVIDER),
            (self.clusters, "managedClusters"),
            (self.pools, "agentPools"),
        ];
        if words
            .iter()
            .any(|(word, expected)| !word.eq_ignore_ascii_case(expected))
        {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "InvalidResourceType",
                "No such resource type.",
            ));
        }
        let cluster = format!(
            "/subscriptions/{}/resourceGroups/{}/providers/{PROVIDER}/managedClusters/{}",
            self.subscription, self.group, self.cluster
        );
        Ok(PoolKey {
            cluster: cluster.to_lowercase(),
            pool: self.pool,
        })
    }
}

/// Token and version, what every call needs.
async fn admit(arm: &Arm, headers: &HeaderMap, version: &Version) -> Result<(), Problem> {
    token::require(arm, headers).await?;
    match version.api_version.as_deref() {
        None => Err(Problem::bad(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )),
        Some(given) if !arm.0.settings.api_versions.iter().any(|known| known == given) => Err(Problem::bad(
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{given}' is invalid. The supported versions are '{}'.",
                arm.0.settings.api_versions.join(", ")
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// One look, and the effect of an operation that ends with it.
async fn look(arm: &Arm, engine: &mut Engine, cluster: &str) {
    let Some(id) = engine.look(cluster) else { return };
    if let (Some(node), Some((action, pool))) = (&arm.0.node, engine.effect(id)) {
        let done = match action {
            Action::Create | Action::Update => node.join(&pool).await,
            Action::Delete => node.leave(&pool).await,
        };
        if let Err(error) = done {
            // The operation goes on; the next look tries again.
            tracing::warn!(pool = pool.name, "node not changed yet: {error:#}");
            return;
        }
    }
    engine.finish(id, Timestamp::now());
    tracing::info!(operation = %id, "operation ended");
}

async fn list_pools(
    State(arm): State<Arm>,
    Path(target): Path<Target>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit(&arm, &headers, &version).await?;
    let key = target.key()?;
    let mut engine = arm.0.engine.lock().await;
    engine.read_fault().map_or(Ok(()), Err)?;
    look(&arm, &mut engine, &key.cluster).await;
    Ok(Json(json!({"value": engine.list(&key.cluster)})))
}

async fn get_pool(
    State(arm): State<Arm>,
    Path(target): Path<Target>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit(&arm, &headers, &version).await?;
    let key = target.key()?;
    let mut engine = arm.0.engine.lock().await;
    engine.read_fault().map_or(Ok(()), Err)?;
    look(&arm, &mut engine, &key.cluster).await;
    if let Some(pool) = engine.get(&key) {
        return Ok(Json(pool).into_response());
    }
    engine.missed(&key, Timestamp::now());
    // The flat shape of the AKS resource provider.
    let message = format!("Could not find the agentpool: {}.", key.pool);
    let body =
        json!({"code": "NotFound", "details": null, "message": message, "subcode": "GetAgentPool_NotFound"});
    Ok((StatusCode::NOT_FOUND, Json(body)).into_response())
}

async fn put_pool(
    State(arm): State<Arm>,
    Path(target): Path<Target>,
    Query(version): Query<Version>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    admit(&arm, &headers, &version).await?;
    let key = target.key()?;
    let mut engine = arm.0.engine.lock().await;
    let result = engine.put(&key, &body, &conditions(&headers), Timestamp::now());
    match result {
        Ok(started) => Ok(accepted(&arm, &headers, &key, &started)),
        Err(problem) => Err(turned_away(&arm, &mut engine, &key, problem).await),
    }
}

async fn delete_pool(
    State(arm): State<Arm>,
    Path(target): Path<Target>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit(&arm, &headers, &version).await?;
    let key = target.key()?;
    let mut engine = arm.0.engine.lock().await;
    let result = engine.delete(&key, &conditions(&headers), Timestamp::now());
    match result {
        Ok(Some(started)) => Ok(accepted(&arm, &headers, &key, &started)),
        Ok(None) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(problem) => Err(turned_away(&arm, &mut engine, &key, problem).await),
    }
}

/// Being turned away as busy is a look too, else two clients that only write would wait for ever.
async fn turned_away(arm: &Arm, engine: &mut Engine, key: &PoolKey, mut problem: Problem) -> Problem {
    if problem.code == "OperationNotAllowed" && problem.message.contains("in progress") {
        look(arm, engine, &key.cluster).await;
        problem.retry_after = problem.retry_after.or(Some(arm.0.settings.retry_after));
    }
    tracing::info!(
        pool = key.pool,
        status = problem.status.as_u16(),
        code = problem.code,
        "refused"
    );
    problem
}

fn conditions(headers: &HeaderMap) -> Conditions {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(|text| text.trim_matches('"').to_owned())
    };
    Conditions {
        if_match: text("if-match"),
        if_none_match: text("if-none-match"),
    }
}

fn accepted(arm: &Arm, headers: &HeaderMap, key: &PoolKey, started: &Started) -> Response {
    let settings = &arm.0.settings;
    let host = headers
        .get("host")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost");
    let subscription = key.cluster.split('/').nth(2).unwrap_or_default();
    let version = settings.api_versions.first().map_or("", String::as_str);
    let url = format!(
        "{}://{host}/subscriptions/{subscription}/providers/{PROVIDER}/locations/westeurope/operations/{}?api-version={version}&t=1&c=double",
        settings.scheme, started.operation
    );
    tracing::info!(pool = key.pool, action = ?started.action, operation = %started.operation, "accepted");
    let fields = [
        ("azure-asyncoperation", url.clone()),
        ("retry-after", settings.retry_after.to_string()),
    ];
    match (started.action, &started.body) {
        (Action::Create, body) => (StatusCode::CREATED, fields, Json(body)).into_response(),
        (Action::Update, body) => (StatusCode::OK, fields, Json(body)).into_response(),
        // A `Location` too, but the status URL is the one that clients should prefer.
        (Action::Delete, _) => (StatusCode::ACCEPTED, fields, [("location", url)]).into_response(),
    }
}

#[derive(Deserialize)]
struct OperationTarget {
    id: Uuid,
}

async fn poll(
    State(arm): State<Arm>,
    Path(target): Path<OperationTarget>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit(&arm, &headers, &version).await?;
    let mut engine = arm.0.engine.lock().await;
    engine.read_fault().map_or(Ok(()), Err)?;
    let gone = || Problem::new(StatusCode::NOT_FOUND, "NotFound", "The operation does not exist.");
    let cluster = engine.operation(target.id).ok_or_else(gone)?.key.cluster.clone();
    if engine
        .operation(target.id)
        .is_some_and(|operation| operation.ended.is_none())
    {
        look(&arm, &mut engine, &cluster).await;
    }
    let operation = engine.operation(target.id).ok_or_else(gone)?;
    let mut body = json!({"name": target.id, "startTime": operation.started.to_string()});
    let mut set = |name: &str, value: Value| {
        body.as_object_mut()
            .map(|fields| fields.insert(name.to_owned(), value))
    };
    let Some(ended) = operation.ended else {
        set("status", json!("InProgress"));
        let wait = [("retry-after", arm.0.settings.retry_after.to_string())];
        return Ok((wait, Json(body)).into_response());
    };
    set("endTime", json!(ended.to_string()));
    set(
        "status",
        json!(if operation.error.is_some() {
            "Failed"
        } else {
            "Succeeded"
        }),
    );
    if let Some(error) = &operation.error {
        set("error", json!(error));
    }
    Ok(Json(body).into_response())
}

async fn set_faults(State(arm): State<Arm>, Json(faults): Json<Faults>) -> Json<Faults> {
    arm.0.engine.lock().await.set_faults(faults.clone());
    Json(faults)
}

async fn land(State(arm): State<Arm>) -> Json<Value> {
    let has_landed = arm.0.engine.lock().await.land(Timestamp::now());
    Json(json!({"landed": has_landed}))
}

async fn ledger(State(arm): State<Arm>) -> Json<Value> {
    Json(arm.0.engine.lock().await.ledger())
}

async fn reset(State(arm): State<Arm>) -> Json<Value> {
    let mut engine = arm.0.engine.lock().await;
    if let Some(node) = &arm.0.node {
        for pool in engine.pools() {
            if let Err(error) = node.leave(pool).await {
                tracing::warn!(pool = pool.name, "node not changed: {error:#}");
            }
        }
    }
    *engine = Engine::new(arm.0.settings.looks);
    Json(json!({}))
}
