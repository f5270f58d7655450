//! trustbridge: encrypts, uploads and registers a provider's model.

#![allow(
    rustdoc::invalid_html_tags,
    rustdoc::broken_intra_doc_links,
    reason = "comments on arguments are the help text, which is printed as it stands"
)]

mod asset;
mod bounded;
mod command_line;
mod commands;
mod config;
mod container;
mod control_plane;
mod failure;
mod interrupt;
mod model;
mod package;
mod parallel;
mod progress;
mod refused_flags;
mod remote;
mod report;
mod secret;
mod staged;
mod store;

use std::process::ExitCode;

use command_line::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = match command_line::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(ended) => return ended.exit(),
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(cli.json);
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    interrupt::watch()?;
    // Only the first provider counts; nothing before this line uses TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli.command.run()?.print(cli.json)
}
