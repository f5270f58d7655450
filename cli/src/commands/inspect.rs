//! `trustbridge inspect`: what the manifest says, and how long the ciphertext must be.

use serde_json::json;
use trustbridge_tbenc::ciphertext_bytes;

use crate::asset::{Asset, AssetArgs};
use crate::failure::Failure;
use crate::report::{Report, lines, table};

/// Arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let manifest = &asset.manifest;
    let blobs = asset.blobs();
    let cipher = |plain: u64| ciphertext_bytes(plain, manifest.chunk_bytes);
    let total: u64 = blobs.iter().map(|blob| cipher(blob.plaintext_bytes)).sum();
    let unknown = || "(not stated)".to_owned();
    let mut text = lines(&[
        ("asset id", manifest.asset_id.clone()),
        (
            "kind",
            if manifest.is_directory() {
                "directory"
            } else {
                "single file"
            }
            .to_owned(),
        ),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("plaintext bytes", manifest.plaintext_bytes.to_string()),
        ("ciphertext bytes", total.to_string()),
        ("ciphertext sha256", manifest.sha256_ciphertext.clone()),
        ("chunk bytes", manifest.chunk_bytes.to_string()),
        (
            "fine-tuning",
            if manifest.allow_finetune {
                "allowed"
            } else {
                "not allowed"
            }
            .to_owned(),
        ),
        (
            "key commitment",
            manifest.key_commitment.clone().unwrap_or_else(unknown),
        ),
        ("created", manifest.created_at.clone().unwrap_or_else(unknown)),
        ("tool", manifest.tool.clone().unwrap_or_else(unknown)),
    ]);
    text.push_str(&table(manifest.files.as_deref().unwrap_or_default(), |file| {
        file.sha256_ciphertext.clone()
    }));
    let document = json!({
        "manifest": manifest, "manifest_sha256": asset.manifest_sha256, "ciphertext_bytes": total
    });
    Report::new(text, &document)
}
