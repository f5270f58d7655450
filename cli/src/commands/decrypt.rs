//! `trustbridge decrypt`: the plaintext, at a path that somebody named.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use trustbridge_tbenc::{Key, decrypt_stream};

use super::verify::{same, sized};
use crate::asset::{Asset, AssetArgs, Blob};
use crate::failure::Failure;
use crate::publish::{Staged, create_new, refuse_existing, sync};
use crate::report::{Report, lines};
use crate::secret::read_key;

/// Arguments of `decrypt`.
#[derive(clap::Args)]
#[command(after_help = "The output appears under its name only when every record and digest was verified.")]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// File that holds the key ('-': standard input).
    #[arg(long, value_name = "FILE|-")]
    key: PathBuf,
    /// New file (single-file asset) or new folder (directory asset) for the plaintext.
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    refuse_existing("--out", &args.out)?;
    let asset = Asset::open(&args.asset)?;
    let key = read_key(&args.key)?;
    asset.check_key(&key)?;
    let blobs = asset.blobs();
    if asset.manifest.is_directory() {
        directory(args, &asset, &blobs, &key)?;
    } else {
        single(args, &asset, &blobs, &key)?;
    }
    let text = lines(&[
        ("asset id", asset.manifest.asset_id.clone()),
        ("plaintext bytes", asset.manifest.plaintext_bytes.to_string()),
        ("written to", args.out.display().to_string()),
    ]);
    let document = json!({
        "asset_id": asset.manifest.asset_id, "plaintext_bytes": asset.manifest.plaintext_bytes, "out": args.out
    });
    Report::new(text, &document)
}

fn single(args: &Args, asset: &Asset, blobs: &[Blob], key: &Key) -> Result<(), Failure> {
    let (staged, file) = Staged::file(&args.out)?;
    for blob in blobs {
        open_into(asset, blob, key, &file, &args.out)?;
    }
    staged.commit()
}

fn directory(args: &Args, asset: &Asset, blobs: &[Blob], key: &Key) -> Result<(), Failure> {
    let staged = Staged::directory(&args.out)?;
    for blob in blobs {
        let Some(path) = &blob.path else { continue };
        let target = staged.temporary().join(path);
        let file = create_new(&target)?;
        open_into(asset, blob, &key.derive_file(path), &file, &target)?;
    }
    staged.commit_directory(Permissions::from_mode(0o700))
}

fn open_into(asset: &Asset, blob: &Blob, key: &Key, file: &File, target: &Path) -> Result<(), Failure> {
    let path = asset.local(blob);
    let source = sized(asset, blob, &path)?;
    let opened =
        decrypt_stream(source, file, key, asset.expected(blob)).map_err(|e| Failure::format(&path, &e))?;
    if let Some(stated) = &blob.plaintext_sha256 {
        same("plaintext_sha256", opened.plaintext_sha256, stated).map_err(|e| Failure::format(&path, &e))?;
    }
    sync(file, target)
}
