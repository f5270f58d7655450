//! A model server that reads its weights from FIFOs, as a loader does, and then answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use trustbridge_tbenc::hex_digest;

use super::{World, eventually};

type Loaded = Arc<Mutex<Option<BTreeMap<String, String>>>>;

pub struct Runtime {
    loaded: Loaded,
    tokio: tokio::runtime::Runtime,
}

impl Runtime {
    /// Listens, waits for the signal, reads every file to its end, is healthy.
    pub fn start(world: &World, weights: Vec<PathBuf>) -> Self {
        let loaded = Loaded::default();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let router = axum::Router::new()
            .route("/health", get(health))
            .route("/v1/demo", get(demo))
            .route("/v1/completions", post(echo))
            .route("/v1/chat/completions", post(stream))
            .with_state(loaded.clone());
        let address: SocketAddr = world.runtime;
        tokio.spawn(async move {
            let listener = loop {
                match tokio::net::TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            axum::serve(listener, router).await
        });
        let (signal, done) = (world.ready_signal(), loaded.clone());
        tokio.spawn_blocking(move || {
            eventually("the ready signal", || signal.exists());
            let read = weights.iter().map(|path| {
                let bytes = std::fs::read(path).unwrap();
                (
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    hex_digest(&bytes),
                )
            });
            let read = read.collect();
            *done.lock().unwrap() = Some(read);
        });
        Self { loaded, tokio }
    }

    pub fn sums(&self) -> BTreeMap<String, String> {
        eventually("the weights", || self.loaded.lock().unwrap().is_some());
        self.loaded.lock().unwrap().clone().unwrap()
    }

    /// As if the container died.
    pub fn die(self) {
        self.tokio.shutdown_background();
    }
}

async fn health(State(loaded): State<Loaded>) -> StatusCode {
    if loaded.lock().unwrap().is_some() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn demo(State(loaded): State<Loaded>, headers: HeaderMap) -> Json<Value> {
    let seen: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    Json(json!({"loaded": true, "files": *loaded.lock().unwrap(), "headers": seen}))
}

/// Says back what it was told; `think` makes it think for ever.
async fn echo(body: String) -> String {
    if body == "think" {
        std::future::pending::<()>().await;
    }
    body
}

async fn stream() -> Response {
    let usage = |made: u32| format!("{{\"prompt_tokens\":3,\"completion_tokens\":{made}}}");
    let event = |n: u32| format!("data: {{\"n\":{n},\"usage\":{}}}\n\n", usage(n));
    let events = [event(1), event(2), "data: [DONE]\n\n".to_owned()];
    let events = futures::stream::iter(events).then(|event| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, std::io::Error>(event)
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}
