use super::{Client, Deadline, Error, redact};
use ::http::Request;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use std::time::Duration;

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn client() -> Client {
    Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .body_limit(64)
        .build()
        .unwrap()
}

fn request(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

#[test]
fn redaction_removes_query_fragment_and_user() {
    assert_eq!(
        redact("https://u:p@h.example:8/a/b?sig=x#y"),
        "https://h.example:8/a/b"
    );
    assert_eq!(redact("https://h?sig=x"), "https://h");
    assert_eq!(redact("https://h/a@b"), "https://h/a@b");
    assert_eq!(redact("/relative?sig=x"), "/relative");
}

#[tokio::test]
async fn an_answer_comes_back_whole_or_in_pieces() {
    let base = serve(Router::new().route("/x", get(|| async { "hello" }))).await;
    let whole = client()
        .send(request(&format!("{base}/x")), soon())
        .await
        .unwrap();
    assert_eq!(whole.body().as_ref(), b"hello");
    let mut body = client()
        .send_streaming(request(&format!("{base}/x")), soon())
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.announced_bytes(), Some(5));
    assert_eq!(body.chunk().await.unwrap().unwrap().as_ref(), b"hello");
    assert!(body.chunk().await.is_none());
}

#[tokio::test]
async fn redirects_are_answers_and_not_followed() {
    let base = serve(Router::new().route("/x", get(|| async { axum::response::Redirect::to("/y") }))).await;
    let answer = client()
        .send(request(&format!("{base}/x")), soon())
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_without_the_query() {
    let base = serve(Router::new().route("/x", get(|| async { "y".repeat(65) }))).await;
    let error = client()
        .send(request(&format!("{base}/x?sig=secret")), soon())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BodyTooLarge { limit: 64, .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_silent_server_ends_at_the_deadline() {
    let base = serve(Router::new().route("/x", get(std::future::pending::<String>))).await;
    let started = tokio::time::Instant::now();
    let error = client()
        .send(
            request(&format!("{base}/x?sig=secret")),
            Deadline::after(Duration::from_millis(50)),
        )
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }) && error.is_transient());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn plain_http_is_refused_unless_allowed_and_loopback() {
    let strict = Client::builder().system_bundle(false).build().unwrap();
    let error = strict
        .send(request("http://127.0.0.1:1/x?sig=secret"), soon())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let error = client()
        .send(request("http://192.0.2.1/x"), soon())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_a_transient_error_that_says_so() {
    let error = client()
        .send(request("http://127.0.0.1:1/x?sig=secret"), soon())
        .await
        .unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_missing_ca_file_names_the_file() {
    let error = Client::builder().ca_file("no/such/ca.crt").build().unwrap_err();
    assert!(error.to_string().contains("CA file no/such/ca.crt"), "{error}");
}
