//! The guard at every boundary: authorises, hydrates, decrypts into a FIFO, proxies, audits.

mod app_probe;
mod audit;
mod billing;
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

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
use trustbridge_domain::sentinel::State;

use config::{Config, Loaded, Problem, TERMINATION_LOG};

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
        Err(problems) => return refuse(&problems),
    };
    start_log(&config.log_level);
    for name in unknown {
        tracing::warn!(name, "unknown variable; is it a typing error?");
    }
    let termination_log = config.termination_log.clone();
    match run(config) {
        Ok(code) => code,
        Err(error) => {
            let message = format!("{error:#}");
            tracing::error!("{message}");
            report(&termination_log, "start", &message);
            ExitCode::FAILURE
        }
    }
}

fn refuse(problems: &[Problem]) -> ExitCode {
    start_log("info");
    for problem in problems {
        tracing::error!(field = problem.field, "{problem}");
    }
    let path = std::env::var_os("TB_TERMINATION_LOG").unwrap_or_else(|| TERMINATION_LOG.into());
    let message: Vec<_> = problems.iter().map(ToString::to_string).collect();
    report(Path::new(&path), serve::SETTINGS, &message.join("\n"));
    ExitCode::from(EX_CONFIG)
}

/// Names and values that are not UTF-8 are nothing that this program reads.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// One JSON object a line on stdout. Audit records pass at every level; of other people's code only warnings do,
/// because at deeper levels it may tell URLs.
fn start_log(level: &str) {
    let filter = format!("warn,trustbridge_sentinel={level},trustbridge_azure={level},audit=info");
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stdout)
        .init();
}

/// Leaves the reason where the kubelet looks for it.
fn report(path: &Path, reason: &str, message: &str) {
    if let Err(error) = serve::write_report(path, State::Boot, reason, message) {
        tracing::warn!(%error, path = %path.display(), "termination message not written");
    }
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
