//! `POST /api/v1/license/authorize`.

use super::store::Asset;
use super::{ControlPlane, Faults, LedgerEntry, Settings};
use crate::answer::Problem;
use axum::extract::{Json, State};
use data_encoding::HEXLOWER;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use trustbridge_azure::sas::ServiceSas;
use url::Url;

/// The request.
#[derive(Clone, Debug, Deserialize)]
pub struct Authorize {
    /// The buyer's contract.
    pub contract_id: String,
    /// What is to be opened.
    pub asset_id: String,
    /// Fingerprint of the machine.
    pub hw_id: String,
    /// Evidence about the machine.
    #[serde(default)]
    pub attestation: Option<String>,
    /// The client's name and version.
    #[serde(default)]
    pub client_version: Option<String>,
    /// `inference` (also when absent) or `training`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The client's random value.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The client's Ed25519 key for its audit log.
    #[serde(default)]
    pub audit_public_key: Option<String>,
}

/// What is decided about a well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Decision {
    /// Key and URLs are handed out.
    Authorized,
    /// `contract_unknown`
    ContractUnknown,
    /// `asset_unknown`
    AssetUnknown,
    /// `finetune_not_allowed`
    FinetuneNotAllowed,
}

impl Decision {
    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Authorized => None,
            Self::ContractUnknown => Some("contract_unknown"),
            Self::AssetUnknown => Some("asset_unknown"),
            Self::FinetuneNotAllowed => Some("finetune_not_allowed"),
        }
    }
}

pub(super) async fn authorize(
    State(plane): State<ControlPlane>,
    Json(request): Json<Authorize>,
) -> Result<Json<Value>, Problem> {
    check(&request)?;
    let faults = take_faults(&mut *plane.0.faults.lock().await);
    if let Some(status) = faults.fail_status {
        note(&plane, &request, format!("failed {status}")).await;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return Err(Problem::new(
            status,
            "INJECTED_FAULT",
            "a test asked for this failure",
        ));
    }
    let store = plane.0.store.lock().await;
    let asset = store.get(&request.asset_id);
    let decision = decide(&plane.0.settings, &request, asset);
    let denied = faults.deny.as_deref().or(decision.reason());
    let (Some(asset), None) = (asset, denied) else {
        let reason = denied.unwrap_or("asset_unknown");
        note(&plane, &request, format!("denied {reason}")).await;
        return Ok(Json(json!({"status": "denied", "reason": reason})));
    };
    let answer = grant(&plane.0.settings, &faults, asset, Timestamp::now())?;
    note(&plane, &request, "authorized".to_owned()).await;
    Ok(Json(answer))
}

fn check(request: &Authorize) -> Result<(), Problem> {
    let fields = [
        ("contract_id", &request.contract_id),
        ("asset_id", &request.asset_id),
        ("hw_id", &request.hw_id),
    ];
    if let Some((name, _)) = fields.iter().find(|(_, value)| value.trim().is_empty()) {
        return Err(Problem::bad(
            "INVALID_REQUEST",
            format!("{name}: must not be empty"),
        ));
    }
    match request.purpose.as_deref() {
        None | Some("inference" | "training") => Ok(()),
        Some(other) => Err(Problem::bad(
            "INVALID_REQUEST",
            format!("purpose {other:?}: must be inference or training"),
        )),
    }
}

fn decide(settings: &Settings, request: &Authorize, asset: Option<&Asset>) -> Decision {
    let training = request.purpose.as_deref() == Some("training");
    match asset {
        _ if !settings.allow_contracts.contains(&request.contract_id) => Decision::ContractUnknown,
        None => Decision::AssetUnknown,
        Some(asset) if training && !asset.allow_finetune => Decision::FinetuneNotAllowed,
        Some(_) => Decision::Authorized,
    }
}

/// The faults for this one request; counters go down. `fail_status` is set only where it shall fail.
fn take_faults(faults: &mut Faults) -> Faults {
    let mut taken = faults.clone();
    taken.fail_status = (faults.fail_times > 0).then(|| faults.fail_status.unwrap_or(503));
    faults.fail_times = faults.fail_times.saturating_sub(1);
    match &mut faults.sas_times {
        Some(0) => taken.sas_seconds = None,
        Some(left) if taken.fail_status.is_none() => *left -= 1,
        _ => {}
    }
    taken
}

