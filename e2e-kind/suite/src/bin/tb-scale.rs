//! `tb-scale`: the operator under many objects, measured.

use anyhow::{Context, Result};
use clap::Parser;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::ExitCode;
use trustbridge_cluster::workspace::Workspace;
use trustbridge_e2e::scale::{self, Sizes, report};

/// The operator under many objects: rates, writes and memory.
#[derive(Parser)]
#[command(name = "tb-scale", version)]
struct Cli {
    /// Quotes.
    #[arg(long, default_value_t = 10_000)]
    quotes: usize,
    /// Offers that they ask about.
    #[arg(long, default_value_t = 30)]
    offers: usize,
    /// Pods that are there besides.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// The operator; the one of the images unless it is given.
    #[arg(long)]
    operator: Option<PathBuf>,
    /// Commit that the page names.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Where the page goes; printed besides.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("scale failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let program = match &cli.operator {
        Some(program) => program.clone(),
        None => Workspace::find()?.static_programs().join("trustbridge-operator"),
    };
    // The server and the operator do not take each other's core; threads that come later are bound too.
    let mut first = CpuSet::new();
    first.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &first).context("cannot be bound to the first core")?;
    let sizes = Sizes {
        quotes: cli.quotes,
        offers: cli.offers,
        pods: cli.pods,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(scale::memory(&program, sizes))?;
    let page = report::page(sizes, &figures, &cli.commit);
    print!("{page}");
    if let Some(path) = &cli.write {
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
