//! The ARM double behind the boundary: every call but that for a token has a number.

use super::boundary::{Boundary, Late, Verdict};
use crate::nodepool::aks::Aks;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;
use tokio::task::AbortHandle;
use tower::ServiceExt as _;
use trustbridge_azure::arm::{API_VERSION, AgentPools, Cluster};
use trustbridge_azure::http::Client;
use trustbridge_azure::token::{ARM_SCOPE, Identity, Proof, TokenSource};
use trustbridge_simkit::arm::{Arm, Settings};

/// The double, listening.
pub(super) struct Azure {
    base: String,
    http: Client,
    secret: NamedTempFile,
    made: Arc<Mutex<BTreeSet<String>>>,
    serving: AbortHandle,
    /// The double itself, without the boundary.
    inner: Router,
}

#[derive(Clone)]
struct Door {
    boundary: Boundary,
    made: Arc<Mutex<BTreeSet<String>>>,
}

impl Azure {
    pub(super) async fn start(boundary: &Boundary) -> Self {
        let made = Arc::default();
        let door = Door {
            boundary: boundary.clone(),
            made: Arc::clone(&made),
        };
        let settings = Settings {
            retry_after: 0,
            ..Settings::default()
        };
        let inner = Arm::new(settings, None).router();
        let router = inner.clone().layer(middleware::from_fn_with_state(door, through));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        let http = Client::builder().system_bundle(false).allow_loopback_http();
        let secret = NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "s3cret\n").expect("a written file");
        Self {
            base,
            http: http.build().expect("a client"),
            secret,
            made,
            serving: task.abort_handle(),
            inner,
        }
    }

    /// A request that nobody waits for any more.
    pub(super) async fn land(&self, request: http::Request<Bytes>) {
        let is_put = request.method() == http::Method::PUT;
        let path = request.uri().path().to_owned();
        let answer = self.ask(request.map(Body::from)).await;
        if is_put && answer.status().is_success() {
            self.made
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(path);
        }
    }

    /// The next PUT fails, and is on its way until [`Azure::late_put_lands`].
    pub(super) async fn put_lands_late(&self) {
        let fault = json!({"code": "GatewayTimeout", "status": 504, "where": "late", "looks": u32::MAX, "message": "no answer in time"});
        self.refuses(&json!([fault])).await;
    }

    /// What the next PUTs of pools are answered with; an empty list ends it.
    pub(super) async fn refuses(&self, faults: &Value) {
        let request = Request::put("/_double/faults").header("content-type", "application/json");
        let body = Body::from(json!({"create": faults}).to_string());
        let answer = self.ask(request.body(body).expect("a request")).await;
        assert!(answer.status().is_success(), "{answer:?}");
    }

    pub(super) async fn late_put_lands(&self) {
        let body = self.read(Request::post("/_double/land")).await;
        assert_eq!(body, r#"{"landed":true}"#);
    }

    /// Names of the pools that are there.
    pub(super) async fn pools(&self) -> Vec<String> {
        let body = self.read(Request::get("/_double/ledger")).await;
        let ledger: Value = serde_json::from_slice(&body).expect("the ledger");
        let pools = ledger["pools"].as_array().expect("pools");
        pools
            .iter()
            .map(|pool| pool["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// What the double says of itself there.
    async fn read(&self, of: axum::http::request::Builder) -> Bytes {
        let answer = self.ask(of.body(Body::empty()).expect("a request")).await;
        answer.into_body().collect().await.expect("a body").to_bytes()
    }

    async fn ask(&self, request: Request) -> Response {
        let Ok(answer) = self.inner.clone().oneshot(request).await;
        answer
    }

    /// The provider, as a new process makes it.
    pub(super) fn provider(&self) -> Aks {
        let identity = Identity {
            authority: self.base.clone(),
            tenant: "tenant".to_owned(),
            client_id: "client".to_owned(),
            scope: ARM_SCOPE.to_owned(),
            proof: Proof::ClientSecretFile(self.secret.path().to_owned()),
        };
        let cluster = Cluster {
            endpoint: self.base.parse().expect("a URL"),
            subscription: "sub".to_owned(),
            resource_group: "rg".to_owned(),
            cluster: "aks".to_owned(),
            api_version: API_VERSION.to_owned(),
        };
        let tokens = Arc::new(TokenSource::new(self.http.clone(), identity));
        Aks::new(AgentPools::new(self.http.clone(), tokens, cluster))
    }

    pub(super) fn http(&self) -> Client {
        self.http.clone()
    }

    /// Pools that were ever accepted, by name.
    pub(super) fn made(&self) -> usize {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn through(State(door): State<Door>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path.contains("/oauth2/") {
        return next.run(request).await;
    }
    let is_put = request.method() == http::Method::PUT;
    let verdict = door.boundary.pass(&format!("ARM {} {path}", request.method()));
    match verdict {
        Verdict::Nothing => cut(),
        Verdict::Refuse(code) => refuse(code),
        Verdict::Later => {
            let (head, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            door.boundary.hold(Late::Arm(Request::from_parts(head, body)));
            cut()
        }
        Verdict::Go | Verdict::GoUnheard => {
            let answer = next.run(request).await;
            if is_put && answer.status().is_success() {
                let mut made = door.made.lock().unwrap_or_else(PoisonError::into_inner);
                made.insert(path);
            }
            if verdict == Verdict::Go { answer } else { cut() }
        }
    }
}

/// A connection that breaks before the answer is whole.
fn cut() -> Response {
    let broken = futures::stream::iter([Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset))]);
    Response::new(Body::from_stream(broken))
}

fn refuse(code: u16) -> Response {
    let (word, message) = match code {
        409 => (
            "OperationNotAllowed",
            "Operation is not allowed because there's an in progress update managed cluster operation",
        ),
        429 => ("TooManyRequests", "The request is being throttled"),
        _ => ("InternalServerError", "An internal server error occurred"),
    };
    let body = json!({"error": {"code": word, "message": message}});
    let builder = Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .header("retry-after", "1");
    builder.body(Body::from(body.to_string())).expect("an answer")
}
