use super::{Error, Heart, micro_time};
use crate::config::LeaseSettings;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum_server::tls_rustls::RustlsConfig;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked: method, path and query, content type, authorization, body.
type Asked = [String; 5];

/// An API server that keeps what it is asked and answers with a status that can be set.
#[derive(Default)]
struct ApiServer {
    asked: Mutex<Vec<Asked>>,
    status: Mutex<StatusCode>,
}

impl ApiServer {
    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

async fn answer(State(server): State<Arc<ApiServer>>, request: Request<axum::body::Body>) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let body = body.collect().await.unwrap().to_bytes();
    let asked = [
        parts.method.to_string(),
        parts.uri.to_string(),
        header("content-type"),
        header("authorization"),
        String::from_utf8(body.to_vec()).unwrap(),
    ];
    server.asked.lock().unwrap().push(asked);
    let status = *server.status.lock().unwrap();
    (status, [("retry-after", "3")], "{}").into_response()
}

/// Listens with a certificate of an authority of its own, which is written to `ca`.
async fn start(ca: &Path) -> (Arc<ApiServer>, u16) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let (issuer, leaf_key) = (Issuer::new(params, key), KeyPair::generate().unwrap());
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let tls = RustlsConfig::from_pem(leaf.pem().into_bytes(), leaf_key.serialize_pem().into_bytes());
    let tls = tls.await.unwrap();
    let server = Arc::new(ApiServer::default());
    let router = Router::new()
        .fallback(any(answer))
        .with_state(Arc::clone(&server));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let serving = axum_server::from_tcp_rustls(listener, tls).unwrap();
        serving.serve(router.into_make_service()).await
    });
    (server, port)
}

fn heart(dir: &Path, port: u16) -> Heart {
    let settings = LeaseSettings {
        namespace: "tb-acme-protected".to_owned(),
        name: "tp-order-1-0-heartbeat".to_owned(),
        server: format!("https://127.0.0.1:{port}"),
        token_path: dir.join("token"),
        ca_path: dir.join("ca.crt"),
    };
    Heart::new(settings, "boot-1".to_owned())
}

fn moment(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

#[tokio::test]
async fn a_beat_applies_its_moment_with_the_token_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let (server, port) = start(&dir.path().join("ca.crt")).await;
    let mut heart = heart(dir.path(), port);
    std::fs::write(dir.path().join("token"), "first\n").unwrap();
    heart.beat(moment(1_795_000_000)).await.unwrap();
    let [method, uri, kind, authorization, body] = server.last();
    assert_eq!(
        (method.as_str(), kind.as_str(), authorization.as_str()),
        ("PATCH", "application/apply-patch+yaml", "Bearer first")
    );
    assert_eq!(
        uri,
        "/apis/coordination.k8s.io/v1/namespaces/tb-acme-protected/leases/tp-order-1-0-heartbeat?fieldManager=trustbridge-sentinel&force=true"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["metadata"]["name"], "tp-order-1-0-heartbeat");
    assert_eq!(body["spec"]["holderIdentity"], "boot-1");
    assert_eq!(body["spec"]["renewTime"], "2026-11-18T11:06:40.000000Z");
    assert_eq!(
        body["spec"].as_object().unwrap().len(),
        3,
        "the rest is the operator's"
    );
    // The kubelet writes a new one.
    std::fs::write(dir.path().join("token"), "second").unwrap();
    heart.beat(moment(1_795_000_010)).await.unwrap();
    assert_eq!(server.last()[3], "Bearer second");
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let (server, port) = start(&dir.path().join("ca.crt")).await;
    let mut heart = heart(dir.path(), port);
    let missing = heart.beat(moment(0)).await.unwrap_err();
    assert!(
        missing.to_string().starts_with("TB_API_TOKEN_PATH: "),
        "{missing}"
    );
    std::fs::write(dir.path().join("token"), " \n").unwrap();
    assert!(matches!(heart.beat(moment(0)).await, Err(Error::NoToken(_))));
    std::fs::write(dir.path().join("token"), "secret\u{7f}token").unwrap();
    let odd = heart.beat(moment(0)).await.unwrap_err();
    assert!(!odd.to_string().contains("secret"), "{odd}");
    assert!(server.asked.lock().unwrap().is_empty(), "nothing was sent");
    std::fs::write(dir.path().join("token"), "secret-token").unwrap();
    *server.status.lock().unwrap() = StatusCode::TOO_MANY_REQUESTS;
    let refused = heart.beat(moment(0)).await.unwrap_err();
    assert_eq!(refused.wait(), Some(Duration::from_secs(3)));
    assert!(
        !format!("{refused} {refused:?}").contains("secret"),
        "{refused:?}"
    );
    *server.status.lock().unwrap() = StatusCode::OK;
    heart.beat(moment(0)).await.unwrap();
}

#[tokio::test]
async fn another_authority_is_refused_until_it_is_the_clusters() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, port) = start(&other.path().join("ca.crt")).await;
    let (mine, _) = start(&dir.path().join("ca.crt")).await;
    let mut heart = heart(dir.path(), port);
    std::fs::write(dir.path().join("token"), "t").unwrap();
    assert!(matches!(heart.beat(moment(0)).await, Err(Error::Http(_))));
    let unasked = |server: &ApiServer| server.asked.lock().unwrap().is_empty();
    assert!(unasked(&server) && unasked(&mine), "the token went nowhere");
    std::fs::copy(other.path().join("ca.crt"), dir.path().join("ca.crt")).unwrap();
    heart.beat(moment(0)).await.unwrap();
    assert!(!unasked(&server));
}

#[test]
fn a_moment_has_six_digits_behind_the_second() {
    assert_eq!(micro_time(moment(0)), "1970-01-01T00:00:00.000000Z");
    let odd = jiff::Timestamp::new(1, 123_456_789).unwrap();
    assert_eq!(micro_time(odd), "1970-01-01T00:00:01.123456Z");
}
