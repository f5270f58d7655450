//! The command line: what it takes, where values come from that it does not say, and how its errors end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands;
use crate::config::{self, Config};
use crate::failure::{Exit, Failure};
use crate::refused_flags;
use crate::remote;
use crate::report::Report;

/// Encrypts a model, puts it where the control plane can hand it out, and registers it.
///
/// Keys, SAS tokens and passwords are read from files or standard input ('-'), never from arguments.
#[derive(Parser)]
#[command(name = "trustbridge", version, after_help = AFTER_HELP, after_long_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Print one JSON document instead of text (errors too, on standard error).
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Configuration file [default: `$XDG_CONFIG_HOME/trustbridge/config.yaml` where it exists].
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TB_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "A first model:
  trustbridge encrypt --in MODEL_DIR --out enc --asset-id tb-1
  trustbridge verify --in enc --key-file enc.key
  trustbridge upload --asset-dir enc --container-url https://ACCOUNT.blob.core.windows.net/CONTAINER
  trustbridge register --asset-dir enc --key-file enc.key --edc-endpoint https://CONTROL_PLANE \\
      --container-url https://ACCOUNT.blob.core.windows.net/CONTAINER --token-file TOKEN_FILE

A value that no argument gives comes from the environment, then from the configuration file: any long flag as a key,
at its top level or below the command's name.

Exit codes:
  0    done
  64   wrong arguments, configuration or order of commands
  65   the data is refused: it breaks a rule, or is not the right one
  69   a service is not there, or in trouble; trying again may help
  74   a local file could not be read or written
  77   not allowed: credentials are missing, refused or not enough
  130  interrupted; nothing unfinished was left behind. A second signal ends at once and may leave a
       `.NAME.partial-ID`, which is safe to remove and which the next run of the same command takes away";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Encrypt one file, or a model directory, under a fresh key.
    Encrypt(commands::encrypt::Args),
    /// Check an encrypted asset, local or by URL; with its key every byte of it.
    Verify(commands::verify::Args),
    /// Upload an encrypted asset to its private blob container.
    Upload(commands::upload::Args),
    /// Register an uploaded asset and its key at the control plane.
    Register(commands::register::Args),
    /// Build the skeleton image of sentinel and model server, check it for weights, and push it.
    Build(commands::build::Args),
    /// Make, or judge, the managed-application package.
    Package(commands::package::Args),
    /// Encrypt, upload, register, build and package in one command that goes on where it stopped.
    Publish(Box<commands::publish::Args>),
    /// Print the ModelAsset to apply in the seller's cluster.
    Modelasset(commands::modelasset::Args),
    /// Show what a manifest says, and what lies at its ciphertext's place.
    Inspect(commands::inspect::Args),
    /// Decrypt an asset to a new path that is named explicitly.
    Decrypt(commands::decrypt::Args),
    /// Check that an audit log of the sentinel is whole, unaltered and signed.
    Audit(commands::audit::Args),
    /// Rate an invoice again from what it follows from, and check who signed it.
    Invoice(commands::invoice::Args),
    /// Derive the method of a wipe again from what was observed, and check who signed it.
    Evidence(commands::evidence::Args),
    /// Make a small but real model directory for demos and tests.
    SampleModel(commands::sample_model::Args),
    /// Print the completion script of a shell.
    Completions(commands::completions::Args),
    /// Print a manual page, or write all of them into a folder.
    Man(commands::man::Args),
}

impl Command {
    /// Runs it.
    pub(crate) fn run(&self) -> Result<Report, Failure> {
        match self {
            Self::Encrypt(args) => commands::encrypt::run(args),
            Self::Verify(args) => commands::verify::run(args),
            Self::Upload(args) => remote::block_on(commands::upload::run(args)),
            Self::Register(args) => commands::register::run(args),
            Self::Build(args) => commands::build::run(args),
            Self::Package(args) => commands::package::run(args),
            Self::Publish(args) => commands::publish::run(args),
            Self::Modelasset(args) => commands::modelasset::run(args),
            Self::Inspect(args) => commands::inspect::run(args),
            Self::Decrypt(args) => commands::decrypt::run(args),
            Self::Audit(args) => commands::audit::run(args),
            Self::Invoice(args) => commands::invoice::run(args),
            Self::Evidence(args) => commands::evidence::run(args),
            Self::SampleModel(args) => commands::sample_model::run(args),
            Self::Completions(args) => commands::completions::run(args),
            Self::Man(args) => commands::man::run(args),
        }
    }
}

/// How a command line ended that is not to be run.
pub(crate) enum Ended {
    /// Help or the version: the text is for standard output.
    Told(clap::Error),
    /// Wrong use.
    Refused { failure: Failure, json: bool },
}

impl Ended {
    /// Says it, and gives the exit code.
    pub(crate) fn exit(self) -> ExitCode {
        match self {
            // A reader that went away has what it wanted.
            Self::Told(text) => text.print().map_or(ExitCode::SUCCESS, |()| ExitCode::SUCCESS),
            Self::Refused { failure, json } => {
                failure.print(json);
                failure.exit.into()
            }
        }
    }
}

/// All commands with their arguments.
pub(crate) fn command() -> clap::Command {
    config::environment::named(Cli::command())
}

/// Reads the command line, and adds what environment and configuration file say.
pub(crate) fn parse(mut args: Vec<OsString>) -> Result<Cli, Ended> {
    // Asked before anything is parsed: an error about JSON must be JSON.
    let json = args.iter().any(|arg| arg == "--json");
    let refused = |failure| Ended::Refused { failure, json };
    refused_flags::check(&args).map_err(refused)?;
    let command = command();
    let mut from_file = false;
    if let Some(given) = given(&command, &args) {
        let config = Config::load(config_path(&given)).map_err(refused)?;
        let layers = config::layers(&command, &given, &config).map_err(refused)?;
        from_file = !layers.is_empty();
        insert(&mut args, &given, layers);
    }
    command
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| judge(error, json, from_file))
}

/// What the arguments alone say, with everything still missing that the other sources may give. Nothing where
/// help is asked for, or no command is named: then those sources do not matter.
fn given(command: &clap::Command, args: &[OsString]) -> Option<ArgMatches> {
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(args)
        .ok()?;
    matches.subcommand_name().is_some().then_some(matches)
}

fn config_path(given: &ArgMatches) -> Option<PathBuf> {
    let below = given.subcommand().map(|(_, matches)| matches);
    // A global argument is found at the level where it was written.
    below
        .and_then(|matches| matches.get_one::<PathBuf>("config"))
        .or_else(|| given.get_one("config"))
        .cloned()
}

/// Puts arguments right behind the command's name.
fn insert(args: &mut Vec<OsString>, given: &ArgMatches, layers: Vec<OsString>) {
    let Some(name) = given.subcommand_name() else {
        return;
    };
    let mut value_follows = false;
    let place = args.iter().skip(1).position(|arg| {
        let found = arg == name && !value_follows;
        value_follows = arg == "--config";
        found
    });
    if let Some(place) = place {
        let behind = place + 2;
        args.splice(behind..behind, layers);
    }
}

fn judge(error: clap::Error, json: bool, from_file: bool) -> Ended {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ended::Told(error);
    }
    let text = error.render().to_string();
    let mut text = text
        .strip_prefix("error: ")
        .unwrap_or(&text)
        .trim_end()
        .to_owned();
    if from_file {
        text.push_str(
            "\n\nSome of the arguments come from the environment (TB_*) or the configuration file.",
        );
    }
    let failure = Failure::new(Exit::Usage, text);
    Ended::Refused { failure, json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        command().debug_assert();
    }
}
