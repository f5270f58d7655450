use super::router;
use crate::audit::Audit;
use crate::billing::{Billing, Counter};
use crate::config::Config;
use crate::shared::Shared;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt;
use trustbridge_domain::sentinel::{Cause, Offer, State};

async fn get(shared: &Arc<Shared>, path: &str) -> (u16, String) {
    get_from(shared, path, "127.0.0.1:4000", None).await
}

/// From that address; in the pod of that UID.
async fn get_from(shared: &Arc<Shared>, path: &str, peer: &str, pod: Option<&str>) -> (u16, String) {
    let audit = Arc::new(Audit::open(None, "contract-allow", "asset").unwrap());
    ask(shared, path, peer, pod, Some(audit)).await
}

/// The same at a moment at which the log may not be open yet.
async fn ask(
    shared: &Arc<Shared>,
    path: &str,
    peer: &str,
    pod: Option<&str>,
    audit: Option<Arc<Audit>>,
) -> (u16, String) {
    let peer: SocketAddr = peer.parse().unwrap();
    let vars = [
        ("TB_CONTRACT_ID", "contract-allow"),
        ("TB_ASSET_ID", "asset"),
        ("TB_EDC_ENDPOINT", "https://control.example"),
    ];
    let vars = vars.into_iter().chain(pod.map(|uid| ("TB_POD_UID", uid)));
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(vars).unwrap().config;
    let audit = Arc::new(audit.map(OnceLock::from).unwrap_or_default());
    let dir = tempfile::tempdir().unwrap();
    let billing = Arc::new(Billing::open(dir.path()).unwrap());
    billing.count(Counter::Requests, 3);
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router(&config, shared.clone(), audit, billing)
        .layer(MockConnectInfo(peer))
        .oneshot(request)
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn probes_follow_the_state() {
    let shared = Shared::new();
    let decrypt = State::Decrypt { delivered: false };
    for state in [State::Hydrate(Offer::Open), decrypt] {
        shared.enter(state, "", "");
        let status = get(&shared, "/startupz").await.0;
        assert_eq!(status, 503, "{state:?}: the files have no names yet");
    }
    shared.facts.set_offered(true);
    for (state, startup, ready) in [
        (State::Boot, 503, 503),
        (State::Authorize, 503, 503),
        (State::Hydrate(Offer::None), 503, 503),
        (State::Hydrate(Offer::Open), 200, 503),
        (State::Hydrate(Offer::Taken), 200, 503),
        (decrypt, 200, 503),
        (State::Ready, 200, 200),
        (State::Suspended(Cause::Denied), 503, 503),
    ] {
        shared.enter(state, "", "");
        for path in ["/startupz", "/readiness"] {
            assert_eq!(get(&shared, path).await.0, startup, "{state:?} {path}");
        }
        for path in ["/readyz", "/health"] {
            assert_eq!(get(&shared, path).await.0, ready, "{state:?} {path}");
        }
        assert_eq!(get(&shared, "/livez").await.0, 200);
    }
}

/// The first random number of a process takes its time: the kubelet does not wait for the key of the log.
#[tokio::test]
async fn probes_are_answered_before_there_is_a_log() {
    let shared = Shared::new();
    for (path, status) in [
        ("/livez", 200),
        ("/startupz", 503),
        ("/readyz", 503),
        ("/metrics", 200),
        ("/status", 200),
    ] {
        let (told, body) = ask(&shared, path, "127.0.0.1:4000", None, None).await;
        assert_eq!(told, status, "{path}");
        assert!(!body.contains("audit"), "{body}");
    }
}

#[tokio::test]
async fn status_tells_state_and_reason() {
    let shared = Shared::new();
    shared.enter(State::Suspended(Cause::Denied), "contract_unknown", "because");
    let (_, body) = get(&shared, "/status").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["state"], "Suspended");
    assert_eq!(json["reason"], "contract_unknown");
    assert_eq!(json["contract_id"], "contract-allow");
    // The log begins with a signed line.
    assert_eq!(json["audit"]["seq"], 1);
    assert!(get(&shared, "/startupz").await.1.contains("contract_unknown"));
}

