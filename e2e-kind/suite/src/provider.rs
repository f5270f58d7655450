//! The provider: a model, encrypted, uploaded, registered, made known to the cluster.

use crate::canary::Canary;
use crate::command;
use crate::kubectl::Kubectl;
use crate::stage::Stage;
use crate::stage::azurite::CONTAINER;
use crate::wait::{self, Seen};
use crate::world::World;
use anyhow::{Context, Result, ensure};
use kube::Api;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use trustbridge_api::ModelAsset;
use trustbridge_api::model_asset::ModelAssetPhase;
use trustbridge_azure::http::Deadline;

/// The asset of the specification's end-to-end story.
pub const ASSET: &str = "tb-asset-e2e-001";
/// Plaintext lives in memory, so nothing on a disk is exempt from the search for it.
const MEMORY: &str = "/dev/shm";
/// How long one command of the CLI may take.
const LIMIT: Duration = Duration::from_mins(2);

/// A model in plaintext, in memory; gone when dropped.
#[derive(Debug)]
pub struct Model {
    folder: TempDir,
    /// SHA-256 of each safetensors file, by its name.
    pub sha256: BTreeMap<String, String>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// An asset that is on its way, step by step.
#[derive(Debug)]
pub struct Provider<'a> {
    world: &'a World,
    stage: &'a Stage,
    asset: String,
    encrypted: PathBuf,
    secrets: TempDir,
}

impl<'a> Provider<'a> {
    /// A provider of that asset; what an earlier run encrypted is removed.
    pub fn new(world: &'a World, stage: &'a Stage, asset: &str) -> Result<Self> {
        let encrypted = stage.folder().join("assets").join(asset);
        if encrypted.exists() {
            fs::remove_dir_all(&encrypted)?;
        }
        fs::create_dir_all(stage.folder().join("assets"))?;
        let secrets = tempfile::Builder::new()
            .prefix("tb-provider-")
            .tempdir_in(MEMORY)?;
        Ok(Self {
            world,
            stage,
            asset: asset.to_owned(),
            encrypted,
            secrets,
        })
    }

    /// Makes a small but real model; with a canary in each KiB of its tensors where one is given.
    pub async fn sample_model(&self, mebibytes: u32, canary: Option<&Canary>) -> Result<Model> {
        let folder = tempfile::Builder::new().prefix("tb-model-").tempdir_in(MEMORY)?;
        let path = folder.path().join("model");
        let size = mebibytes.to_string();
        let mut command = self.cli("sample-model");
        command::output(command.arg("--out").arg(&path).args(["--size-mib", &size]), LIMIT).await?;
        if let Some(canary) = canary {
            canary.write_into(&path)?;
        }
        let (sha256, bytes) = digests(&path)?;
        Ok(Model {
            folder,
            sha256,
            bytes,
        })
    }

    /// Encrypts it under a fresh key.
    pub async fn encrypt(&self, model: &Model) -> Result<String> {
        let mut command = self.cli("encrypt");
        command
            .arg("--in")
            .arg(model.folder.path().join("model"))
            .arg("--out")
            .arg(&self.encrypted);
        command
            .args(["--asset-id", &self.asset])
            .arg("--key-out")
            .arg(self.key());
        let said = command::output(&mut command, LIMIT).await?;
        let said: Value = serde_json::from_str(&said).context("`encrypt --json` printed no JSON")?;
        let files = said.get("files").and_then(Value::as_array).map_or(0, Vec::len);
        Ok(format!("{files} files, AES-256-GCM, one derived key each"))
    }

    /// Uploads ciphertext and manifest.
    pub async fn upload(&self) -> Result<String> {
        self.withdraw().await?;
        let mut command = self.cli("upload");
        command
            .arg("--asset-dir")
            .arg(&self.encrypted)
            .args(["--container-url", &self.stage.container_url()]);
        command
            .arg("--account-key-file")
            .arg(self.stage.account_key_file())
            .arg("--ca-file")
            .arg(self.stage.ca());
        let said: Value = serde_json::from_str(&command::output(&mut command, LIMIT).await?)?;
        let number = |name: &str| said.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok(format!(
            "{} blobs, {}",
            number("blobs"),
            mebibytes(number("bytes_sent"))
        ))
    }

