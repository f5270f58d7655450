//! `trustbridge completions`: a completion script for a shell.

use clap_complete::Shell;

use crate::command_line;
use crate::failure::{Exit, Failure};
use crate::report::Report;

/// Arguments of `completions`.
#[derive(clap::Args)]
#[command(
    after_help = "  bash        trustbridge completions bash > ~/.local/share/bash-completion/completions/trustbridge
  zsh         trustbridge completions zsh > \"${fpath[1]}/_trustbridge\"
  fish        trustbridge completions fish > ~/.config/fish/completions/trustbridge.fish
  PowerShell  trustbridge completions powershell >> $PROFILE
  elvish      trustbridge completions elvish >> ~/.config/elvish/rc.elv"
)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut command_line::command(),
        "trustbridge",
        &mut script,
    );
    let script = String::from_utf8(script);
    script
        .map(Report::document)
        .map_err(|e| Failure::new(Exit::Io, format!("script: {e}")))
}
