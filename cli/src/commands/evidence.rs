//! `trustbridge evidence verify`: whether evidence of a wipe is what its steps come to, and what its seller signed.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use trustbridge_domain::wipe::{Printed, Verdict, verify as judge};

use super::invoice::{is_signed, public_key};
use crate::failure::Failure;
use crate::report::{Report, lines};

/// Longest file that is read, in bytes: objects of the API server are shorter.
const MAX_BYTES: u64 = 4 << 20;

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
    let path = &args.file;
    let failed = |error| Failure::file("reading", path, &error);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(Failure::data(format!(
            "{}: {length} bytes: a WipeEvidence has at most {MAX_BYTES}; give the object alone",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    // JSON is YAML, too.
    let printed: Printed = serde_saphyr::from_str(&text).map_err(|error| {
        Failure::data(format!(
            "{}: no WipeEvidence: {error}; give what `kubectl get wipeevidence NAME -o yaml` prints",
            path.display()
        ))
    })?;
    let verdict = judge(&printed, &args.public_key, is_signed);
    if verdict.findings.is_empty() {
        return report(&verdict, !args.public_key.is_empty());
    }
    Err(Failure::data(format!(
        "{}: {} findings: {}; it is evidence of nothing before the seller has explained them",
        path.display(),
        verdict.findings.len(),
        verdict.findings.join("; ")
    )))
}

fn report(verdict: &Verdict, pinned: bool) -> Result<Report, Failure> {
    let by = if pinned {
        "an expected key"
    } else {
        "a key that nobody vouched for: give --public-key"
    };
    let rows = [
        ("evidence", verdict.name.clone()),
        ("tunepod", verdict.tune_pod.clone()),
        ("provider", verdict.provider.clone()),
        ("method", verdict.method.clone()),
        ("steps", verdict.steps.to_string()),
        ("not observed", verdict.not_observed.join("; ")),
        ("digest", verdict.digest.clone()),
        ("public key", verdict.public_key.clone()),
        ("signed", format!("by {by}")),
        ("result", "ok".to_owned()),
    ];
    let document = json!({
        "evidence": verdict.name, "tunepod": verdict.tune_pod, "provider": verdict.provider, "method": verdict.method,
        "steps": verdict.steps, "not_observed": verdict.not_observed, "digest": verdict.digest,
        "public_key": verdict.public_key, "public_keys_checked": pinned, "result": "ok"
    });
    Report::new(lines(&rows), &document)
}
