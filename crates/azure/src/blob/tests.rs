use super::*;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

/// Writes down what arrives; the first try of block 1 fails with 503.
async fn store() -> (String, Log) {
    let log = Log::default();
    let router = Router::new()
        .fallback(
            |State(log): State<Log>,
             uri: Uri,
             query: Query<HashMap<String, String>>,
             headers: HeaderMap,
             body: Bytes| async move {
                assert!(headers.contains_key("x-ms-date") && headers.contains_key("x-ms-version"));
                let comp = query.get("comp").cloned().unwrap_or_default();
                let id = query.get("blockid").cloned().unwrap_or_default();
                let mut log = log.lock().unwrap();
                let first = !log.iter().any(|(_, seen, _)| *seen == id);
                log.push((format!("{} {comp}", uri.path()), id, body.to_vec()));
                let busy = comp == "block"
                    && first
                    && log.iter().filter(|(what, ..)| what.ends_with(" block")).count() == 2;
                if busy {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::CREATED
                }
            },
        )
        .with_state(log.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/acct", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, log)
}

#[tokio::test]
async fn a_file_goes_up_in_blocks_and_a_busy_answer_is_tried_again() {
    let (endpoint, log) = store().await;
    let http = Client::builder()
        .system_bundle(false)
        .allow_loopback_http()
        .build()
        .unwrap();
    let key = SharedKey::from_base64("acct", "c2VjcmV0").unwrap();
    let client = BlobClient::new(http, &endpoint, Credential::SharedKey(key)).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"0123456789").unwrap();
    let options = UploadOptions {
        block_bytes: 4,
        parallel: 2,
        ..UploadOptions::default()
    };
    let deadline = Deadline::after(Duration::from_secs(20));
    assert_eq!(
        client
            .put_file("models", "a/b.tbenc", file.path(), options, deadline)
            .await
            .unwrap(),
        10
    );
    let log = log.lock().unwrap();
    let list = log.last().unwrap();
    assert_eq!(list.0, "/acct/models/a/b.tbenc blocklist");
    let ids: Vec<String> = (0..3)
        .map(|n| crate::sas::base64(format!("block-{n:08}").as_bytes()))
        .collect();
    let xml = String::from_utf8(list.2.clone()).unwrap();
    let listed = ids
        .iter()
        .flat_map(|id| ["<Latest>", id, "</Latest>"])
        .collect::<String>();
    assert!(xml.contains(&listed), "{xml}");
    let content: Vec<u8> = ids
        .iter()
        .flat_map(|id| log.iter().rfind(|(_, seen, _)| seen == id).unwrap().2.clone())
        .collect();
    assert_eq!(content, b"0123456789");
    assert_eq!(
        log.len(),
        3 + 1 + 1,
        "three blocks, one of them twice, and the list"
    );
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
