//! `trustbridge upload`: the ciphertext first, the manifest last, into a private container.

use std::path::PathBuf;

use bytes::Bytes;
use serde::Serialize;
use trustbridge_tbenc::check_size;
use trustbridge_tbenc::manifest::SINGLE_FILE;
use url::Url;

use crate::asset::{Asset, AssetArgs, Blob, MANIFEST_NAME};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::remote::{RemoteArgs, https_url};
use crate::report::{Report, lines};
use crate::store::container::Container;
use crate::store::credential::Access;
use crate::store::place::Place;
use crate::store::plan::{self, Item, Step};
use crate::store::send::{self, Moved};
use crate::store::{CredentialArgs, privacy};

/// Arguments of `upload`.
#[derive(clap::Args)]
#[command(
    after_help = "Writes models/<asset id>/model.manifest.json last, after the ciphertext that it names. A run that was
ended, by whatever, is continued by the same command: blocks that are there are not sent again. Running it once more
changes nothing; other content under the same asset id is refused, and so is a public container."
)]
pub(crate) struct Args {
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What is uploaded.
#[derive(clap::Args)]
pub(crate) struct LocalArgs {
    /// Folder that `trustbridge encrypt` wrote.
    #[arg(long, visible_alias = "in", value_name = "DIR", required_unless_present_any = ["manifest", "encrypted_file"])]
    pub(crate) asset_dir: Option<PathBuf>,
    /// The ciphertext of a single file [default: beside the manifest].
    #[arg(long, value_name = "FILE", conflicts_with = "asset_dir")]
    pub(crate) encrypted_file: Option<PathBuf>,
    /// The manifest [default: in the folder, or beside the ciphertext].
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// The asset's id; must be the manifest's, where it is given.
    #[arg(long, value_name = "ID")]
    pub(crate) asset_id: Option<String>,
}

/// Where it goes, and how.
#[derive(Clone, clap::Args)]
pub(crate) struct TargetArgs {
    /// The storage account, on Azure's public cloud.
    #[arg(
        long,
        value_name = "NAME",
        requires = "container",
        required_unless_present = "container_url",
        conflicts_with = "container_url"
    )]
    pub(crate) storage_account: Option<String>,
    /// The container in the storage account.
    #[arg(long, value_name = "NAME", requires = "storage_account")]
    pub(crate) container: Option<String>,
    /// The container: https://<account>.blob.core.windows.net/<container>, without a SAS.
    #[arg(long, value_name = "URL")]
    pub(crate) container_url: Option<String>,
    /// Make the container, private, if it is missing.
    #[arg(long)]
    pub(crate) create_container: bool,
    /// Blocks on their way at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) concurrency: u8,
}

/// What was done.
#[derive(Serialize)]
pub(crate) struct Uploaded {
    pub(crate) asset_id: String,
    /// Blobs of the asset, the manifest included.
    blobs: usize,
    /// Of them, those that were there already.
    blobs_kept: usize,
    bytes_sent: u64,
    /// Bytes that an earlier run had sent.
    bytes_reused: u64,
    pub(crate) manifest_sha256: String,
    /// The asset's folder in the container.
    pub(crate) blob_base_url: String,
}

impl Uploaded {
    /// Whether everything was there already.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.blobs == self.blobs_kept
    }
}

/// Runs the command.
pub(crate) async fn run(args: &Args) -> Result<Report, Failure> {
    let source = Source::read(&args.local)?;
    let uploaded = upload(&source, &args.target, &args.credential, &args.remote).await?;
    let sent = if uploaded.is_unchanged() {
        "0 (everything was there already; nothing was changed)".to_owned()
    } else {
        uploaded.bytes_sent.to_string()
    };
    let text = lines(&[
        ("asset id", uploaded.asset_id.clone()),
        (
            "blobs",
            format!("{}, {} there already", uploaded.blobs, uploaded.blobs_kept),
        ),
        ("bytes sent", sent),
        ("bytes reused", uploaded.bytes_reused.to_string()),
        ("manifest sha256", uploaded.manifest_sha256.clone()),
        ("blob base url", uploaded.blob_base_url.clone()),
    ]);
    Report::new(text, &uploaded)
}

/// Uploads an asset. Running it again changes nothing.
pub(crate) async fn upload(
    source: &Source,
    target: &TargetArgs,
    credential: &CredentialArgs,
    remote: &RemoteArgs,
) -> Result<Uploaded, Failure> {
    let place = target.place()?;
    let client = remote.client()?;
    let left = || {
        "what was sent is kept for a week: run the same command again, and only the rest is sent".to_owned()
    };
    let work = async {
        let access = Access::find(credential, place.url(), &client).await?;
        let container = Container {
            place: place.clone(),
            access,
        };
        if target.create_container {
            container.create().await?;
        }
        privacy::require(&container, &client, &source.manifest.name).await?;
        let steps = plan::steps(&container, &source.items()).await?;
        let moved = transfer(&container, source, &steps, u64::from(target.concurrency)).await?;
        Ok(source.uploaded(&place, &steps, moved))
    };
    remote.limit(left, work).await
}

