//! `trustbridge decrypt`: the plaintext, at a path that somebody named.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use trustbridge_tbenc::Key;

use crate::asset::{Asset, AssetArgs, Blob, Run, open_into};
use crate::failure::Failure;
use crate::interrupt;
use crate::parallel::{self, Stop};
use crate::progress::Progress;
use crate::report::{Report, lines};
use crate::secret::read_key;
use crate::staged::{Staged, create_new, refuse_existing, sync};

/// Arguments of `decrypt`.
#[derive(clap::Args)]
#[command(
    after_help = "One file:     trustbridge decrypt --in enc/model.tbenc --key-file enc/model.tbenc.key --out back.safetensors
A directory:  trustbridge decrypt --in enc --key-file enc.key --out back

The output is new, readable by you alone, and appears under its name only when every record and digest was
verified; of a refused asset nothing is left. Devices, pipes and standard output are not written to."
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// File that holds the key ('-': standard input).
    #[arg(long, visible_alias = "key", value_name = "FILE|-")]
    key_file: PathBuf,
    /// New file for the plaintext of a single file, new folder for that of a directory.
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if args.out == Path::new("-") {
        return Err(Failure::usage(
            "--out -: plaintext is not written to standard output, where it could end up anywhere; name a new file",
        ));
    }
    refuse_existing("--out", &args.out)?;
    let asset = Asset::open(&args.asset)?;
    let key = read_key(&args.key_file)?;
    asset.check_key(&key)?;
    decrypt(&asset, &key, &args.out)?;
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

fn decrypt(asset: &Asset, key: &Key, out: &Path) -> Result<(), Failure> {
    let blobs = asset.blobs();
    let budget = asset.budget();
    let stop = Stop::default();
    let run = Run {
        progress: &Progress::bytes("decrypting", asset.manifest.plaintext_bytes),
        stop: &stop,
        buffers: budget.buffers,
    };
    if !asset.manifest.is_directory() {
        let (staged, file) = Staged::file(out)?;
        for blob in &blobs {
            open_into(asset, blob, key, &file, &run)?;
        }
        sync(&file, out)?;
        interrupt::check()?;
        return staged.commit();
    }
    let staged = Staged::directory(out)?;
    let folder = staged.temporary();
    let open = |blob: &Blob| one_of_many(asset, blob, key, folder, &run);
    parallel::each(&blobs, budget.files, |blob| blob.plaintext_bytes, &stop, open)?;
    interrupt::check()?;
    staged.commit_directory(Permissions::from_mode(0o700))
}

fn one_of_many(asset: &Asset, blob: &Blob, key: &Key, folder: &Path, run: &Run<'_>) -> Result<(), Failure> {
    let target = folder.join(blob.path.as_deref().unwrap_or(&blob.name));
    let file = create_new(&target)?;
    open_into(asset, blob, key, &file, run)?;
    sync(&file, &target)
}
