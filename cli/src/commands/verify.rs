//! `trustbridge verify`: lengths and digests of the ciphertext; with the key every record of it.

use std::path::PathBuf;

use serde_json::json;
use trustbridge_tbenc::ciphertext_bytes;

use crate::asset::{Access, Asset, AssetArgs, Blob, Run, digest, open_into};
use crate::failure::Failure;
use crate::parallel::{self, Stop};
use crate::progress::Progress;
use crate::report::{Report, lines};
use crate::secret::read_key;

/// Arguments of `verify`.
#[derive(clap::Args)]
#[command(
    after_help = "One file:     trustbridge verify --in enc/model.tbenc --key-file enc/model.tbenc.key
A directory:  trustbridge verify --in enc --key-file enc.key
Uploaded:     trustbridge verify --in https://acct.blob.core.windows.net/models/models/tb-1 --key-file enc.key

--in and --manifest may be https URLs: a blob's, or that of the folder above. A URL may carry a SAS, which is
never shown; better is --sas-file. Without --key-file the length, header and SHA-256 of every ciphertext are
checked, with it every record is opened as well. No plaintext is written."
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// File that holds the key ('-': standard input).
    #[arg(long, visible_alias = "key", value_name = "FILE|-")]
    key_file: Option<PathBuf>,
    /// Refuse the manifest of any other asset.
    #[arg(long, value_name = "ID")]
    asset_id: Option<String>,
    /// Refuse any other manifest than the one with this SHA-256, as `encrypt` and `register` print it.
    #[arg(long, value_name = "HEX")]
    manifest_sha256: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let key = args.key_file.as_deref().map(read_key).transpose()?;
    let asset = Asset::open_anywhere(&args.asset, &args.access)?;
    check_anchors(&asset, args)?;
    let committed = key.as_ref().map_or(Ok(false), |key| asset.check_key(key))?;
    let blobs = asset.blobs();
    let chunk_bytes = asset.manifest.chunk_bytes;
    // With the key the bar counts plaintext, without it ciphertext: what each reads to the end.
    let length = |blob: &Blob| match &key {
        Some(_) => blob.plaintext_bytes,
        None => ciphertext_bytes(blob.plaintext_bytes, chunk_bytes),
    };
    let budget = asset.budget();
    let stop = Stop::default();
    let run = Run {
        progress: &Progress::bytes("verifying", blobs.iter().map(length).sum()),
        stop: &stop,
        buffers: budget.buffers,
    };
    parallel::each(&blobs, budget.files, length, &stop, |blob| match &key {
        Some(key) => open_into(&asset, blob, key, std::io::sink(), &run),
        None => digest(&asset, blob, &run),
    })?;
    run.progress.done();
    report(&asset, blobs.len(), key.is_some(), committed)
}

fn check_anchors(asset: &Asset, args: &Args) -> Result<(), Failure> {
    let name = &asset.manifest_name;
    let refused = |field: &str, actual: &str, asked: &str| {
        Err(Failure::data(format!(
            "{name}: [ASSET] {field} is {actual}, asked for was {asked}: this is the manifest of something else"
        )))
    };
    match (&args.asset_id, &args.manifest_sha256) {
        (Some(asked), _) if *asked != asset.manifest.asset_id => {
            refused("asset_id", &asset.manifest.asset_id, asked)
        }
        (_, Some(asked)) if !asked.eq_ignore_ascii_case(&asset.manifest_sha256) => {
            refused("its SHA-256", &asset.manifest_sha256, asked)
        }
        _ => Ok(()),
    }
}

fn report(asset: &Asset, files: usize, opened: bool, committed: bool) -> Result<Report, Failure> {
    let depth = if opened {
        "every record"
    } else {
        "length, header and SHA-256 (no key given)"
    };
    let text = lines(&[
        ("asset id", asset.manifest.asset_id.clone()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("files", files.to_string()),
        ("checked", depth.to_owned()),
        ("result", "ok".to_owned()),
    ]);
    let document = json!({
        "asset_id": asset.manifest.asset_id, "manifest_sha256": asset.manifest_sha256, "files": files,
        "records_opened": opened, "key_commitment_checked": committed, "result": "ok"
    });
    Report::new(text, &document)
}