/// Sends what is missing, in the manifest's order, and the manifest last.
async fn transfer(
    container: &Container,
    source: &Source,
    steps: &[Step],
    concurrency: u64,
) -> Result<Moved, Failure> {
    let items = source.items();
    let missing = || items.iter().zip(steps).filter(|(_, step)| **step == Step::Send);
    let total = missing().map(|(item, _)| item.bytes).sum();
    let progress = Progress::bytes("uploading", total);
    let mut moved = Moved::default();
    for (item, _) in missing() {
        let one = if item.name == source.manifest.name {
            send::manifest(container, item, source.manifest_bytes.clone()).await?
        } else {
            send::file(container, item, concurrency, &progress).await?
        };
        moved.sent += one.sent;
        moved.reused += one.reused;
    }
    progress.done();
    Ok(moved)
}

impl TargetArgs {
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        match (&self.container_url, &self.storage_account, &self.container) {
            (Some(url), ..) => Place::parse(&https_url("--container-url", url)?),
            (None, Some(account), Some(container)) => Place::of_account(account, container),
            _ => Err(Failure::usage(
                "give --container-url URL, or --storage-account NAME with --container NAME",
            )),
        }
    }
}

/// An asset on disk, ready to be uploaded: every file has the length that the manifest implies.
pub(crate) struct Source {
    asset_id: String,
    manifest: Item,
    manifest_bytes: Bytes,
    /// In the manifest's order.
    ciphertexts: Vec<Item>,
}

impl Source {
    /// Reads the manifest and looks at the files that it names.
    pub(crate) fn read(args: &LocalArgs) -> Result<Self, Failure> {
        let asset = Asset::open(&AssetArgs {
            input: args.asset_dir.clone().or_else(|| args.encrypted_file.clone()),
            manifest: args.manifest.clone(),
        })?;
        let id = &asset.manifest.asset_id;
        if let Some(asked) = args.asset_id.as_ref().filter(|asked| *asked != id) {
            return Err(Failure::usage(format!(
                "--asset-id {asked:?}: the manifest {} is that of {id:?}",
                asset.manifest_name
            )));
        }
        let blobs = asset.blobs();
        let ciphertexts = blobs.iter().map(|blob| ciphertext(&asset, blob));
        Ok(Self {
            asset_id: id.clone(),
            manifest: Item {
                path: asset.manifest_name.clone().into(),
                name: format!("models/{id}/{MANIFEST_NAME}"),
                bytes: asset.manifest_bytes.len() as u64,
                sha256: asset.manifest_sha256.clone(),
            },
            ciphertexts: ciphertexts.collect::<Result<_, _>>()?,
            manifest_bytes: asset.manifest_bytes.into(),
        })
    }

    /// What must be there at the end, in the order of sending: the manifest last.
    fn items(&self) -> Vec<&Item> {
        self.ciphertexts.iter().chain([&self.manifest]).collect()
    }

    fn uploaded(&self, place: &Place, steps: &[Step], moved: Moved) -> Uploaded {
        let base: Url = place.blob(&format!("models/{}", self.asset_id));
        Uploaded {
            asset_id: self.asset_id.clone(),
            blobs: steps.len(),
            blobs_kept: steps.iter().filter(|step| **step == Step::Keep).count(),
            bytes_sent: moved.sent,
            bytes_reused: moved.reused,
            manifest_sha256: self.manifest.sha256.clone(),
            blob_base_url: base.into(),
        }
    }
}

/// One file of the asset. Its name on disk is free, its name in the container is not.
fn ciphertext(asset: &Asset, blob: &Blob) -> Result<Item, Failure> {
    let (id, name) = (&asset.manifest.asset_id, asset.name_of(blob));
    let missing = || {
        Failure::data(format!(
            "{name}: the manifest names it, but there is no such file; encrypt again, or say where it is with \
             --encrypted-file"
        ))
    };
    let (Some(path), Some(bytes)) = (asset.local(blob), asset.length_of(blob)?) else {
        return Err(missing());
    };
    check_size(bytes, blob.plaintext_bytes, asset.manifest.chunk_bytes)
        .map_err(|e| Failure::format(&name, &e))?;
    let stored = if blob.path.is_some() {
        &blob.name
    } else {
        SINGLE_FILE
    };
    Ok(Item {
        path,
        name: format!("models/{id}/{stored}"),
        bytes,
        sha256: blob.sha256_ciphertext.clone(),
    })
}