#[tokio::test]
async fn usage_is_whole_once_nothing_more_can_come() {
    let shared = Shared::new();
    shared.enter(State::Ready, "", "");
    let (status, body) = get(&shared, "/usage?after=0").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &json["records"], &json["last"]),
        (200, &serde_json::json!([]), &0.into())
    );
    shared.set_draining(true);
    let (_, body) = get(&shared, "/usage").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["records"][0]["counters"], serde_json::json!({"requests": 3}));
    // The reader checks the hash over the very bytes: it comes last, and is over `prev` and the rest.
    let (_, record) = body.split_once("\"records\":[").unwrap();
    let (rest, hash) = record.rsplit_once(",\"hash\":\"").unwrap();
    let mut digest = trustbridge_tbenc::Sha256::new();
    digest.update(json["records"][0]["prev"].as_str().unwrap().as_bytes());
    digest.update(format!("{rest}}}").as_bytes());
    assert_eq!(hash, format!("{}\"}}]}}", digest.finish_hex()));
    assert_eq!(get(&shared, "/usage?after=7&ack=00").await.0, 409);
    assert_eq!(get(&shared, "/usage?after=-1").await.0, 400);
}

#[tokio::test]
async fn a_container_of_the_pod_neither_drains_nor_acknowledges() {
    let shared = Shared::new();
    shared.enter(State::Ready, "", "");
    let ack = "/usage?after=0&ack=00";
    for inside in ["127.0.0.1:4000", "[::1]:4000"] {
        for path in ["/drain?wait=0", ack] {
            let (status, text) = get_from(&shared, path, inside, Some("uid-1")).await;
            assert_eq!(status, 403, "{inside} {path}");
            assert!(text.contains("inside this pod"), "{text}");
        }
        for path in ["/status", "/readyz", "/livez", "/metrics", "/usage"] {
            assert_eq!(
                get_from(&shared, path, inside, Some("uid-1")).await.0,
                200,
                "{path}"
            );
        }
    }
    assert!(!shared.is_draining());
    let outside = "192.0.2.7:4000";
    let (_, body) = get_from(&shared, "/usage", outside, Some("uid-1")).await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["pod"], "uid-1");
    assert_eq!(get_from(&shared, ack, outside, Some("uid-1")).await.0, 200);
    assert_eq!(
        get_from(&shared, "/drain?wait=1", outside, Some("uid-1")).await.0,
        200
    );
    assert!(shared.is_draining());
    // A machine of its own has no neighbours to fear.
    let shared = Shared::new();
    assert_eq!(get(&shared, "/drain?wait=1").await.0, 200);
}

#[tokio::test]
async fn a_drain_that_means_another_pod_is_refused() {
    let shared = Shared::new();
    shared.enter(State::Ready, "", "");
    let outside = "192.0.2.7:4000";
    let (status, text) = get_from(&shared, "/drain?wait=1&pod=uid-2", outside, Some("uid-1")).await;
    assert_eq!(status, 409);
    assert!(text.contains("uid-2") && text.contains("uid-1"), "{text}");
    // A machine that is no pod at all.
    assert_eq!(get(&shared, "/drain?wait=1&pod=uid-2").await.0, 409);
    assert!(!shared.is_draining());
    let (status, _) = get_from(&shared, "/drain?wait=1&pod=uid-1", outside, Some("uid-1")).await;
    assert_eq!(status, 200);
    assert!(shared.is_draining());
}

#[tokio::test]
async fn a_page_says_whether_more_can_come() {
    let shared = Shared::new();
    shared.enter(State::Ready, "", "");
    for draining in [false, true, false] {
        // The last one: a runtime that loaded anew.
        shared.set_draining(draining);
        let (_, body) = get(&shared, "/usage").await;
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["draining"], draining);
    }
}

#[tokio::test]
async fn draining_fails_readiness() {
    let shared = Shared::new();
    shared.enter(State::Ready, "", "");
    assert_eq!(get(&shared, "/drain?wait=1").await, (200, "drained\n".to_owned()));
    assert_eq!(get(&shared, "/readyz").await.0, 503);
    assert!(
        get(&shared, "/metrics")
            .await
            .1
            .contains("trustbridge_sentinel_state")
    );
}
