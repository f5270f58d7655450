//! Generates what is checked in: custom resource definitions and their copies in the chart, the reference
//! pages. `cargo run -p xtask -- all` writes, `cargo test -p xtask` proves the files current.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use xtask::generate::{self, Generated};

/// Generates checked-in files.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes every generated file.
    All,
    /// Writes the custom resource definitions into `crds/` and the chart.
    Crds,
}

fn main() -> Result<()> {
    let files = match Args::parse().command {
        Command::All => generate::all()?,
        Command::Crds => generate::crds()?,
    };
    let root = repository_root();
    for file in &files {
        write(&root, file)?;
    }
    println!("{} files written", files.len());
    Ok(())
}

fn write(root: &Path, file: &Generated) -> Result<()> {
    let path = root.join(&file.path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))
}

fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
