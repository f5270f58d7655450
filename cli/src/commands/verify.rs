//! `trustbridge verify`: lengths and digests of the ciphertext; with the key every record of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::json;
use trustbridge_tbenc::{Error, HEADER_BYTES, Header, Key, Sha256, check_size, decrypt_stream};

use crate::asset::{Asset, AssetArgs, Blob, length};
use crate::failure::{Exit, Failure};
use crate::report::{Report, lines};
use crate::secret::read_key;

/// Arguments of `verify`.
#[derive(clap::Args)]
#[command(
    after_help = "Without --key the length, header and SHA-256 of every ciphertext are checked.
With --key every record is opened as well and the plaintext's SHA-256 compared; no plaintext is written."
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// File that holds the key ('-': standard input).
    #[arg(long, value_name = "FILE|-")]
    key: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let key = args.key.as_deref().map(read_key).transpose()?;
    let committed = key.as_ref().map_or(Ok(false), |key| asset.check_key(key))?;
    let blobs = asset.blobs();
    for blob in &blobs {
        match &key {
            Some(key) => open(&asset, blob, key)?,
            None => digest(&asset, blob)?,
        }
    }
    let depth = if key.is_some() {
        "every record"
    } else {
        "length, header and SHA-256 (no key given)"
    };
    let text = lines(&[
        ("asset id", asset.manifest.asset_id.clone()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("files", blobs.len().to_string()),
        ("checked", depth.to_owned()),
        ("result", "ok".to_owned()),
    ]);
    let document = json!({
        "asset_id": asset.manifest.asset_id, "manifest_sha256": asset.manifest_sha256, "files": blobs.len(),
        "records_opened": key.is_some(), "key_commitment_checked": committed, "result": "ok"
    });
    Report::new(text, &document)
}

/// Checks what can be checked without a key, in one pass.
pub(crate) fn digest(asset: &Asset, blob: &Blob) -> Result<(), Failure> {
    let path = asset.local(blob);
    let mut file = sized(asset, blob, &path)?;
    let failed = |e: Error| Failure::format(&path, &e);
    let unread = |e: io::Error| Failure::file("reading", &path, &e);
    let mut head = [0; HEADER_BYTES];
    file.read_exact(&mut head).map_err(unread)?;
    let header = Header::parse(&head).map_err(failed)?;
    header
        .expect_chunk_bytes(asset.manifest.chunk_bytes)
        .map_err(failed)?;
    let mut sha256 = Sha256::new();
    sha256.update(&head);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(unread)?;
        if read == 0 {
            break;
        }
        sha256.update(buffer.get(..read).unwrap_or_default());
    }
    same("sha256_ciphertext", sha256.finish_hex(), &blob.sha256_ciphertext).map_err(failed)
}

fn open(asset: &Asset, blob: &Blob, key: &Key) -> Result<(), Failure> {
    let path = asset.local(blob);
    let file = sized(asset, blob, &path)?;
    let derived = Asset::derived(key, blob);
    let key = derived.as_ref().unwrap_or(key);
    let failed = |e: Error| Failure::format(&path, &e);
    let opened = decrypt_stream(file, io::sink(), key, asset.expected(blob)).map_err(failed)?;
    let stated = blob
        .plaintext_sha256
        .as_deref()
        .unwrap_or(&opened.plaintext_sha256);
    same("plaintext_sha256", opened.plaintext_sha256.clone(), stated).map_err(failed)
}

/// Opens a ciphertext after its length was checked.
pub(crate) fn sized(asset: &Asset, blob: &Blob, path: &Path) -> Result<File, Failure> {
    if !path.is_file() {
        let text = format!(
            "{}: the manifest names it, but there is no such file; fetch or encrypt again",
            path.display()
        );
        return Err(Failure::new(Exit::Verification, text));
    }
    check_size(length(path)?, blob.plaintext_bytes, asset.manifest.chunk_bytes)
        .map_err(|e| Failure::format(path, &e))?;
    File::open(path).map_err(|e| Failure::file("opening", path, &e))
}

/// Compares a digest with the manifest's.
pub(crate) fn same(what: &'static str, actual: String, expected: &str) -> Result<(), Error> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::Digest {
        what,
        actual,
        expected: expected.to_owned(),
    })
}
