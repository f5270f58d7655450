use super::*;
use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::client::Body;
use std::sync::Mutex;

type Log = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A client that answers everything with `status` and `answer`, and writes down what it was asked.
fn client(log: &Log, status: u16, answer: &Value) -> Client {
    let (log, answer) = (Arc::clone(log), answer.to_string());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (log, answer) = (Arc::clone(&log), answer.clone());
        async move {
            let (method, uri) = (request.method().to_string(), request.uri().to_string());
            let bytes = request.into_body().collect_bytes().await.unwrap_or_default();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            log.lock().unwrap().push((method, uri, body));
            Ok::<_, std::convert::Infallible>(
                Response::builder()
                    .status(status)
                    .body(Body::from(answer.into_bytes()))
                    .unwrap(),
            )
        }
    });
    Client::new(service, "default")
}

fn writer(log: &Log, status: u16, answer: &Value) -> Writer {
    Writer::new(
        client(log, status, answer),
        Leader::alone(),
        Arc::new(Metrics::default()),
    )
}

fn config_map() -> Built {
    let mut object = ConfigMap::default();
    object.metadata.name = Some("a".to_owned());
    object.metadata.namespace = Some("tb-acme".to_owned());
    Built::of(&object)
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
}

#[tokio::test]
async fn an_apply_is_forced_and_signed() {
    let log = Log::default();
    let built = config_map();
    writer(&log, 200, &built.body)
        .apply(FieldManager::BUYER_ORG, &built)
        .await
        .unwrap();
    let (method, uri, body) = log.lock().unwrap()[0].clone();
    assert_eq!(method, "PATCH");
    assert!(
        uri.starts_with("/api/v1/namespaces/tb-acme/configmaps/a?"),
        "{uri}"
    );
    assert!(
        uri.contains("force=true") && uri.contains("fieldManager=trustbridge-operator"),
        "{uri}"
    );
    assert_eq!(body["kind"], "ConfigMap");
}

#[tokio::test]
async fn a_status_names_the_version_and_uid_that_it_was_decided_from() {
    let log = Log::default();
    let built = config_map();
    let write = StatusWrite {
        target: built.target.clone(),
        uid: "u".to_owned(),
        resource_version: "42".to_owned(),
        status: json!({"phase": "Ready"}),
    };
    writer(&log, 200, &built.body)
        .status(FieldManager::OFFER_STATUS, &write)
        .await
        .unwrap();
    let (_, uri, body) = log.lock().unwrap()[0].clone();
    assert!(uri.contains("/configmaps/a/status?"), "{uri}");
    assert_eq!(
        (
            body["metadata"]["uid"].as_str(),
            body["metadata"]["resourceVersion"].as_str()
        ),
        (Some("u"), Some("42"))
    );
}

#[tokio::test]
async fn a_delete_carries_the_uid_and_a_stranger_counts_as_gone() {
    let log = Log::default();
    let target = config_map().target;
    writer(&log, 409, &failure(409, "Conflict"))
        .delete(&target, "u")
        .await
        .unwrap();
    writer(&log, 404, &failure(404, "NotFound"))
        .delete(&target, "u")
        .await
        .unwrap();
    assert_eq!(log.lock().unwrap()[0].2["preconditions"]["uid"], "u");
    assert!(
        writer(&log, 403, &failure(403, "Forbidden"))
            .delete(&target, "u")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn creating_what_exists_is_no_error() {
    let log = Log::default();
    let made = writer(&log, 409, &failure(409, "AlreadyExists"))
        .create(FieldManager::ORDER, &config_map())
        .await;
    assert!(matches!(made, Ok(Created::Exists)));
}

#[tokio::test]
async fn nobody_but_the_leader_writes() {
    let log = Log::default();
    let api: Api<k8s_openapi::api::coordination::v1::Lease> = Api::all(client(&log, 200, &json!({})));
    let (_candidate, follower) = crate::lease::Candidate::new(api, "x", "me");
    let writer = Writer::new(
        client(&log, 200, &json!({})),
        follower,
        Arc::new(Metrics::default()),
    );
    assert!(matches!(
        writer.apply(FieldManager::ORDER, &config_map()).await,
        Err(Error::NotLeader)
    ));
    assert!(log.lock().unwrap().is_empty(), "no request may leave");
}

#[test]
fn managers_are_unique_and_short() {
    let mut names: Vec<&str> = FieldManager::ALL.iter().map(|m| m.as_str()).collect();
    assert!(
        names
            .iter()
            .all(|n| n.len() <= 128 && n.starts_with("trustbridge-"))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FieldManager::ALL.len());
}
