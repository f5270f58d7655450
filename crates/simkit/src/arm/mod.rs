//! Azure Resource Manager as far as agent pools need it.
//!
//! - Every operation needs at least three looks before it ends. Polling the operation counts as a look, and so do
//!   reading or listing pools and being turned away as busy: a client that lost the operation's URL still gets on.
//! - One mutating operation for each cluster; everything else meanwhile is answered 409 `OperationNotAllowed`.
//! - The first PUT of every new pool name meets "another operation is in progress" once.
//! - Every answer says `server: arm-double`.
//! - When a pool is there the double labels its node, as AKS does; when it goes, the labels and the pods go. There
//!   is one node for all pools, so taints are not applied and the youngest pool has the node.

mod engine;
mod fault;
mod late;
mod node;
mod record;
mod refuse;
mod routes;
#[cfg(test)]
mod tests;
mod token;
mod validate;

pub use engine::{Engine, PoolKey};
pub use fault::{Fault, Faults, Place};
pub use node::Node;

use crate::serve::{Listen, serve};
use anyhow::Context;
use axum::Router;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Settings of the ARM double.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Accepted `api-version`s.
    #[arg(long = "api-version", default_value = trustbridge_azure::arm::API_VERSION)]
    api_versions: Vec<String>,
    /// Kubeconfig of the cluster whose node the pools bring; without it only the ledger is kept.
    #[arg(long, requires = "node")]
    kubeconfig: Option<PathBuf>,
    /// The node.
    #[arg(long, requires = "kubeconfig")]
    node: Option<String>,
    /// Client id that gets tokens; any when absent.
    #[arg(long)]
    client_id: Option<String>,
    /// File with the client's secret; any secret when absent.
    #[arg(long)]
    client_secret_file: Option<PathBuf>,
    /// Life of tokens.
    #[arg(long, default_value_t = 3600)]
    token_seconds: u64,
    /// `Retry-After` of accepted operations and of 409 "in progress".
    #[arg(long, default_value_t = 1)]
    retry_after_seconds: u64,
    /// Looks that an operation needs; at least three.
    #[arg(long, default_value_t = engine::LEAST_LOOKS)]
    looks: u32,
}

/// What the double is set to besides its state.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https` or `http`, for the URLs in answers.
    pub scheme: &'static str,
    /// Accepted `api-version`s.
    pub api_versions: Vec<String>,
    /// Client id that gets tokens; any when absent.
    pub client_id: Option<String>,
    /// The client's secret; any when absent.
    pub client_secret: Option<String>,
    /// Life of tokens in seconds.
    pub token_seconds: u64,
    /// `Retry-After` in seconds.
    pub retry_after: u64,
    /// Looks that an operation needs.
    pub looks: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scheme: "http",
            api_versions: vec![trustbridge_azure::arm::API_VERSION.to_owned()],
            client_id: None,
            client_secret: None,
            token_seconds: 3600,
            retry_after: 1,
            looks: engine::LEAST_LOOKS,
        }
    }
}

struct Inner {
    settings: Settings,
    engine: Mutex<Engine>,
    tokens: Mutex<token::Issued>,
    node: Option<Node>,
}

/// The double's state; cloning shares it.
#[derive(Clone)]
pub struct Arm(Arc<Inner>);

impl Arm {
    /// A double without pools of ours; with a node, successful operations change it.
    #[must_use]
    pub fn new(settings: Settings, node: Option<Node>) -> Self {
        let engine = Mutex::new(Engine::new(settings.looks));
        Self(Arc::new(Inner {
            settings,
            engine,
            tokens: Mutex::default(),
            node,
        }))
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }
}

/// Runs the double until it is told to stop.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let node = match (&args.kubeconfig, args.node) {
        (Some(kubeconfig), Some(name)) => Some(Node::connect(kubeconfig, name).await?),
        _ => None,
    };
    let secret = args.client_secret_file.as_ref().map(|path| {
        std::fs::read_to_string(path).with_context(|| format!("--client-secret-file {}", path.display()))
    });
    let settings = Settings {
        scheme: args.listen.scheme(),
        api_versions: args.api_versions,
        client_id: args.client_id,
        client_secret: secret.transpose()?.map(|text| text.trim().to_owned()),
        token_seconds: args.token_seconds,
        retry_after: args.retry_after_seconds,
        looks: args.looks,
    };
    serve(Arm::new(settings, node).router(), &args.listen).await
}
