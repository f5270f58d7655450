//! `trustbridge man`: the manual pages, and the reference page of the documentation.

mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use crate::command_line;
use crate::failure::{Exit, Failure};
use crate::report::Report;

/// Arguments of `man`.
#[derive(clap::Args)]
#[command(after_help = "  trustbridge man | man -l -
  trustbridge man encrypt | man -l -
  trustbridge man --out ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// The command whose page is printed [default: the overview].
    #[arg(value_name = "COMMAND")]
    page: Option<String>,
    /// Folder to write all pages into, instead of printing one.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    out: Option<PathBuf>,
    /// Print the reference of all commands as Markdown.
    #[arg(long, hide = true, conflicts_with_all = ["page", "out"])]
    markdown: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let command = command_line::command();
    if args.markdown {
        return Ok(Report::document(reference::markdown(command)));
    }
    if let Some(folder) = &args.out {
        return write_all(command, folder);
    }
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let page = match &args.page {
        None => command,
        Some(name) => command
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("{name}: is no command; `trustbridge help` lists them")))?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|e| Failure::new(Exit::Io, format!("manual page: {e}")))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Report::document(text))
}

fn write_all(command: clap::Command, folder: &Path) -> Result<Report, Failure> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|e| Failure::file("writing the manual pages into", folder, &e))?;
    Report::new(
        format!("manual pages  {}", folder.display()),
        &serde_json::json!({ "out": folder }),
    )
}
