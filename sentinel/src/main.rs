//! The guard at every boundary: authorises, hydrates, decrypts into a FIFO, proxies, audits.

mod audit;
mod config;
mod decrypt;
mod events;
mod health;
mod hydrate;
mod license;
mod metrics;
mod neighbour;
mod proxy;
mod retry;
mod runtime;
mod serve;
mod shared;
mod sys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use config::{Config, Loaded};

/// Exit code for settings that cannot be used: another start changes nothing (sysexits.h, `EX_CONFIG`).
const EX_CONFIG: u8 = 78;

/// The guard of a protected model.
#[derive(Parser)]
#[command(name = "trustbridge-sentinel", version, about)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Beside a model server: authorises, fetches, decrypts into its FIFOs, then proxies to it.
    ///
    /// All settings are `TB_*` environment variables.
    Serve,
}

fn main() -> ExitCode {
    let Cli { mode: Mode::Serve } = Cli::parse();
    let Loaded { config, unknown } = match Config::load(environment()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            start_log("info");
            for problem in &problems {
                tracing::error!(field = problem.field, "{problem}");
            }
            return ExitCode::from(EX_CONFIG);
        }
    };
    start_log(&config.log_level);
    for name in unknown {
        tracing::warn!(name, "unknown variable; is it a typing error?");
    }
    match run(config) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Names and values that are not UTF-8 are nothing that this program reads.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// One JSON object a line on stdout. Audit records pass at every level.
fn start_log(level: &str) {
    let filter = EnvFilter::new(format!("{level},audit=info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .init();
}

fn run(config: Config) -> anyhow::Result<ExitCode> {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("a TLS provider was installed before main");
    }
    sys::harden().map_err(|error| anyhow::anyhow!("hardening the process: {error}"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve::serve(config))
}
