//! `trustbridge modelasset`: the object that tells the seller's cluster about the asset.

use serde_json::{Value, json};

use crate::asset::{Asset, AssetArgs};
use crate::failure::Failure;
use crate::remote;
use crate::report::Report;

/// Arguments of `modelasset`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// The control plane, https, without a path.
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Folder of the asset in the container, as `upload` prints it: <container URL>/models/<asset id>.
    #[arg(long, value_name = "URL")]
    blob_base_url: String,
    /// GPUs that the model needs at least.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    min_gpu: u8,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let object = object(&asset, args)?;
    let yaml = serde_saphyr::to_string(&object).map_err(|e| Failure::input(format!("ModelAsset: {e}")))?;
    Report::new(yaml, &object)
}

fn object(asset: &Asset, args: &Args) -> Result<Value, Failure> {
    let manifest = &asset.manifest;
    let id = &manifest.asset_id;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !id.chars().all(legal) || !id.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(Failure::input(format!(
            "asset id {id:?}: is the object's name in Kubernetes and must be lowercase letters, digits, '-' and '.'; \
             encrypt again with such an --asset-id"
        )));
    }
    let endpoint = remote::https_url("--endpoint", &args.endpoint)?;
    let blob_base_url = remote::blob_base_url(&args.blob_base_url, id)?;
    let files: Vec<Value> = manifest
        .files
        .iter()
        .flatten()
        .map(|file| {
            json!({"path": file.path, "plaintextBytes": file.plaintext_bytes, "sha256Ciphertext": file.sha256_ciphertext})
        })
        .collect();
    let mut spec = json!({
        "endpoint": endpoint.as_str().trim_end_matches('/'),
        "blobBaseUrl": blob_base_url,
        "manifestSha256": asset.manifest_sha256,
        "plaintextBytes": manifest.plaintext_bytes,
        "allowFinetune": manifest.allow_finetune,
        "minGpu": args.min_gpu,
    });
    if let (Some(spec), false) = (spec.as_object_mut(), files.is_empty()) {
        spec.insert("files".to_owned(), files.into());
    }
    Ok(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "ModelAsset", "metadata": {"name": id}, "spec": spec
    }))
}
