//! `trustbridge upload`: the ciphertext first, the manifest last.

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use serde_json::json;
use trustbridge_azure::blob::{BlobClient, Credential, SharedKey, UploadOptions};
use trustbridge_tbenc::manifest::SINGLE_FILE;
use url::Url;
use zeroize::Zeroizing;

use super::verify::digest;
use crate::asset::{Asset, AssetArgs, MANIFEST_NAME};
use crate::failure::Failure;
use crate::remote::{RemoteArgs, https_url, retrying};
use crate::report::{Report, lines};
use crate::secret;

/// Arguments of `upload`.
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("credential").args(["sas_file", "account_key_file"]).multiple(false),
    after_help = "Writes models/<asset id>/model.manifest.json and the ciphertext that it names. Running it again
replaces the blobs with the same bytes. Without a credential flag the SAS is taken from TB_BLOB_SAS."
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// The asset's id; must be the manifest's, where it is given.
    #[arg(long, value_name = "ID")]
    asset_id: Option<String>,
    /// The container: https://<account>.blob.core.windows.net/<container>, without a SAS.
    #[arg(long, value_name = "URL")]
    container_url: String,
    /// File that holds a SAS with write access ('-': standard input).
    #[arg(long, value_name = "FILE|-", env = "TB_BLOB_SAS_FILE")]
    sas_file: Option<PathBuf>,
    /// File that holds the account's key ('-': standard input).
    #[arg(long, value_name = "FILE|-")]
    account_key_file: Option<PathBuf>,
    /// The account [default: from the container's URL].
    #[arg(long, value_name = "NAME", requires = "account_key_file")]
    account: Option<String>,
    /// Make the container if it is missing (needs the account's key).
    #[arg(long, requires = "account_key_file")]
    create_container: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Times that a blob is tried in all; each block is tried several times within one of them.
const TRIES: u32 = 3;

/// Runs the command.
pub(crate) async fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let id = &asset.manifest.asset_id;
    if let Some(asked) = args.asset_id.as_ref().filter(|asked| *asked != id) {
        return Err(Failure::input(format!(
            "--asset-id {asked:?}: the manifest is that of {id:?}"
        )));
    }
    let place = Place::parse(&https_url("--container-url", &args.container_url)?)?;
    let credential = credential(args, &place)?;
    let client = BlobClient::new(args.remote.client()?, place.endpoint.as_str(), credential)?;
    let uploads = uploads(&asset)?;
    let deadline = args.remote.deadline();
    if args.create_container {
        retrying(TRIES, async || {
            Ok(client.create_container(&place.container, deadline).await?)
        })
        .await?;
    }
    let mut sent = 0_u64;
    for (path, name) in &uploads {
        let blob = format!("models/{id}/{name}");
        let options = UploadOptions::default();
        let put = async || {
            Ok(client
                .put_file(&place.container, &blob, path, options, deadline)
                .await?)
        };
        sent += retrying(TRIES, put).await?;
    }
    let base = client.blob_url(&place.container, &format!("models/{id}"));
    let text = lines(&[
        ("asset id", id.clone()),
        ("blobs", uploads.len().to_string()),
        ("bytes sent", sent.to_string()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("blob base url", base.to_string()),
    ]);
    let document = json!({
        "asset_id": id, "blobs": uploads.len(), "bytes_sent": sent, "manifest_sha256": asset.manifest_sha256,
        "blob_base_url": base.as_str()
    });
    Report::new(text, &document)
}

/// What goes where, after every ciphertext was compared with the manifest. The manifest comes last.
fn uploads(asset: &Asset) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut uploads = Vec::new();
    for blob in asset.blobs() {
        digest(asset, &blob)?;
        let name = if blob.path.is_some() {
            blob.name.clone()
        } else {
            SINGLE_FILE.to_owned()
        };
        uploads.push((asset.local(&blob), name));
    }
    uploads.push((asset.manifest_path.clone(), MANIFEST_NAME.to_owned()));
    Ok(uploads)
}

/// A container's URL in its parts.
#[derive(Debug)]
struct Place {
    endpoint: Url,
    account: String,
    container: String,
}

impl Place {
    /// Azure has the account in the host, the emulator in the path; the container is what comes last.
    fn parse(url: &Url) -> Result<Self, Failure> {
        let mut names: Vec<&str> = url
            .path_segments()
            .into_iter()
            .flatten()
            .filter(|s| !s.is_empty())
            .collect();
        let container = names.pop().unwrap_or_default().to_owned();
        let host = url.host_str().unwrap_or_default();
        let account = names
            .last()
            .copied()
            .or_else(|| host.split('.').next())
            .unwrap_or_default()
            .to_owned();
        if container.is_empty() || names.len() > 1 {
            let text = format!(
                "--container-url {url}: must end in the container's name, as in https://<account>.blob.core.windows.net/models"
            );
            return Err(Failure::input(text));
        }
        let mut endpoint = url.clone();
        endpoint.set_path(&names.join("/"));
        Ok(Self {
            endpoint,
            account,
            container,
        })
    }
}

fn credential(args: &Args, place: &Place) -> Result<Credential, Failure> {
    if let Some(path) = &args.account_key_file {
        let key = secret::read("--account-key-file", path)?;
        let account = args.account.as_deref().unwrap_or(&place.account);
        return Ok(Credential::SharedKey(SharedKey::from_base64(account, &key)?));
    }
    let from_file = |path: &Path| secret::read("--sas-file", path);
    let from_environment = || {
        let missing = |_| {
            Failure::input(
                "no credential: give --sas-file FILE or --account-key-file FILE, or set TB_BLOB_SAS",
            )
        };
        std::env::var("TB_BLOB_SAS").map(Zeroizing::new).map_err(missing)
    };
    let sas = args
        .sas_file
        .as_deref()
        .map_or_else(from_environment, from_file)?;
    let query = sas.trim().trim_start_matches('?');
    if !query.split('&').any(|pair| pair.starts_with("sig=")) || query.contains("://") {
        return Err(Failure::input(
            "the SAS must be the query string alone, with its sig= part (not shown here)",
        ));
    }
    Ok(Credential::Sas(query.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_url_has_its_account_in_the_host_or_in_the_path() {
        let azure = Place::parse(&Url::parse("https://acct.blob.core.windows.net/models").unwrap()).unwrap();
        assert_eq!(
            (azure.account.as_str(), azure.container.as_str()),
            ("acct", "models")
        );
        assert_eq!(azure.endpoint.as_str(), "https://acct.blob.core.windows.net/");
        let emulator =
            Place::parse(&Url::parse("https://172.30.0.1:10000/devstoreaccount1/models/").unwrap()).unwrap();
        assert_eq!(
            (emulator.account.as_str(), emulator.container.as_str()),
            ("devstoreaccount1", "models")
        );
        assert_eq!(
            emulator.endpoint.as_str(),
            "https://172.30.0.1:10000/devstoreaccount1"
        );
        for bad in ["https://acct.blob.core.windows.net", "https://h.example/a/b/c"] {
            Place::parse(&Url::parse(bad).unwrap()).unwrap_err();
        }
    }
}
