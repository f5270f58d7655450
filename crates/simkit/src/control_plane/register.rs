//! Registration by the provider, and the public facts of an asset.

use super::store::{Asset, Stored};
use super::{ControlPlane, unknown_asset};
use crate::answer::Problem;
use axum::extract::{Json, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::Url;

pub(super) async fn register(
    State(plane): State<ControlPlane>,
    Path(asset_id): Path<String>,
    headers: HeaderMap,
    Json(asset): Json<Asset>,
) -> Result<Response, Problem> {
    authenticate(&headers, plane.0.settings.provider_token.as_deref())?;
    check(&asset_id, &asset).map_err(|message| Problem::bad("INVALID_ASSET", message))?;
    let facts = public_facts(&asset);
    let stored = plane.0.store.lock().await.put(asset).map_err(|error| {
        tracing::error!("{error:#}");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "STORE_FAILED",
            "the asset could not be written down",
        )
    })?;
    match stored {
        Stored::Created => Ok((StatusCode::CREATED, Json(facts)).into_response()),
        Stored::Replaced => Ok(Json(facts).into_response()),
        Stored::KeyReused => Err(Problem::new(
            StatusCode::CONFLICT,
            "KEY_REUSED",
            format!(
                "asset {asset_id}: its key belongs to another asset already; encrypt again with a new key"
            ),
        )),
    }
}

pub(super) async fn facts(
    State(plane): State<ControlPlane>,
    Path(asset_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let store = plane.0.store.lock().await;
    store
        .get(&asset_id)
        .map(|asset| Json(public_facts(asset)))
        .ok_or_else(|| unknown_asset(&asset_id))
}

/// Everything but the key.
fn public_facts(asset: &Asset) -> Value {
    json!({
        "asset_id": asset.asset_id,
        "blob_base_url": asset.blob_base_url,
        "manifest_sha256": asset.manifest_sha256,
        "sha256_ciphertext": asset.sha256_ciphertext,
        "plaintext_bytes": asset.plaintext_bytes,
        "files": asset.files,
        "allow_finetune": asset.allow_finetune,
    })
}

/// Without a token, the listener's handshake has let nobody in but certified clients.
fn authenticate(headers: &HeaderMap, token: Option<&str>) -> Result<(), Problem> {
    let Some(token) = token else { return Ok(()) };
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let right = given.strip_prefix("Bearer ").is_some_and(|given| {
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok()
    });
    if right {
        return Ok(());
    }
    let message = "present the provider token: Authorization: Bearer <token>";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message))
}

fn check(asset_id: &str, asset: &Asset) -> Result<(), String> {
    let hex64 = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let url = Url::parse(&asset.blob_base_url);
    if asset.asset_id != asset_id {
        return Err(format!("asset_id {}: the path says {asset_id}", asset.asset_id));
    }
    if asset_id.is_empty()
        || !asset_id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err(format!(
            "asset_id {asset_id:?}: use letters, digits, '-', '_' and '.'"
        ));
    }
    if !url.is_ok_and(|url| url.query().is_none() && matches!(url.scheme(), "https" | "http")) {
        return Err("blob_base_url: must be an absolute URL without a query".to_owned());
    }
    if !hex64(&asset.decryption_key_hex) {
        return Err("decryption_key_hex: must be 64 hex digits".to_owned());
    }
    if !hex64(&asset.manifest_sha256) || !hex64(&asset.sha256_ciphertext) {
        return Err("manifest_sha256 and sha256_ciphertext: must be 64 hex digits".to_owned());
    }
    let bad = asset.files.iter().find(|file| {
        file.blob.split('/').any(|part| matches!(part, "" | "." | "..")) || !hex64(&file.sha256_ciphertext)
    });
    bad.map_or(Ok(()), |file| {
        Err(format!(
            "files {}: needs a relative blob name and 64 hex digits in sha256_ciphertext",
            file.path
        ))
    })
}
