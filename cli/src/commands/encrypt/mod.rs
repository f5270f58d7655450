//! `trustbridge encrypt`: one pass over the plaintext, a fresh key every time, and the manifest last.

mod directory;
mod file;

use std::path::{Path, PathBuf};

use clap::ArgAction;
use serde::Serialize;
use trustbridge_tbenc::manifest::{ALGO, FORMAT, FileEntry, Manifest, check_asset_id, commitment_hex};
use trustbridge_tbenc::{DEFAULT_CHUNK_BYTES, Key, MAX_CHUNK_BYTES};

use crate::failure::Failure;
use crate::report::{Report, lines, table};

/// Arguments of `encrypt`.
#[derive(clap::Args)]
#[command(after_help = "One file:        --in model.safetensors --out DIR/model.tbenc
                 writes model.tbenc, model.manifest.json beside it, and model.tbenc.key
A directory:     --in MODEL_DIR --out DIR
                 writes DIR/files/<path>.tbenc, DIR/model.manifest.json and DIR/asset.key

Every run makes a new key: a key that encrypted two files could give both away. Nothing that exists is
overwritten, and the manifest appears last: without it, an output is not finished.")]
pub(crate) struct Args {
    /// File or model directory to encrypt.
    #[arg(long = "in", value_name = "FILE|DIR")]
    input: PathBuf,
    /// Where the ciphertext goes: a path that ends in model.tbenc for a file, a new folder for a directory.
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// Where the manifest goes: beside the ciphertext [default: model.manifest.json there].
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The asset's id: letters, digits, '-', '_', '.' [default: a random one].
    #[arg(long, value_name = "ID")]
    asset_id: Option<String>,
    /// Plaintext bytes of a record, 1 to 67108864.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHUNK_BYTES)]
    chunk_bytes: u32,
    /// Whether buyers may fine-tune the model.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    allow_finetune: bool,
    /// Where the new key goes, mode 0600 [default: <out>.key for a file, <out>/asset.key for a directory].
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
    /// Path inside the model directory to leave out; may be repeated. Hidden names are always left out.
    #[arg(long, value_name = "PATH")]
    exclude: Vec<String>,
}

/// What is printed.
#[derive(Serialize)]
struct Summary {
    asset_id: String,
    manifest: PathBuf,
    manifest_sha256: String,
    key_file: PathBuf,
    chunk_bytes: u32,
    plaintext_bytes: u64,
    sha256_ciphertext: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext_sha256: Option<String>,
    files: Vec<FileEntry>,
    skipped: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    if args.chunk_bytes == 0 || args.chunk_bytes > MAX_CHUNK_BYTES {
        let value = args.chunk_bytes;
        return Err(Failure::input(format!(
            "--chunk-bytes {value}: must be 1 to {MAX_CHUNK_BYTES}; 4194304 suits most"
        )));
    }
    let asset_id = asset_id(args.asset_id.as_deref())?;
    let meta = std::fs::metadata(&args.input).map_err(|e| Failure::file("--in: reading", &args.input, &e))?;
    let summary = if meta.is_dir() {
        directory::encrypt(args, &asset_id)?
    } else {
        file::encrypt(args, &asset_id)?
    };
    Report::new(text(&summary), &summary)
}

fn asset_id(given: Option<&str>) -> Result<String, Failure> {
    let Some(id) = given else {
        let random = new_key()?.to_hex();
        return Ok(format!("tb-asset-{}", random.get(..16).unwrap_or_default()));
    };
    let refused = |rule| Failure::input(format!("--asset-id {id:?}: {rule}"));
    check_asset_id(id).map(|()| id.to_owned()).map_err(refused)
}

fn new_key() -> Result<Key, Failure> {
    Key::generate().map_err(|e| Failure::input(e.to_string()))
}

/// The fields that both kinds of asset share; the digests follow when the bytes were written.
fn manifest(args: &Args, asset_id: &str, key: &Key) -> Manifest {
    Manifest {
        format: FORMAT.to_owned(),
        algo: ALGO.to_owned(),
        chunk_bytes: args.chunk_bytes,
        plaintext_bytes: 0,
        sha256_ciphertext: String::new(),
        asset_id: asset_id.to_owned(),
        weights_filename: String::new(),
        allow_finetune: args.allow_finetune,
        files: None,
        key_commitment: Some(commitment_hex(key, asset_id)),
        plaintext_sha256: None,
        created_at: Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        tool: Some(concat!("trustbridge/", env!("CARGO_PKG_VERSION")).to_owned()),
    }
}

fn summary(
    manifest: Manifest,
    bytes: &[u8],
    path: &Path,
    key_file: PathBuf,
    skipped: Vec<String>,
) -> Summary {
    Summary {
        asset_id: manifest.asset_id,
        manifest: path.to_owned(),
        manifest_sha256: Manifest::sha256_of_bytes(bytes),
        key_file,
        chunk_bytes: manifest.chunk_bytes,
        plaintext_bytes: manifest.plaintext_bytes,
        sha256_ciphertext: manifest.sha256_ciphertext,
        plaintext_sha256: manifest.plaintext_sha256,
        files: manifest.files.unwrap_or_default(),
        skipped,
    }
}

fn text(summary: &Summary) -> String {
    let mut rows = vec![
        ("asset id", summary.asset_id.clone()),
        ("manifest", summary.manifest.display().to_string()),
        ("manifest sha256", summary.manifest_sha256.clone()),
        ("plaintext bytes", summary.plaintext_bytes.to_string()),
        ("ciphertext sha256", summary.sha256_ciphertext.clone()),
        (
            "key file",
            format!(
                "{} (0600; keep it, then `trustbridge register` it)",
                summary.key_file.display()
            ),
        ),
    ];
    rows.extend(
        summary
            .plaintext_sha256
            .iter()
            .map(|digest| ("plaintext sha256", digest.clone())),
    );
    if !summary.skipped.is_empty() {
        rows.push(("left out", summary.skipped.join(", ")));
    }
    let mut text = lines(&rows);
    if !summary.files.is_empty() {
        text.push_str("plaintext sha256 of the files, in the order in which a loader reads them:\n");
    }
    text + &table(&summary.files, |file| file.plaintext_sha256.clone())
}
