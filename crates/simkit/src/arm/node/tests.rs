use super::*;
use crate::arm::{Arm, Settings};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use http::Request;
use http_body_util::BodyExt;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

#[derive(Clone, Default)]
struct ApiServer {
    calls: Arc<Mutex<Vec<(String, Value)>>>,
    failures: Arc<Mutex<u32>>,
}

/// The four calls that the double makes: one node `n1` in pool `tbx`, and three pods of which one chose it.
async fn answer(State(api): State<ApiServer>, method: Method, uri: Uri, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    api.calls.lock().unwrap().push((format!("{method} {uri}"), body));
    let mut failures = api.failures.lock().unwrap();
    if *failures > 0 {
        *failures -= 1;
        let status = json!({"kind": "Status", "apiVersion": "v1", "code": 500, "status": "Failure", "message": "", "reason": ""});
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(status)).into_response();
    }
    let pod = |name: &str, selector: Value| {
        json!({"metadata": {"name": name, "namespace": "tb-acme-protected"},
               "spec": {"containers": [], "nodeSelector": selector}})
    };
    Json(match uri.path() {
        "/api/v1/pods" => json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
            pod("mine", json!({POOL_LABEL: "tbx"})), pod("other", json!({POOL_LABEL: "tby"})), pod("none", json!({}))
        ]}),
        "/api/v1/nodes/n1" => json!({"kind": "Node", "apiVersion": "v1",
            "metadata": {"name": "n1", "labels": {POOL_LABEL: "tbx", "kept": "1"}}}),
        _ => json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "mine"}}),
    })
    .into_response()
}

async fn serve(api: ApiServer) -> Node {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(api);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Node::at(&url, "n1")
}

const POOL: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c/agentPools/tbx";

struct Caller {
    arm: Arm,
    token: String,
}

impl Caller {
    async fn new(node: Node) -> Self {
        let mut caller = Self {
            arm: Arm::new(Settings::default(), Some(node)),
            token: String::new(),
        };
        let form = "grant_type=client_credentials&client_id=c&client_secret=s&scope=https://x/.default";
        caller.token = caller
            .call("POST", "/t/oauth2/v2.0/token", form.to_owned())
            .await
            .1["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        caller
    }

    async fn call(&self, method: &str, path: &str, body: String) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=2026-07-01"));
        let request = request
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body))
            .unwrap();
        let answer = self.arm.router().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn state(&self) -> Value {
        self.call("GET", POOL, String::new()).await.1["properties"]["provisioningState"].clone()
    }
}

#[tokio::test]
async fn a_pool_brings_the_node_and_takes_its_pods_with_it() {
    let api = ApiServer::default();
    let caller = Caller::new(serve(api.clone()).await).await;
    let body =
        json!({"properties": {"vmSize": "S", "nodeLabels": {"trustbridge.io/tunepod": "t"}}}).to_string();
    assert_eq!(
        caller.call("PUT", POOL, body.clone()).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(caller.call("PUT", POOL, body).await.0, StatusCode::CREATED);
    *api.failures.lock().unwrap() = 1;
    let mut states = Vec::new();
    for _ in 0..4 {
        states.push(caller.state().await);
    }
    assert_eq!(
        states,
        ["Creating", "Creating", "Creating", "Succeeded"],
        "the third look met a failing API server"
    );
    let joined = api.calls.lock().unwrap().last().unwrap().clone();
    assert!(joined.0.starts_with("PATCH /api/v1/nodes/n1"), "{}", joined.0);
    assert_eq!(joined.1["metadata"]["labels"]["trustbridge.io/tunepod"], "t");
    assert_eq!(
        joined.1["metadata"]["labels"]["node.kubernetes.io/instance-type"],
        "S"
    );

    api.calls.lock().unwrap().clear();
    assert_eq!(
        caller.call("DELETE", POOL, String::new()).await.0,
        StatusCode::ACCEPTED
    );
    for _ in 0..3 {
        caller.state().await;
    }
    assert_eq!(
        caller.call("GET", POOL, String::new()).await.0,
        StatusCode::NOT_FOUND
    );
    let calls = api.calls.lock().unwrap();
    let lines: Vec<&str> = calls
        .iter()
        .map(|(line, _)| line.split('?').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /api/v1/nodes/n1",
            "PATCH /api/v1/nodes/n1",
            "GET /api/v1/pods",
            "DELETE /api/v1/namespaces/tb-acme-protected/pods/mine"
        ]
    );
    assert_eq!(calls[1].1["metadata"]["labels"][POOL_LABEL], Value::Null);
    assert!(calls[2].0.contains("spec.nodeName%3Dn1"), "{}", calls[2].0);
}

#[test]
fn a_node_gets_what_aks_gives_and_the_pools_own() {
    let pool: AgentPool = serde_json::from_value(json!({
        "name": "tbx", "properties": {"vmSize": "S", "nodeLabels": {"trustbridge.io/tunepod": "t"}}
    }))
    .unwrap();
    let keys: Vec<String> = labels(&pool)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let expected = [
        "kubernetes.azure.com/agentpool=tbx",
        "agentpool=tbx",
        "kubernetes.azure.com/accelerator=nvidia",
        "node.kubernetes.io/instance-type=S",
        "trustbridge.io/tunepod=t",
    ];
    assert_eq!(keys, expected);
}