    /// Takes away what an earlier run published under the same id: `upload` never replaces a published model, and
    /// every run encrypts under a key of its own.
    async fn withdraw(&self) -> Result<()> {
        let blobs = self.stage.blobs()?;
        let files = walkdir::WalkDir::new(&self.encrypted).into_iter();
        for entry in files {
            let entry = entry?;
            if !entry.file_type().is_file() {
                continue;
            }
            let name = entry.path().strip_prefix(&self.encrypted)?;
            let blob = format!("models/{}/{}", self.asset, name.display());
            blobs.delete(CONTAINER, &blob, Deadline::after(LIMIT)).await?;
        }
        Ok(())
    }

    /// Registers the asset and its key at the control plane.
    pub async fn register(&self) -> Result<String> {
        let mut command = self.cli("register");
        command
            .arg("--asset-dir")
            .arg(&self.encrypted)
            .arg("--key")
            .arg(self.key());
        command.args([
            "--endpoint",
            &self.stage.control_plane_url(),
            "--blob-base-url",
            &self.blob_base_url(),
        ]);
        command
            .arg("--token-file")
            .arg(self.stage.provider_token_file())
            .arg("--ca-file")
            .arg(self.stage.ca());
        command::output(&mut command, LIMIT).await?;
        Ok("the key went to the control plane alone".to_owned())
    }

    /// The ModelAsset as the CLI prints it.
    pub async fn manifest(&self) -> Result<String> {
        let mut command = self.cli("modelasset");
        command.arg("--asset-dir").arg(&self.encrypted);
        command.args([
            "--endpoint",
            &self.stage.control_plane_url(),
            "--blob-base-url",
            &self.blob_base_url(),
        ]);
        command::output(&mut command, LIMIT).await
    }

    /// Applies the ModelAsset and waits until it is Ready.
    pub async fn apply(&self) -> Result<String> {
        Kubectl::of(self.world).apply(&self.manifest().await?).await?;
        let api: Api<ModelAsset> = Api::all(self.world.client().await?);
        wait::until(&api, &self.asset, "Ready", Duration::from_mins(1), ready).await?;
        Ok(format!("modelasset/{} is Ready", self.asset))
    }

    /// All of it, for tests.
    pub async fn publish(&self, mebibytes: u32, canary: Option<&Canary>) -> Result<Model> {
        let model = self.sample_model(mebibytes, canary).await?;
        self.encrypt(&model).await?;
        self.upload().await?;
        self.register().await?;
        self.apply().await?;
        Ok(model)
    }

    /// Where the ciphertext lies on the provider's disk.
    #[must_use]
    pub fn encrypted(&self) -> &Path {
        &self.encrypted
    }

    fn blob_base_url(&self) -> String {
        format!("{}/models/{}", self.stage.container_url(), self.asset)
    }

    fn key(&self) -> PathBuf {
        self.secrets.path().join("asset.key")
    }

    fn cli(&self, verb: &str) -> Command {
        let mut command = Command::new(self.world.program("trustbridge"));
        command.args(["--json", verb]);
        command
    }
}

fn ready(asset: &ModelAsset) -> Seen {
    let Some(status) = &asset.status else {
        return Seen::NotYet;
    };
    if status.observed_generation != asset.metadata.generation {
        return Seen::NotYet;
    }
    match status.phase {
        ModelAssetPhase::Ready => Seen::Arrived,
        ModelAssetPhase::Rejected => Seen::Hopeless("it was rejected".to_owned()),
        ModelAssetPhase::Pending => Seen::NotYet,
    }
}

/// SHA-256 of each safetensors file, and the bytes of all files.
fn digests(model: &Path) -> Result<(BTreeMap<String, String>, u64)> {
    let mut sha256 = BTreeMap::new();
    let mut total = 0;
    for entry in fs::read_dir(model)? {
        let entry = entry?;
        let bytes = fs::read(entry.path())?;
        total += u64::try_from(bytes.len())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".safetensors") {
            sha256.insert(name, data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)));
        }
    }
    ensure!(!sha256.is_empty(), "the sample model has no safetensors file");
    Ok((sha256, total))
}

/// Bytes for people.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
