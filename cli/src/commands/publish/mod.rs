//! `trustbridge publish`: encrypt, upload, register, build, package, and the ModelAsset, in one command that goes on
//! where it stopped.

mod sealing;
mod source;
mod state;
mod steps;

use std::path::PathBuf;

use clap::ArgAction;
use serde::Serialize;
use serde_json::json;
use trustbridge_tbenc::DEFAULT_CHUNK_BYTES;

use super::build;
use super::upload::TargetArgs;
use crate::control_plane::Identity;
use crate::failure::Failure;
use crate::interrupt;
use crate::remote::RemoteArgs;
use crate::report::{Report, lines};
use crate::store::CredentialArgs;
use state::{Progress, State, Step};
use steps::{Plan, Taken};

/// Arguments of `publish`.
#[derive(clap::Args)]
#[command(
    after_help = "Everything goes into --out: asset/, asset.key (keep it), package.zip, modelasset.yaml, and
publish.json, which says how far the publication is and holds no secret. The same command again goes on
where the last one stopped; where nothing is left to do, it changes nothing.

  trustbridge publish --in MODEL_DIR --asset-id llama-8b --out pub \\
      --container-url https://acct.blob.core.windows.net/models --sas-file sas \\
      --edc-endpoint https://control.example --token-file token \\
      --registry acme.azurecr.io --image-name tb/runtime --tag 1.0 --sentinel-binary trustbridge-sentinel"
)]
pub(crate) struct Args {
    /// The model file or directory.
    #[arg(long = "in", value_name = "FILE|DIR")]
    input: Option<PathBuf>,
    /// The asset's id, also its name in Kubernetes: lowercase letters, digits, '-' and '.'.
    #[arg(long, value_name = "ID")]
    asset_id: String,
    /// Folder of this publication.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Plaintext bytes of a record, 1 to 67108864.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHUNK_BYTES)]
    chunk_bytes: u32,
    /// Whether buyers may fine-tune the model.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = ArgAction::Set)]
    allow_finetune: bool,
    /// Path inside the model directory to leave out; may be repeated.
    #[arg(long, value_name = "PATH")]
    exclude: Vec<String>,
    /// The control plane, https.
    #[arg(long, visible_alias = "endpoint", value_name = "URL")]
    edc_endpoint: String,
    /// GPUs that the model needs at least.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    min_gpu: u8,
    /// Step to leave out; may be repeated.
    #[arg(long, value_name = "STEP")]
    skip: Vec<Step>,
    /// Image for the package, where the build is left out.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    build: build::Args,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize)]
struct Line {
    step: &'static str,
    outcome: &'static str,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    // Every argument of every step is judged before the first step does anything.
    let plan = Plan::new(args)?;
    let mut state = State::open(&args.out, &args.asset_id)?;
    for step in Step::ALL {
        if !plan.skips(step) {
            state.compare(step, plan.inputs(step))?;
        }
    }
    let mut taken = Vec::new();
    for step in Step::ALL {
        interrupt::check()?;
        let outcome = if plan.skips(step) {
            "skipped"
        } else {
            if state.progress(step) == Progress::New {
                plan.refuse_foreign(step)?;
            }
            let again = state.begin(step, plan.inputs(step))?;
            match plan.take(step, again, &mut state)? {
                Taken::Now => "done",
                Taken::Before => "unchanged",
            }
        };
        taken.push(Line {
            step: step.word(),
            outcome,
        });
    }
    report(&plan, &state, &taken)
}

fn report(plan: &Plan<'_>, state: &State, taken: &[Line]) -> Result<Report, Failure> {
    let asset = plan.asset()?;
    let base = plan.blob_base_url();
    let blobs: Vec<String> = asset
        .blobs()
        .iter()
        .map(|blob| match blob.path {
            Some(_) => format!("{base}/{}", blob.name),
            None => format!("{base}/{}", trustbridge_tbenc::manifest::SINGLE_FILE),
        })
        .chain([format!("{base}/{}", crate::asset::MANIFEST_NAME)])
        .collect();
    let image = plan.image(state);
    let package = (!plan.skips(Step::Package)).then(|| plan.package_path());
    let mut rows: Vec<(&str, String)> = taken
        .iter()
        .map(|line| (line.step, line.outcome.to_owned()))
        .collect();
    rows.push(("asset id", asset.manifest.asset_id.clone()));
    rows.push(("manifest sha256", asset.manifest_sha256.clone()));
    rows.extend(blobs.iter().map(|url| ("blob", url.clone())));
    rows.extend(image.iter().map(|image| ("image", image.clone())));
    rows.extend(package.iter().map(|path| ("package", path.display().to_string())));
    rows.push(("key file", format!("{} (keep it)", plan.key_path().display())));
    let next = format!("kubectl apply -f {}", plan.modelasset_path().display());
    if !plan.skips(Step::Modelasset) {
        rows.push(("next", next.clone()));
    }
    let document = json!({
        "asset_id": asset.manifest.asset_id, "manifest_sha256": asset.manifest_sha256, "steps": taken,
        "blob_base_url": base, "blobs": blobs, "image": image, "package": package, "key_file": plan.key_path(),
        "modelasset": plan.modelasset_path(), "next": next,
    });
    Report::new(lines(&rows), &document)
}
