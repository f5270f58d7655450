//! `trustbridge modelasset`: the object that tells the seller's cluster about the asset.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::asset::{Asset, AssetArgs};
use crate::failure::Failure;
use crate::remote;
use crate::report::Report;
use crate::staged::{Staged, refuse_existing, sync};

/// Arguments of `modelasset`.
#[derive(clap::Args)]
#[command(
    after_help = "  trustbridge modelasset --in enc --edc-endpoint https://control.example \\
      --blob-base-url https://acct.blob.core.windows.net/models/models/tb-1 | kubectl apply -f -"
)]
pub(crate) struct Args {
    #[command(flatten)]
    asset: AssetArgs,
    /// The control plane, https, without a path.
    #[arg(long, visible_alias = "endpoint", value_name = "URL", env = "TB_EDC_ENDPOINT")]
    edc_endpoint: String,
    /// Folder of the asset in the container, as `upload` prints it: <container URL>/models/<asset id>.
    #[arg(long, value_name = "URL")]
    blob_base_url: String,
    /// GPUs that the model needs at least.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    min_gpu: u8,
    /// New file for the YAML [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a ModelAsset says beside the manifest.
pub(crate) struct Place<'a> {
    /// The control plane's URL.
    pub(crate) edc_endpoint: &'a str,
    /// The asset's folder in its container.
    pub(crate) blob_base_url: &'a str,
    /// GPUs that the model needs at least.
    pub(crate) min_gpu: u8,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let asset = Asset::open(&args.asset)?;
    let place = Place {
        edc_endpoint: &args.edc_endpoint,
        blob_base_url: &args.blob_base_url,
        min_gpu: args.min_gpu,
    };
    let (yaml, object) = model_asset(&asset, &place)?;
    let Some(out) = &args.out else {
        return Report::new(yaml, &object);
    };
    write(out, &yaml)?;
    Report::new(
        format!(
            "{}: written; next: kubectl apply -f {}",
            out.display(),
            out.display()
        ),
        &object,
    )
}

/// The object as YAML for `kubectl apply`, and as it is.
pub(crate) fn model_asset(asset: &Asset, place: &Place<'_>) -> Result<(String, Value), Failure> {
    let object = object(asset, place)?;
    let yaml = serde_saphyr::to_string(&object).map_err(|e| Failure::data(format!("ModelAsset: {e}")))?;
    Ok((yaml, object))
}

fn write(out: &Path, yaml: &str) -> Result<(), Failure> {
    refuse_existing("--out", out)?;
    let (staged, mut file) = Staged::public(out)?;
    file.write_all(yaml.as_bytes())
        .map_err(|e| Failure::file("writing", out, &e))?;
    sync(&file, out)?;
    staged.commit()
}

/// The rule of [`is_object_name`], for an error.
pub(crate) const OBJECT_NAME: &str = "is the object's name in Kubernetes and must be at most 253 lowercase letters, \
    digits, '-' and '.', with a letter or digit at its begin, at its end and on both sides of every '.'";

/// Whether Kubernetes takes a name for an object: a subdomain of RFC 1123.
pub(crate) fn is_object_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn object(asset: &Asset, place: &Place<'_>) -> Result<Value, Failure> {
    let manifest = &asset.manifest;
    let id = &manifest.asset_id;
    if !is_object_name(id) {
        return Err(Failure::data(format!(
            "asset id {id:?}: {OBJECT_NAME}; encrypt again with such an --asset-id"
        )));
    }
    let endpoint = remote::https_url("--edc-endpoint", place.edc_endpoint)?;
    let blob_base_url = remote::blob_base_url(place.blob_base_url, id)?;
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
        "minGpu": place.min_gpu,
    });
    if let (Some(spec), false) = (spec.as_object_mut(), files.is_empty()) {
        spec.insert("files".to_owned(), files.into());
    }
    Ok(json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "ModelAsset", "metadata": {"name": id}, "spec": spec
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_kubernetes_takes() {
        for right in ["a", "llama-8b", "0", "a.b-c.d", "a--b"] {
            assert!(is_object_name(right), "{right}");
        }
        let long = "a".repeat(254);
        for wrong in [
            "", "Llama", "a_b", "-a", "a-", ".a", "a.", "a..b", "a-.b", "a.-b", "ä", &long,
        ] {
            assert!(!is_object_name(wrong), "{wrong}");
        }
    }
}
