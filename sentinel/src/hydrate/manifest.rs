//! The manifest: fetched first, anchored, and compared with the key.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use trustbridge_azure::http::{Deadline, redact};
use trustbridge_tbenc::manifest::{MAX_MANIFEST_BYTES, Manifest};

use super::patience::{Fault, Patience, refusal};
use super::{Error, Hydration, volume};
use crate::license::Grant;

const TIME: Duration = Duration::from_mins(1);
const FILE: &str = "model.manifest.json";

/// Fetches and judges the manifest, and keeps it beside the ciphertext.
pub(super) async fn fetch(job: &Hydration) -> Result<Manifest, Error> {
    let mut patience = Patience::default();
    let (bytes, grant) = loop {
        let grant = granted(job).await?;
        match attempt(job, &grant).await {
            Ok(bytes) => break (bytes, grant),
            Err(fault) => patience.after(fault, &job.license, &grant).await?,
        }
    };
    let anchor = grant.manifest_sha256.as_deref().or(job.anchor.as_deref());
    let manifest = judge(&bytes, anchor, &job.asset_id, &grant)?;
    job.shared.facts.set_anchored(anchor.is_some());
    if anchor.is_none() {
        tracing::warn!(
            reason = "unanchored",
            "nobody vouches for the manifest's digest; set TB_MANIFEST_SHA256 or let the control plane answer manifest_sha256"
        );
    }
    let path = job.target_dir.join(FILE);
    tokio::fs::write(&path, &bytes)
        .await
        .map_err(|error| volume(&path, &error))?;
    Ok(manifest)
}

/// The newest authorisation; the first one if there is none yet.
pub(super) async fn granted(job: &Hydration) -> Result<Arc<Grant>, Error> {
    match job.license.current() {
        Some(grant) => Ok(grant),
        None => Ok(job.license.renew(0).await?),
    }
}

async fn attempt(job: &Hydration, grant: &Grant) -> Result<Bytes, Fault> {
    let what = redact(&grant.manifest_url);
    let request = Request::get(grant.manifest_url.as_str())
        .body(Bytes::new())
        .map_err(|error| Fault::Final(Error::Integrity(format!("{what}: {error}"))))?;
    let answer = job.http.send_streaming(request, Deadline::after(TIME)).await?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(&what, answer).await);
    }
    Ok(answer.into_body().collect(MAX_MANIFEST_BYTES).await?)
}

fn judge(bytes: &[u8], anchor: Option<&str>, asset_id: &str, grant: &Grant) -> Result<Manifest, Error> {
    let wrong = |text: String| Err(Error::Integrity(text));
    let digest = Manifest::sha256_of_bytes(bytes);
    if let Some(anchor) = anchor.filter(|anchor| **anchor != digest) {
        return wrong(format!(
            "manifest: its SHA-256 is {digest}, registered is {anchor}; upload the registered one, or register again"
        ));
    }
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => return wrong(error.to_string()),
    };
    if manifest.asset_id != asset_id {
        return wrong(format!(
            "manifest asset_id is {:?}, TB_ASSET_ID is {asset_id:?}",
            manifest.asset_id
        ));
    }
    match manifest.check_key(&grant.key) {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(
                "the manifest holds no key_commitment; a wrong key shows at the first record only"
            );
        }
        Err(error) => return wrong(error.to_string()),
    }
    let paths = manifest
        .files
        .iter()
        .flatten()
        .map(|file| Some(file.path.as_str()));
    let paths: Vec<_> = if manifest.is_directory() {
        paths.collect()
    } else {
        vec![None]
    };
    match paths.into_iter().find(|path| grant.url_of(*path).is_none()) {
        Some(Some(path)) => wrong(format!(
            "the authorisation names no URL for {path:?} of the manifest"
        )),
        Some(None) => wrong("the authorisation holds no sas_url, which a single-file asset needs".to_owned()),
        None => Ok(manifest),
    }
}
