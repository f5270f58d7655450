//! The API server that the webhook needs, as little of it as that is: its Secret, its two configurations, one TunePod
//! and one ModelAsset. Plain HTTP on loopback.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsConnector;

#[derive(Default)]
struct Held {
    secret: Option<Value>,
    bundle: Option<Value>,
}

type Shared = Arc<Mutex<Held>>;

/// The double.
pub struct Api {
    held: Shared,
}

impl Api {
    /// Serves on a free port, and writes kubeconfig and the sentinel's settings into the folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        let held = Shared::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let server = format!("http://{}", listener.local_addr()?);
        let app = Router::new().fallback(answer).with_state(held.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {}}]});
        std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string())?;
        std::fs::write(folder.join("sentinel.json"), r#"{"image": "sentinel:1"}"#)?;
        Ok(Self { held })
    }

    fn entry(&self, name: &str) -> Result<Vec<u8>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = held.secret.as_ref().context("the webhook made no certificate")?;
        let text = secret.pointer(&format!("/data/{name}")).and_then(Value::as_str);
        Ok(BASE64.decode(
            text.with_context(|| format!("the Secret has no {name}"))?
                .as_bytes(),
        )?)
    }

    /// Writes the webhook's certificate and key for the peer.
    pub fn write_certificate(&self, folder: &Path) -> Result<()> {
        for name in ["tls.crt", "tls.key"] {
            std::fs::write(folder.join(name), self.entry(name)?)?;
        }
        Ok(())
    }

    /// TLS 1.3 as the API server speaks it, trusting the webhook's authority alone.
    pub fn connector(&self) -> Result<TlsConnector> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.entry("ca.crt")?)?)?;
        let config = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "trustbridge.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn configuration(path: &str, bundle: Option<&Value>) -> Value {
    let kind = if path.contains("/mutating") {
        "MutatingWebhookConfiguration"
    } else {
        "ValidatingWebhookConfiguration"
    };
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "trustbridge"},
        "webhooks": [{"name": "inject.trustbridge.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"caBundle": bundle}}]})
}

async fn answer(State(held): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    if uri.query().is_some_and(|q| q.contains("watch=")) {
        // Nothing changes here.
        return std::future::pending().await;
    }
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let found = if path.ends_with("/tunepods/order-1-0") {
        Some(object(
            "TunePod",
            "order-1-0",
            &json!({"orderRef": {"name": "order-1"}, "modelAssetRef": {"name": "asset-1"}, "contractId": "contract-1",
                "gpus": 1, "gpuSku": "s", "vmSize": "v"}),
        ))
    } else if path.ends_with("/modelassets/asset-1") {
        let spec = json!({"endpoint": "https://edc.example.com", "blobBaseUrl": "https://blob.example.com/m",
            "manifestSha256": "ab".repeat(32), "plaintextBytes": 40_000_000});
        Some(object("ModelAsset", "asset-1", &spec))
    } else if path.contains("webhookconfigurations/") {
        if method == Method::PATCH {
            held.bundle = sent.pointer("/webhooks/0/clientConfig/caBundle").cloned();
        }
        Some(configuration(path, held.bundle.as_ref()))
    } else if method == Method::POST || method == Method::PUT {
        let mut secret = sent;
        if let Some(metadata) = secret.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), "1".into());
        }
        held.secret = Some(secret.clone());
        Some(secret)
    } else if path.ends_with("/secrets") {
        let items: Vec<&Value> = held.secret.iter().collect();
        Some(
            json!({"apiVersion": "v1", "kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": items}),
        )
    } else {
        held.secret.clone().filter(|_| path.contains("/secrets/"))
    };
    if let Some(found) = found {
        return axum::Json(found).into_response();
    }
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "not found"});
    (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
}
