//! The licence service of a model provider.
//!
//! `POST /api/v1/license/authorize`, `PUT` and `GET /api/v1/assets/{asset_id}`; switches at `/_double`.

mod authorize;
mod register;
mod store;
#[cfg(test)]
mod tests;

pub use authorize::{Authorize, Decision};
pub use store::{Asset, AssetFile, Store};

use crate::answer::Problem;
use crate::serve::{Listen, serve};
use anyhow::Context;
use axum::Router;
use axum::extract::{Json, State};
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use trustbridge_azure::blob::SharedKey;

/// Settings of the control-plane double.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Folder in which registered assets, keys included, survive a restart.
    #[arg(long)]
    state_dir: PathBuf,
    /// Contracts that are authorised; every other one is denied.
    #[arg(long = "allow-contract", default_value = "contract-allow")]
    allow_contracts: Vec<String>,
    /// File with the token that providers must present to register assets. Without it, a certificate of
    /// `--client-ca` is what lets them.
    #[arg(long, env = "TB_PROVIDER_TOKEN_FILE", required_unless_present = "client_ca")]
    provider_token_file: Option<PathBuf>,
    /// Storage account that holds the assets.
    #[arg(long)]
    blob_account: String,
    /// File with the account's key, in Base64.
    #[arg(long)]
    blob_account_key_file: PathBuf,
    /// Life of the SAS URLs.
    #[arg(long, default_value_t = 3600)]
    sas_seconds: u64,
}

/// What the double is set to besides its state.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Authorised contracts.
    pub allow_contracts: BTreeSet<String>,
    /// The provider's bearer token. None: the listener takes nobody without a client certificate, and that is
    /// enough.
    pub provider_token: Option<String>,
    /// Signs SAS URLs.
    pub account_key: SharedKey,
    /// Life of a SAS.
    pub sas_life: Duration,
}

/// Faults that a test switches on with `PUT /_double/faults`; each call replaces all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Deny every authorisation with this reason.
    pub deny: Option<String>,
    /// Answer this many authorisations with `fail_status`.
    pub fail_times: u32,
    /// Status of the failures, 503 unless set.
    pub fail_status: Option<u16>,
    /// Life of SAS URLs in seconds, in place of the usual one.
    pub sas_seconds: Option<u64>,
    /// How many authorisations get that life; absent means all.
    pub sas_times: Option<u32>,
    /// Hand out a key that is not the asset's.
    pub wrong_key: bool,
    /// Anchor that is not the manifest's.
    pub wrong_manifest_sha256: bool,
}

/// One authorisation as the ledger keeps it: no key, no URL.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerEntry {
    at: String,
    contract_id: String,
    asset_id: String,
    hw_id: String,
    purpose: String,
    nonce: Option<String>,
    audit_public_key: Option<String>,
    client_version: Option<String>,
    outcome: String,
}

struct Inner {
    settings: Settings,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    ledger: Mutex<Vec<LedgerEntry>>,
}

/// The double's state; cloning shares it.
#[derive(Clone)]
pub struct ControlPlane(Arc<Inner>);

impl ControlPlane {
    /// A double over `store`.
    #[must_use]
    pub fn new(settings: Settings, store: Store) -> Self {
        let (faults, ledger) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner {
            settings,
            store: Mutex::new(store),
            faults,
            ledger,
        }))
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/license/authorize", post(authorize::authorize))
            .route(
                "/api/v1/assets/{asset_id}",
                put(register::register).get(register::facts),
            )
            .route("/_double/faults", put(set_faults).get(faults))
            .route("/_double/ledger", get(ledger))
            .route("/_double/reset", post(reset))
            .route("/healthz", get(|| async { "ok" }))
            .with_state(self.clone())
    }
}

/// Runs the double until it is told to stop.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let token = args
        .provider_token_file
        .as_deref()
        .map(provider_token)
        .transpose()?;
    anyhow::ensure!(
        token.is_some() || args.listen.client_ca.is_some(),
        "providers need --provider-token-file or --client-ca"
    );
    let settings = Settings {
        allow_contracts: args.allow_contracts.into_iter().collect(),
        provider_token: token,
        account_key: SharedKey::from_file(&args.blob_account, &args.blob_account_key_file)?,
        sas_life: Duration::from_secs(args.sas_seconds),
    };
    let store = Store::open(&args.state_dir)?;
    serve(ControlPlane::new(settings, store).router(), &args.listen).await
}

fn provider_token(path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("--provider-token-file {}", path.display()))?;
    let token = text.trim();
    anyhow::ensure!(
        !token.is_empty(),
        "--provider-token-file is empty; write a random token into it"
    );
    Ok(token.to_owned())
}

async fn set_faults(State(plane): State<ControlPlane>, Json(faults): Json<Faults>) -> Json<Faults> {
    *plane.0.faults.lock().await = faults.clone();
    Json(faults)
}

async fn faults(State(plane): State<ControlPlane>) -> Json<Faults> {
    Json(plane.0.faults.lock().await.clone())
}

async fn ledger(State(plane): State<ControlPlane>) -> Json<Value> {
    Json(json!({"authorizations": *plane.0.ledger.lock().await}))
}

async fn reset(State(plane): State<ControlPlane>) -> Json<Value> {
    *plane.0.faults.lock().await = Faults::default();
    plane.0.ledger.lock().await.clear();
    Json(json!({}))
}

fn unknown_asset(asset_id: &str) -> Problem {
    Problem::new(
        http::StatusCode::NOT_FOUND,
        "ASSET_NOT_FOUND",
        format!("asset {asset_id} is not registered"),
    )
}
