//! A model server that reads its weights as a real one would, and answers without thinking.
//!
//! It listens from the start and is healthy once every byte is read. What it read it reports as SHA-256, so that a
//! test can compare with what the provider sealed.

mod load;
mod openai;
mod order;
#[cfg(test)]
mod tests;

pub use load::{LoadedFile, Model};

use crate::serve::{Listen, serve};
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Settings of the runtime double.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to listen: the loopback address of the pod.
    #[arg(long, env = "TB_RUNTIME_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    #[command(flatten)]
    sources: Sources,
    /// The model's name in the API.
    #[arg(long, env = "TB_MODEL_NAME", default_value = "trustbridge-double")]
    model_name: String,
}

/// Where the weights come from.
#[derive(clap::Args, Clone, Debug)]
pub struct Sources {
    /// The file that the sentinel writes when FIFOs and writers are there.
    #[arg(long, env = "TB_READY_SIGNAL", default_value = "/dev/shm/tb/ready.signal")]
    pub ready_signal: PathBuf,
    /// Folder with `*.safetensors`.
    #[arg(long, env = "TB_MODEL_DIR", default_value = "/dev/shm/tb/model")]
    pub model_dir: PathBuf,
    /// The FIFO of a single-file asset, where the folder holds no `*.safetensors`.
    #[arg(long, env = "TB_PIPE_PATH", default_value = "/dev/shm/tb/model-pipe")]
    pub pipe: PathBuf,
}

/// The server; cloning shares it.
#[derive(Clone)]
pub struct Runtime {
    name: Arc<str>,
    model: Arc<OnceLock<Model>>,
}

impl Runtime {
    /// A server without a model yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            model: Arc::default(),
        }
    }

    /// Takes the model that has been read; a second one is ignored.
    pub fn set_model(&self, model: Model) {
        let _ = self.model.set(model);
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .route("/v1/demo", get(demo))
            .route("/v1/models", get(openai::models))
            .route("/v1/completions", post(openai::completions))
            .route("/v1/chat/completions", post(openai::chat))
            .with_state(self.clone())
    }

    fn loaded(&self) -> Result<&Model, Refused> {
        self.model.get().ok_or(Refused::Loading)
    }
}

/// Why a request gets no answer.
enum Refused {
    /// The weights are still being read.
    Loading,
    /// The request is wrong.
    Invalid(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Loading => {
                let error = json!({"code": "loading", "message": "weights are being read"});
                let body = Json(json!({"loaded": false, "error": error}));
                (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
            }
            Self::Invalid(message) => {
                let error = json!({"message": message, "type": "invalid_request_error", "code": 400});
                (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
            }
        }
    }
}

/// Reads the weights in the background and serves until told to stop.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let runtime = Runtime::new(&args.model_name);
    let loading = runtime.clone();
    // Opening a FIFO blocks until there is a writer, which may be never: a thread that nobody joins.
    std::thread::Builder::new()
        .name("loader".to_owned())
        .spawn(move || match load::load(&args.sources) {
            Ok(model) => {
                tracing::info!(files = model.files.len(), sha256 = model.sha256, "weights read");
                loading.set_model(model);
            }
            Err(error) => tracing::error!("weights not read: {error:#}"),
        })
        .context("starting the loader")?;
    let listen = Listen {
        listen: args.listen,
        tls_cert: None,
        tls_key: None,
        client_ca: None,
    };
    serve(runtime.router(), &listen).await
}

async fn health(State(runtime): State<Runtime>) -> Result<&'static str, Refused> {
    runtime.loaded().map(|_| "ok")
}

async fn demo(State(runtime): State<Runtime>) -> Result<Json<Value>, Refused> {
    let model = runtime.loaded()?;
    Ok(Json(
        json!({"loaded": true, "files": model.files, "sha256": model.sha256}),
    ))
}

async fn metrics(State(runtime): State<Runtime>) -> String {
    let model = runtime.model.get();
    let bytes: u64 = model.map_or(0, |model| model.files.iter().map(|file| file.bytes).sum());
    format!(
        "# TYPE tb_double_loaded gauge\ntb_double_loaded {}\n# TYPE tb_double_read_bytes_total counter\n\
         tb_double_read_bytes_total {bytes}\n",
        u8::from(model.is_some())
    )
}
