//! `trustbridge sample-model`: something to encrypt.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use clap::value_parser;
use serde_json::json;

use crate::failure::Failure;
use crate::model::sample::{Sample, write};
use crate::report::{Report, lines};
use crate::staged::{Staged, refuse_existing};

/// Arguments of `sample-model`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// New folder for the model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Size of the weights in MiB, 1 to 16384.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u64).range(1..=16384))]
    size_mib: u64,
    /// Text of at most 1024 bytes to repeat in the tensor data, so that a search can look for it.
    #[arg(long, value_name = "TEXT")]
    canary: Option<String>,
    /// The same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let canary = args.canary.as_deref();
    if canary.is_some_and(|text| text.is_empty() || text.len() > 1024) {
        return Err(Failure::usage("--canary: must be 1 to 1024 bytes long"));
    }
    refuse_existing("--out", &args.out)?;
    let staged = Staged::directory(&args.out)?;
    let total = write(
        staged.temporary(),
        &Sample {
            bytes: args.size_mib << 20,
            canary,
            seed: args.seed,
        },
    )?;
    staged.commit_directory(Permissions::from_mode(0o755))?;
    let text = lines(&[
        ("model", args.out.display().to_string()),
        ("tensor bytes", total.to_string()),
        ("seed", args.seed.to_string()),
    ]);
    Report::new(
        text,
        &json!({"out": args.out, "tensor_bytes": total, "seed": args.seed}),
    )
}
