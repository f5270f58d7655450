//! `trustbridge encrypt`: one pass over the plaintext, a fresh key every time, and the manifest last.

mod directory;
mod file;
mod publication;

use std::path::PathBuf;

use clap::ArgAction;
use serde::Serialize;
use trustbridge_tbenc::manifest::{ALGO, FORMAT, FileEntry, Manifest, check_asset_id, commitment_hex};
use trustbridge_tbenc::{DEFAULT_CHUNK_BYTES, Key, MAX_CHUNK_BYTES};

use crate::failure::{Exit, Failure};
use crate::report::{Report, lines, note, table};
use crate::secret::read_key;
use publication::Outputs;

/// Arguments of `encrypt`.
#[derive(clap::Args)]
#[command(
    after_help = "One file:     trustbridge encrypt --in model.safetensors --out enc/model.tbenc --asset-id tb-1
              writes enc/model.tbenc, enc/model.manifest.json and the key, enc/model.tbenc.key
A directory:  trustbridge encrypt --in MODEL_DIR --out enc --asset-id tb-1
              writes enc/files/<path>.tbenc, enc/model.manifest.json and, beside the folder, the key, enc.key

Keep the key file: without it nobody can read the model again. `trustbridge register` gives it to the control
plane; it belongs nowhere else. Every run makes a new key, because one key must never encrypt two contents.
Nothing that exists is overwritten, and the manifest appears last: without it an output is not finished.

Next: trustbridge verify, trustbridge upload, trustbridge register."
)]
pub(crate) struct Args {
    /// The file or the model directory to encrypt.
    #[arg(long = "in", value_name = "FILE|DIR")]
    pub(crate) input: PathBuf,
    /// Where the ciphertext goes: a new file, or a new folder for a directory.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) out: PathBuf,
    /// Where the manifest goes [default: `<stem of --out>.manifest.json` beside the file, model.manifest.json in the
    /// folder].
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The asset's id: letters, digits, '-', '_', '.' [default: a random one].
    #[arg(long, value_name = "ID")]
    pub(crate) asset_id: Option<String>,
    /// Plaintext bytes of a record, 1 to 67108864.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHUNK_BYTES)]
    pub(crate) chunk_bytes: u32,
    /// Whether buyers may fine-tune the model.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) allow_finetune: bool,
    /// Where the new key goes, mode 0600; '-' prints it, alone, on standard output [default: `<out>.key`].
    #[arg(long, value_name = "FILE|-")]
    pub(crate) key_out: Option<PathBuf>,
    /// Whether the manifest of a single file states the plaintext's SHA-256: leave it out where even the digest of the
    /// weights is secret.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) plaintext_sha256: bool,
    /// Path inside the model directory to leave out; may be repeated. Hidden names are always left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<String>,
    /// For test vectors alone: encrypts under this key instead of a new one. A key that ever encrypts two contents
    /// gives both away.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) insecure_test_key_file: Option<PathBuf>,
}

/// What an encryption made, and what is printed.
#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) asset_id: String,
    /// The ciphertext, or the folder of it.
    pub(crate) out: PathBuf,
    pub(crate) manifest: PathBuf,
    pub(crate) manifest_sha256: String,
    /// Nothing where the key was printed.
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) chunk_bytes: u32,
    pub(crate) plaintext_bytes: u64,
    pub(crate) sha256_ciphertext: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plaintext_sha256: Option<String>,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) skipped: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let summary = encrypt(args)?;
    let report = Report::new(text(&summary), &summary)?;
    Ok(if summary.key_file.is_none() {
        report.on_stderr()
    } else {
        report
    })
}

/// Encrypts, without printing anything but a key that was asked for on standard output.
pub(crate) fn encrypt(args: &Args) -> Result<Summary, Failure> {
    if args.chunk_bytes == 0 || args.chunk_bytes > MAX_CHUNK_BYTES {
        let value = args.chunk_bytes;
        return Err(Failure::usage(format!(
            "--chunk-bytes {value}: must be 1 to {MAX_CHUNK_BYTES}; 4194304 suits most"
        )));
    }
    let asset_id = asset_id(args.asset_id.as_deref())?;
    let meta = std::fs::metadata(&args.input).map_err(|e| Failure::file("--in: reading", &args.input, &e))?;
    if !meta.is_dir() && !meta.is_file() {
        return Err(Failure::usage(format!(
            "--in {}: is a pipe or a device, whose length nobody knows beforehand; write it to a file and give that \
             one",
            args.input.display()
        )));
    }
    let outputs = Outputs::new(args, meta.is_dir())?;
    if meta.is_dir() {
        directory::encrypt(args, &asset_id, &outputs)
    } else {
        file::encrypt(args, &asset_id, &outputs)
    }
}

fn asset_id(given: Option<&str>) -> Result<String, Failure> {
    let Some(id) = given else {
        let random = new_key()?.to_hex();
        return Ok(format!("tb-asset-{}", random.get(..16).unwrap_or_default()));
    };
    let refused = |rule| Failure::usage(format!("--asset-id {id:?}: {rule}"));
    check_asset_id(id).map(|()| id.to_owned()).map_err(refused)
}

fn new_key() -> Result<Key, Failure> {
    Key::generate().map_err(|e| Failure::new(Exit::Io, e.to_string()))
}

/// A fresh key; the one of a file only where a test vector demands it.
fn key(args: &Args) -> Result<Key, Failure> {
    let Some(path) = &args.insecure_test_key_file else {
        return new_key();
    };
    note(
        "warning",
        "--insecure-test-key-file: the key is not new; a key that encrypted anything else gives both contents away. \
         For test vectors alone",
    );
    read_key(path)
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
    args: &Args,
    outputs: &Outputs,
    manifest: Manifest,
    bytes: &[u8],
    skipped: Vec<String>,
) -> Summary {
    Summary {
        asset_id: manifest.asset_id,
        out: args.out.clone(),
        manifest: outputs.manifest.clone(),
        manifest_sha256: Manifest::sha256_of_bytes(bytes),
        key_file: outputs.key.clone(),
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
        ("ciphertext", summary.out.display().to_string()),
        ("manifest", summary.manifest.display().to_string()),
        ("manifest sha256", summary.manifest_sha256.clone()),
        ("plaintext bytes", summary.plaintext_bytes.to_string()),
        ("ciphertext sha256", summary.sha256_ciphertext.clone()),
    ];
    rows.push(match &summary.key_file {
        Some(path) => (
            "key file",
            format!(
                "{} (0600; keep it, then `trustbridge register` it)",
                path.display()
            ),
        ),
        None => ("key", "printed on standard output, and nowhere else".to_owned()),
    });
    if let Some(digest) = &summary.plaintext_sha256 {
        rows.push(("plaintext sha256", digest.clone()));
    }
    if !summary.skipped.is_empty() {
        rows.push(("left out", summary.skipped.join(", ")));
    }
    let mut text = lines(&rows);
    if !summary.files.is_empty() {
        text.push_str("plaintext sha256 of the files, in the order in which a loader reads them:\n");
    }
    text + &table(&summary.files, |file| file.plaintext_sha256.clone())
}
