//! `trustbridge inspect`: what the manifest says, and what lies at its ciphertext's place.

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;
use trustbridge_tbenc::manifest::Manifest;
use trustbridge_tbenc::{HEADER_BYTES, Header, ciphertext_bytes};

use crate::asset::{Access, Asset, AssetArgs, Blob};
use crate::failure::Failure;
use crate::report::{Report, lines};

/// Arguments of `inspect`.
#[derive(clap::Args)]
#[command(after_help = "  trustbridge inspect --in enc
  trustbridge inspect --manifest https://acct.blob.core.windows.net/models/models/tb-1/model.manifest.json

Only headers and lengths are read; `trustbridge verify` judges the content. `state` is ok, missing, the wrong
length, or what is wrong with the header.")]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    #[command(flatten)]
    access: Access,
}

/// One ciphertext as it is there.
#[derive(Serialize)]
struct Found {
    blob: String,
    ciphertext_bytes: u64,
    state: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open_anywhere(&args.asset, &args.access)?;
    let manifest = &asset.manifest;
    let blobs = asset.blobs();
    let found = blobs
        .iter()
        .map(|blob| look(&asset, blob))
        .collect::<Result<Vec<_>, Failure>>()?;
    let total: u64 = found.iter().map(|found| found.ciphertext_bytes).sum();
    let overhead = total.saturating_sub(manifest.plaintext_bytes);
    let mut text = lines(&rows(&asset, total, overhead));
    for (found, blob) in found.iter().zip(&blobs) {
        let (digest, bytes, name) = (&blob.sha256_ciphertext, blob.plaintext_bytes, &found.blob);
        let role = manifest.files.iter().flatten().find(|file| file.blob == *name);
        let role = role.map_or("weights", |file| file.role.as_str());
        // A `String` takes whatever is written to it.
        let _ = writeln!(text, "{digest}  {bytes:>14}  {role:<9}  {name}  {}", found.state);
    }
    let document = json!({
        "manifest": manifest, "manifest_sha256": asset.manifest_sha256, "ciphertext_bytes": total,
        "overhead_bytes": overhead, "blobs": found
    });
    Report::new(text, &document)
}

fn look(asset: &Asset, blob: &Blob) -> Result<Found, Failure> {
    let expected = ciphertext_bytes(blob.plaintext_bytes, asset.manifest.chunk_bytes);
    let state = match asset.length_of(blob)? {
        None => "missing".to_owned(),
        Some(actual) if actual != expected => format!("is {actual} bytes, must be {expected}"),
        Some(_) => header(asset, blob)?,
    };
    Ok(Found {
        blob: blob.name.clone(),
        ciphertext_bytes: expected,
        state,
    })
}

/// `ok`, or what is wrong with the first 32 bytes.
fn header(asset: &Asset, blob: &Blob) -> Result<String, Failure> {
    let head = asset.head(blob, HEADER_BYTES as u64)?;
    let Ok(head) = <[u8; HEADER_BYTES]>::try_from(head) else {
        return Ok(format!("is shorter than its header of {HEADER_BYTES} bytes"));
    };
    let checked =
        Header::parse(&head).and_then(|header| header.expect_chunk_bytes(asset.manifest.chunk_bytes));
    Ok(checked.map_or_else(|error| error.to_string(), |()| "ok".to_owned()))
}

fn rows(asset: &Asset, total: u64, overhead: u64) -> Vec<(&'static str, String)> {
    let manifest: &Manifest = &asset.manifest;
    let unknown = || "(not stated)".to_owned();
    let kind = if manifest.is_directory() {
        "directory"
    } else {
        "single file"
    };
    let finetune = if manifest.allow_finetune {
        "allowed"
    } else {
        "not allowed"
    };
    vec![
        ("asset id", manifest.asset_id.clone()),
        ("kind", kind.to_owned()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("plaintext bytes", manifest.plaintext_bytes.to_string()),
        (
            "ciphertext bytes",
            format!("{total} ({overhead} for headers and tags)"),
        ),
        ("ciphertext sha256", manifest.sha256_ciphertext.clone()),
        (
            "plaintext sha256",
            manifest.plaintext_sha256.clone().unwrap_or_else(unknown),
        ),
        ("chunk bytes", manifest.chunk_bytes.to_string()),
        ("fine-tuning", finetune.to_owned()),
        (
            "key commitment",
            manifest.key_commitment.clone().unwrap_or_else(unknown),
        ),
        ("created", manifest.created_at.clone().unwrap_or_else(unknown)),
        ("tool", manifest.tool.clone().unwrap_or_else(unknown)),
    ]
}
