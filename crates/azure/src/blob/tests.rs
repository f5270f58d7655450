use super::*;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

/// Writes down what arrives: method and path, how it was authorised, the body.
async fn store() -> (String, Log) {
    let log = Log::default();
    let router = Router::new()
        .fallback(
            |State(log): State<Log>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                assert!(headers.contains_key("x-ms-date") && headers.contains_key("x-ms-version"));
                let authorisation = headers
                    .get("authorization")
                    .map(|value| value.to_str().unwrap().to_owned());
                let said = authorisation.unwrap_or_else(|| uri.query().unwrap_or_default().to_owned());
                let entry = (format!("{method} {}", uri.path()), said, body.to_vec());
                log.lock().unwrap().push(entry);
                StatusCode::CREATED
            },
        )
        .with_state(log.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/acct", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, log)
}

#[tokio::test]
async fn a_blob_is_written_in_one_request_with_either_credential() {
    let (endpoint, log) = store().await;
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let key = SharedKey::from_base64("acct", "c2VjcmV0").unwrap();
    for credential in [Credential::SharedKey(key), Credential::Sas("sig=x".to_owned())] {
        let client = BlobClient::new(http.clone(), &endpoint, credential).unwrap();
        let content = Bytes::from_static(b"0123456789");
        let deadline = Deadline::after(Duration::from_secs(20));
        client
            .put(
                "models",
                "a/b.tbenc",
                content,
                "application/octet-stream",
                deadline,
            )
            .await
            .unwrap();
    }
    let log = log.lock().unwrap();
    assert!(log[0].1.starts_with("SharedKey acct:"), "{}", log[0].1);
    assert_eq!(log[1].1, "sig=x");
    for (request, _, body) in log.iter() {
        assert_eq!(request, "PUT /acct/models/a/b.tbenc");
        assert_eq!(body, b"0123456789");
    }
}

#[test]
fn a_name_is_encoded_segment_by_segment() {
    let http = Client::builder().system_bundle(false).build().unwrap();
    let client = BlobClient::new(http, "https://h:1/acct/", Credential::Sas("sig=x".to_owned())).unwrap();
    assert_eq!(
        client.blob_url("c", "a b/ü?.tbenc").as_str(),
        "https://h:1/acct/c/a%20b/%C3%BC%3F.tbenc"
    );
}

#[test]
fn the_verdicts_follow_the_table_of_both_services() {
    use RangeVerdict::{Backoff, Changed, Fatal, Read, Reauthorise};
    for (status, code, verdict) in [
        (206, "", Read),
        (401, "", Reauthorise),
        (403, "AuthenticationFailed", Reauthorise),
        (403, "AuthorizationFailure", Reauthorise),
        (403, "AuthorizationPermissionMismatch", Fatal),
        (403, "AuthorizationSourceIPMismatch", Fatal),
        (403, "AuthorizationProtocolMismatch", Fatal),
        (404, "BlobNotFound", Fatal),
        (412, "ConditionNotMet", Changed),
        (416, "InvalidRange", Fatal),
        (429, "", Backoff),
        (500, "OperationTimedOut", Backoff),
        (503, "ServerBusy", Backoff),
    ] {
        assert_eq!(
            judge_range(StatusCode::from_u16(status).unwrap(), code),
            verdict,
            "{status} {code}"
        );
    }
}
