//! `trustbridge register`: tells the control plane about the asset and gives it the key.

use std::path::PathBuf;

use serde_json::json;
use url::Url;

use crate::asset::{Asset, AssetArgs};
use crate::control_plane::{ControlPlane, Identity, Outcome, Registration};
use crate::failure::Failure;
use crate::remote::{self, RemoteArgs, blob_base_url, https_url};
use crate::report::{Report, lines};
use crate::secret;

/// Arguments of `register`.
#[derive(clap::Args)]
#[command(
    after_help = "Registering the same asset again changes nothing. A key that belongs to another asset is refused
(exit code 65): encrypt again, every encryption makes its own key.

  trustbridge register --edc-endpoint https://control.example --manifest asset/model.manifest.json \\
      --key-file asset.key --container-url https://acct.blob.core.windows.net/models --token-file token"
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// The asset's id; must be the manifest's, where it is given.
    #[arg(long, value_name = "ID")]
    asset_id: Option<String>,
    /// File that holds the asset's key ('-': standard input).
    #[arg(long, visible_alias = "key", value_name = "FILE|-")]
    key_file: PathBuf,
    /// The control plane, https.
    #[arg(long, visible_alias = "endpoint", value_name = "URL")]
    edc_endpoint: String,
    #[command(flatten)]
    place: BlobPlace,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Where the asset's blobs lie, said in one of three ways.
#[derive(clap::Args)]
struct BlobPlace {
    /// Folder of the asset in the container, as `upload` prints it: <container URL>/models/<asset id>.
    #[arg(long, value_name = "URL", conflicts_with_all = ["container_url", "storage_account", "container"])]
    blob_base_url: Option<String>,
    /// The container: https://<account>.blob.core.windows.net/<container>, without a SAS.
    #[arg(long, value_name = "URL", conflicts_with_all = ["storage_account", "container"])]
    container_url: Option<String>,
    /// The storage account, in the public cloud.
    #[arg(long, value_name = "NAME", requires = "container")]
    storage_account: Option<String>,
    /// The container of --storage-account.
    #[arg(long, value_name = "NAME", requires = "storage_account")]
    container: Option<String>,
}

impl BlobPlace {
    fn base_url(&self, asset_id: &str) -> Result<String, Failure> {
        let container = match self {
            Self {
                blob_base_url: Some(base),
                ..
            } => return blob_base_url(base, asset_id),
            Self {
                container_url: Some(url),
                ..
            } => https_url("--container-url", url)?,
            Self {
                storage_account: Some(account),
                container: Some(container),
                ..
            } => https_url(
                "--storage-account",
                &format!("https://{account}.blob.core.windows.net/{container}"),
            )?,
            _ => {
                return Err(Failure::usage(
                    "where the blobs lie is missing: give --blob-base-url URL (as `trustbridge upload` prints it), \
                     --container-url URL, or --storage-account NAME and --container NAME",
                ));
            }
        };
        Ok(folder_of(&container, asset_id))
    }
}

fn folder_of(container: &Url, asset_id: &str) -> String {
    format!("{}/models/{asset_id}", container.as_str().trim_end_matches('/'))
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let id = &asset.manifest.asset_id;
    if let Some(asked) = args.asset_id.as_ref().filter(|asked| *asked != id) {
        return Err(Failure::usage(format!(
            "--asset-id {asked:?}: the manifest is that of {id:?}; leave the flag out, or name the other manifest"
        )));
    }
    args.identity.check()?;
    let base = args.place.base_url(id)?;
    let key = secret::read_key(&args.key_file)?;
    asset.check_key(&key)?;
    let registration = Registration::new(&asset.manifest, &asset.manifest_sha256, &base, &key);
    let (url, outcome) = remote::block_on(async {
        let plane = ControlPlane::open(&args.edc_endpoint, &args.identity, &args.remote)?;
        let outcome = plane.register(&registration).await?;
        Ok((plane.asset_url(id), outcome))
    })?;
    let word = match outcome {
        Outcome::Created => "registered",
        Outcome::Known => "known already; the control plane now holds exactly this",
    };
    let text = lines(&[
        ("asset id", id.clone()),
        ("manifest sha256", asset.manifest_sha256.clone()),
        ("blob base url", base.clone()),
        ("control plane", url.to_string()),
        ("result", word.to_owned()),
    ]);
    let document = json!({
        "asset_id": id, "manifest_sha256": asset.manifest_sha256, "blob_base_url": base, "url": url.as_str(),
        "created": outcome == Outcome::Created
    });
    Report::new(text, &document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn place(base: Option<&str>, container_url: Option<&str>, account: Option<&str>) -> BlobPlace {
        BlobPlace {
            blob_base_url: base.map(str::to_owned),
            container_url: container_url.map(str::to_owned),
            storage_account: account.map(str::to_owned),
            container: account.map(|_| "models".to_owned()),
        }
    }

    #[test]
    fn the_blobs_place_is_said_in_one_of_three_ways() {
        let right = "https://acct.blob.core.windows.net/models/models/tb-1";
        for said in [
            place(Some(right), None, None),
            place(None, Some("https://acct.blob.core.windows.net/models/"), None),
            place(None, None, Some("acct")),
        ] {
            assert_eq!(said.base_url("tb-1").unwrap(), right);
        }
        let failure = place(None, None, None).base_url("tb-1").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("--container-url"), "{failure}");
    }
}
