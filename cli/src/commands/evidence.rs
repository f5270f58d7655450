//! `trustbridge evidence verify`: whether evidence of a wipe is what its steps come to, and what its seller signed.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use trustbridge_domain::wipe::{Printed, Verdict, verify as judge};

use super::signed::{is_signed, public_key, read, right, signer};
use crate::failure::Failure;
use crate::report::{Report, lines};

/// Arguments of `evidence`.
#[derive(clap::Args)]
#[command(
    after_help = "  kubectl get wipeevidence NAME -n NAMESPACE -o yaml > evidence.yaml
  trustbridge evidence verify evidence.yaml --public-key 5f1c...e2

The method is derived again from the steps. No cluster is asked. The file alone shows every change of what was signed;
that it was the seller who signed shows against the seller's key, which is published in the SellerProfile
(`kubectl get sellerprofile seller -o yaml`, `status.keys[].publicKey`). Read what was not observed, too."
)]
pub(crate) struct Args {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// The WipeEvidence as kubectl prints it, YAML or JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Refuse signatures of any other key; may be repeated.
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    public_key: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Derive the method again, and check digest and signature.
    Verify,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    match args.action {
        Action::Verify => verify(args),
    }
}

fn verify(args: &Args) -> Result<Report, Failure> {
    let printed: Printed = read(&args.file, "WipeEvidence")?;
    let verdict = judge(&printed, &args.public_key, is_signed);
    let consequence = "it is evidence of nothing before the seller has explained them";
    right(&args.file, &verdict.findings, consequence)?;
    report(&verdict, !args.public_key.is_empty())
}

fn report(verdict: &Verdict, pinned: bool) -> Result<Report, Failure> {
    let rows = [
        ("evidence", verdict.name.clone()),
        ("tunepod", verdict.tune_pod.clone()),
        ("provider", verdict.provider.clone()),
        ("method", verdict.method.clone()),
        ("steps", verdict.steps.to_string()),
        ("not observed", verdict.not_observed.join("; ")),
        ("digest", verdict.digest.clone()),
        ("public key", verdict.public_key.clone()),
        ("signed", signer(pinned).to_owned()),
        ("result", "ok".to_owned()),
    ];
    let document = json!({
        "evidence": verdict.name, "tunepod": verdict.tune_pod, "provider": verdict.provider, "method": verdict.method,
        "steps": verdict.steps, "not_observed": verdict.not_observed, "digest": verdict.digest,
        "public_key": verdict.public_key, "public_keys_checked": pinned, "result": "ok"
    });
    Report::new(lines(&rows), &document)
}
