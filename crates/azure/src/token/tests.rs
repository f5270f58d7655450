use super::cache::{LONGEST_LIFE, kept_for};
use super::*;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use std::sync::{Arc, Mutex as StdMutex};

type Seen = Arc<StdMutex<Vec<String>>>;

async fn authority() -> (String, Seen) {
    let seen = Seen::default();
    let answer = |State(seen): State<Seen>, body: String| async move {
        let refuse = body.contains("wrong");
        seen.lock().unwrap().push(body);
        if refuse {
            let text = "AADSTS7000215: Invalid client secret provided.";
            let body = serde_json::json!({"error": "invalid_client", "error_description": text});
            return (::http::StatusCode::UNAUTHORIZED, Json(body));
        }
        (
            ::http::StatusCode::OK,
            Json(serde_json::json!({"access_token": "t0ken", "expires_in": 100})),
        )
    };
    let router = Router::new()
        .route("/tenant/oauth2/v2.0/token", post(answer))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

fn source(authority: String, proof: Proof) -> TokenSource {
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let identity = Identity {
        authority,
        tenant: "tenant".to_owned(),
        client_id: "client".to_owned(),
        scope: ARM_SCOPE.to_owned(),
        proof,
    };
    TokenSource::new(http, identity)
}

fn soon() -> Deadline {
    Deadline::after(std::time::Duration::from_secs(20))
}

#[tokio::test]
async fn a_token_is_kept_and_the_file_is_read_again_for_the_next_one() {
    let (url, seen) = authority().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let source = source(url, Proof::AssertionFile(file.path().to_owned()));
    assert_eq!(source.token(soon()).await.unwrap().expose(), "t0ken");
    source.token(soon()).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1);
    std::fs::write(file.path(), "second").unwrap();
    source.forget().await;
    source.token(soon()).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen[0].contains("client_assertion=first") && seen[0].contains("jwt-bearer"));
    assert!(seen[1].contains("client_assertion=second"));
}

#[tokio::test]
async fn a_refusal_names_the_number_and_not_the_secret() {
    let (url, _) = authority().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "wrong").unwrap();
    let source = source(url, Proof::ClientSecretFile(file.path().to_owned()));
    let error = source.token(soon()).await.unwrap_err();
    assert!(
        error.to_string().contains("invalid_client AADSTS7000215"),
        "{error}"
    );
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn an_empty_file_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let source = source(
        "https://h".to_owned(),
        Proof::ClientSecretFile(file.path().to_owned()),
    );
    let error = source.token(soon()).await.unwrap_err();
    assert!(error.to_string().contains("it is empty"), "{error}");
}

#[test]
fn a_life_of_any_length_is_bounded() {
    assert_eq!(kept_for(100), std::time::Duration::from_secs(80));
    assert_eq!(
        kept_for(u64::MAX),
        std::time::Duration::from_secs(LONGEST_LIFE) * 4 / 5
    );
}

#[tokio::test]
async fn a_managed_identity_is_asked_once_with_its_header() {
    let seen = Seen::default();
    let answer = |State(seen): State<Seen>, request: axum::extract::Request| async move {
        assert_eq!(request.headers()["metadata"], "true");
        seen.lock().unwrap().push(request.uri().to_string());
        Json(serde_json::json!({"access_token": "t0ken", "expires_in": "100", "token_type": "Bearer"}))
    };
    let router = Router::new()
        .route("/identity", axum::routing::get(answer))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/identity", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let identity = ManagedIdentity::new(http.clone(), "resource", Some("client".to_owned())).at(url.leak());
    let (one, two) = tokio::join!(identity.token(soon()), identity.token(soon()));
    assert_eq!((one.unwrap().expose(), two.unwrap().expose()), ("t0ken", "t0ken"));
    assert_eq!(
        *seen.lock().unwrap(),
        ["/identity?api-version=2018-02-01&resource=resource&client_id=client"]
    );
    identity.forget().await;
    identity.token(soon()).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    let nobody = ManagedIdentity::new(http, "resource", None).at("http://127.0.0.1:1/identity");
    assert!(nobody.token(soon()).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn the_metadata_service_is_the_only_place_without_tls() {
    let http = Client::builder()
        .system_bundle(false)
        .allow_instance_metadata()
        .build()
        .unwrap();
    let request = ::http::Request::get("http://127.0.0.1:1/x")
        .body(Bytes::new())
        .unwrap();
    let error = http.send(request, soon()).await.unwrap_err();
    assert!(matches!(error, http::Error::Refused { .. }), "{error}");
}
