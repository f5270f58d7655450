//! Control plane and blob store, each over TLS with a certificate of the world's own authority.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, patch, post};
use axum_server::tls_rustls::RustlsConfig;
use http::{HeaderMap, Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use trustbridge_tbenc::Key;

use super::Asset;
use super::asset::ID;

pub struct Servers {
    pub control: SocketAddr,
    pub metering: SocketAddr,
    pub world: Arc<Shared>,
    _tokio: tokio::runtime::Runtime,
}

pub struct Shared {
    pub blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    pub key: Mutex<String>,
    /// Answered in place of the usual, once each.
    pub answers: Mutex<Vec<Value>>,
    /// What the control plane was asked.
    pub questions: Mutex<Vec<Value>>,
    /// The SAS that is valid now; every authorisation makes the next one valid.
    pub sas: AtomicUsize,
    /// Ranges after which the SAS runs out; once.
    pub expire_after: Mutex<Option<usize>>,
    /// Ranges served so far, and ciphertext requests of any kind.
    pub ranges: AtomicUsize,
    pub refused: AtomicUsize,
    /// Serves no more ranges than this.
    pub stall_after: AtomicUsize,
    pub lifetime_s: AtomicUsize,
    pub anchored: Mutex<Option<String>>,
    /// Usage events that were sent, and whether the service answers 503 instead of refusing them.
    pub metered: Mutex<Vec<Value>>,
    pub metering_down: AtomicBool,
    /// Tokens and bodies with which the Lease was renewed, and whether the API server answers 503 instead.
    pub beats: Mutex<Vec<(String, Value)>>,
    pub api_down: AtomicBool,
    paths: Vec<String>,
    directory: bool,
    blob: Mutex<String>,
}

impl Servers {
    pub fn start(asset: &Asset, dir: &Path, own: Ipv4Addr) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut blobs = asset.blobs.clone();
        blobs.insert("model.manifest.json".to_owned(), asset.manifest.clone());
        let world = Arc::new(Shared {
            paths: asset.plain.keys().cloned().collect(),
            blobs: Mutex::new(blobs),
            key: Mutex::new(asset.key.to_hex().to_string()),
            answers: Mutex::default(),
            questions: Mutex::default(),
            sas: AtomicUsize::new(0),
            expire_after: Mutex::default(),
            ranges: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            stall_after: AtomicUsize::new(usize::MAX),
            lifetime_s: AtomicUsize::new(3600),
            anchored: Mutex::new(None),
            metered: Mutex::default(),
            metering_down: AtomicBool::new(false),
            beats: Mutex::default(),
            api_down: AtomicBool::new(false),
            directory: asset.directory,
            blob: Mutex::default(),
        });
        let tls = tokio.block_on(tls(dir, own));
        let control = axum::Router::new()
            .route("/api/v1/license/authorize", post(authorize))
            .route(
                "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}",
                patch(renew),
            )
            .with_state(world.clone());
        let blob = axum::Router::new()
            .route("/c/models/{*blob}", any(serve_blob))
            .with_state(world.clone());
        let metering = axum::Router::new()
            .route("/api/usageEvent", post(meter))
            .route("/tenant/oauth2/v2.0/token", post(token))
            .with_state(world.clone());
        let metering = serve(&tokio, metering, tls.clone());
        let control = serve(&tokio, control, tls.clone());
        let blob = serve(&tokio, blob, tls);
        *world.blob.lock().unwrap() = blob.to_string();
        Self {
            control,
            metering,
            world,
            _tokio: tokio,
        }
    }
}

async fn tls(dir: &Path, own: Ipv4Addr) -> RustlsConfig {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    std::fs::write(dir.join("ca.crt"), ca.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), own.to_string()])
        .unwrap()
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    std::fs::write(dir.join("leaf.crt"), leaf.pem()).unwrap();
    std::fs::write(dir.join("leaf.key"), leaf_key.serialize_pem()).unwrap();
    RustlsConfig::from_pem(leaf.pem().into_bytes(), leaf_key.serialize_pem().into_bytes())
        .await
        .unwrap()
}

fn serve(tokio: &tokio::runtime::Runtime, router: axum::Router, tls: RustlsConfig) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    tokio.spawn(async move {
        axum_server::from_tcp_rustls(listener, tls)
            .unwrap()
            .serve(router.into_make_service())
            .await
    });
    address
}

