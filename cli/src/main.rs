//! trustbridge: encrypts, uploads and registers a provider's model.

mod asset;
mod commands;
mod failure;
mod model;
mod publish;
mod remote;
mod report;
mod secret;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Encrypts a model, puts it where the control plane can hand it out, and registers it.
///
/// Keys, SAS tokens and passwords are read from files or standard input ('-'), never from arguments.
#[derive(Parser)]
#[command(name = "trustbridge", version, after_help = EXIT_CODES)]
struct Cli {
    /// Print one JSON document instead of text (errors too, on standard error).
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  a local file could not be read or written
  2  wrong arguments, or an input that breaks a rule
  3  verification failed: the key, manifest or ciphertext is not the right one
  4  the control plane or the blob store refused
  5  the control plane or the blob store could not be reached; trying again may help";

#[derive(Subcommand)]
enum Command {
    /// Encrypt one file, or a model directory, under a fresh key.
    Encrypt(commands::encrypt::Args),
    /// Upload an encrypted asset to its blob container.
    Upload(commands::upload::Args),
    /// Register an uploaded asset and its key at the control plane.
    Register(commands::register::Args),
    /// Print the ModelAsset to apply in the seller's cluster.
    Modelasset(commands::modelasset::Args),
    /// Show what a manifest says.
    Inspect(commands::inspect::Args),
    /// Check an encrypted asset; with its key every byte of it.
    Verify(commands::verify::Args),
    /// Decrypt an asset to a path that is named explicitly.
    Decrypt(commands::decrypt::Args),
    /// Make a small but real model directory for demos and tests.
    SampleModel(commands::sample_model::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Only the first provider counts; nothing before this line uses TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(cli.command).and_then(|report| report.print(cli.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(cli.json);
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<report::Report, Failure> {
    match command {
        Command::Encrypt(args) => commands::encrypt::run(&args),
        Command::Upload(args) => remote::block_on(commands::upload::run(&args)),
        Command::Register(args) => remote::block_on(commands::register::run(&args)),
        Command::Modelasset(args) => commands::modelasset::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Decrypt(args) => commands::decrypt::run(&args),
        Command::SampleModel(args) => commands::sample_model::run(&args),
    }
}