fn grant(settings: &Settings, faults: &Faults, asset: &Asset, now: Timestamp) -> Result<Value, Problem> {
    // A SAS counts in whole seconds; `expires_at` must not promise more.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let life = faults.sas_seconds.map_or(settings.sas_life, Duration::from_secs);
    let expiry = later(now, life);
    let margin = (life / 10).max(Duration::from_mins(1)).min(life);
    let url = |blob: &str| signed_url(settings, &asset.blob_base_url, blob, expiry);
    let mut answer = json!({
        "status": "authorized",
        "manifest_url": url("model.manifest.json")?,
        "decryption_key_hex": if faults.wrong_key { digest(&asset.decryption_key_hex) } else { asset.decryption_key_hex.clone() },
        "manifest_sha256": if faults.wrong_manifest_sha256 { digest(&asset.manifest_sha256) } else { asset.manifest_sha256.clone() },
        "allow_finetune": asset.allow_finetune,
        "expires_at": expiry.to_string(),
        "refresh_after": later(now, life.saturating_sub(margin)).to_string(),
    });
    // Clients of the first version demand `sas_url`; for a directory it is the first file's.
    let first = asset.files.first().map_or("model.tbenc", |file| &file.blob);
    let mut set = |name: &str, value: Value| {
        answer
            .as_object_mut()
            .map(|fields| fields.insert(name.to_owned(), value))
    };
    set("sas_url", json!(url(first)?));
    if !asset.files.is_empty() {
        let files: Result<Vec<Value>, Problem> = asset
            .files
            .iter()
            .map(|file| Ok(json!({"path": file.path, "url": url(&file.blob)?})))
            .collect();
        set("files", json!(files?));
    }
    Ok(answer)
}

/// `base` is the asset's folder: `https://host:port/account/container/…` or `https://account.host/container/…`.
fn signed_url(settings: &Settings, base: &str, blob: &str, expiry: Timestamp) -> Result<String, Problem> {
    let bad = || {
        Problem::bad(
            "INVALID_ASSET",
            "blob_base_url does not name a container of the storage account",
        )
    };
    let mut url = Url::parse(base).map_err(|_| bad())?;
    url.path_segments_mut()
        .map_err(|()| bad())?
        .pop_if_empty()
        .extend(blob.split('/'));
    let path: Vec<String> = url
        .path_segments()
        .ok_or_else(bad)?
        .map(|part| {
            url::form_urlencoded::parse(part.replace('+', "%2B").as_bytes())
                .map(|(name, _)| name.into_owned())
                .collect()
        })
        .collect();
    let account = settings.account_key.account();
    let inside = match path.split_first() {
        Some((first, rest)) if first == account => rest,
        _ if url
            .host_str()
            .is_some_and(|host| host.starts_with(&format!("{account}."))) =>
        {
            &path
        }
        _ => return Err(bad()),
    };
    let (container, name) = inside.split_first().ok_or_else(bad)?;
    let mut sas = ServiceSas::read_blob(expiry);
    if url.scheme() == "http" {
        sas = sas.allow_http();
    }
    url.set_query(Some(&sas.sign(&settings.account_key, container, &name.join("/"))));
    Ok(url.into())
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// Sixty-four hex digits that are surely not `text`.
fn digest(text: &str) -> String {
    HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

async fn note(plane: &ControlPlane, request: &Authorize, outcome: String) {
    tracing::info!(
        contract = request.contract_id,
        asset = request.asset_id,
        outcome,
        "authorize"
    );
    plane.0.ledger.lock().await.push(LedgerEntry {
        at: Timestamp::now().to_string(),
        contract_id: request.contract_id.clone(),
        asset_id: request.asset_id.clone(),
        hw_id: request.hw_id.clone(),
        purpose: request.purpose.clone().unwrap_or_else(|| "inference".to_owned()),
        nonce: request.nonce.clone(),
        audit_public_key: request.audit_public_key.clone(),
        client_version: request.client_version.clone(),
        outcome,
    });
}