async fn authorize(State(world): State<Arc<Shared>>, Json(question): Json<Value>) -> Json<Value> {
    let denied = question["contract_id"] != "contract-allow";
    world.questions.lock().unwrap().push(question);
    let mut answers = world.answers.lock().unwrap();
    if !answers.is_empty() {
        return Json(answers.remove(0));
    }
    if denied {
        return Json(json!({"status": "denied", "reason": "contract_unknown"}));
    }
    let sas = world.sas.fetch_add(1, Ordering::SeqCst) + 1;
    let host = world.blob.lock().unwrap().clone();
    let url = |blob: &str| format!("https://{host}/c/models/{ID}/{blob}?sv=2022-11-02&sig=secret-{sas}");
    let life =
        jiff::SignedDuration::from_secs(i64::try_from(world.lifetime_s.load(Ordering::SeqCst)).unwrap());
    let mut answer = json!({
        "status": "authorized",
        "sas_url": url("model.tbenc"),
        "manifest_url": url("model.manifest.json"),
        "decryption_key_hex": *world.key.lock().unwrap(),
        "expires_at": (jiff::Timestamp::now() + life).to_string(),
    });
    if world.directory {
        let files = world
            .paths
            .iter()
            .map(|path| json!({"path": path, "url": url(&format!("files/{path}.tbenc"))}));
        answer["files"] = files.collect();
    }
    if let Some(digest) = &*world.anchored.lock().unwrap() {
        answer["manifest_sha256"] = json!(digest);
    }
    Json(answer)
}

/// The API server, beside the control plane.
async fn renew(
    State(world): State<Arc<Shared>>,
    UrlPath((namespace, name)): UrlPath<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    assert_eq!(
        (namespace.as_str(), name.as_str()),
        ("tb-acme-protected", "tp-x-heartbeat")
    );
    let token = headers["authorization"].to_str().unwrap().to_owned();
    let body = serde_json::from_str(&body).unwrap();
    world.beats.lock().unwrap().push((token, body));
    if world.api_down.load(Ordering::SeqCst) {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

async fn token(body: String) -> Json<Value> {
    assert!(body.contains("client_assertion=secret-assertion"), "{body}");
    Json(json!({"access_token": "t0ken", "expires_in": 3600}))
}

/// A resource that is not active.
async fn meter(State(world): State<Arc<Shared>>, headers: HeaderMap, Json(event): Json<Value>) -> Response {
    assert_eq!(headers["authorization"], "Bearer t0ken");
    world.metered.lock().unwrap().push(event);
    if world.metering_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let error = json!({"code": "ResourceNotActive", "message": "The resource is not active."});
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

#[derive(Deserialize)]
struct Sas {
    sig: String,
}

async fn serve_blob(
    State(world): State<Arc<Shared>>,
    method: Method,
    UrlPath(path): UrlPath<String>,
    Query(sas): Query<Sas>,
    headers: HeaderMap,
) -> Response {
    if sas.sig != format!("secret-{}", world.sas.load(Ordering::SeqCst)) {
        world.refused.fetch_add(1, Ordering::SeqCst);
        let body = "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code></Error>";
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    let name = path.strip_prefix(&format!("{ID}/")).unwrap_or_default();
    let Some(bytes) = world.blobs.lock().unwrap().get(name).cloned() else {
        return (StatusCode::NOT_FOUND, "<Error><Code>BlobNotFound</Code></Error>").into_response();
    };
    let etag = "\"0x8D\"";
    if method == Method::HEAD {
        let length = bytes.len().to_string();
        return (
            [("etag", etag), ("content-length", length.as_str())],
            Body::empty(),
        )
            .into_response();
    }
    let Some(range) = headers
        .get("range")
        .map(|range| range.to_str().unwrap().to_owned())
    else {
        return ([("etag", etag)], bytes).into_response();
    };
    assert_eq!(headers["if-match"], etag);
    let served = world.ranges.fetch_add(1, Ordering::SeqCst) + 1;
    if served > world.stall_after.load(Ordering::SeqCst) {
        return std::future::pending().await;
    }
    let mut expire = world.expire_after.lock().unwrap();
    if expire.is_some_and(|after| served >= after) {
        *expire = None;
        // Whoever comes with the old one is refused, until somebody authorises again.
        world.sas.fetch_add(1, Ordering::SeqCst);
    }
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    let told = format!("bytes {start}-{end}/{}", bytes.len());
    let part = bytes[start..=end].to_vec();
    (
        StatusCode::PARTIAL_CONTENT,
        [("etag", etag), ("content-range", told.as_str())],
        part,
    )
        .into_response()
}

/// The key of nobody.
pub fn other_key() -> String {
    Key::generate().unwrap().to_hex().to_string()
}
