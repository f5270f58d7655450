//! The guard at every boundary: authorises, hydrates, decrypts into a FIFO, proxies, audits.

mod app_probe;
mod audit;
mod billing;
mod caller;
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
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use trustbridge_domain::sentinel::State;

use config::{Config, Loaded, Problem, TERMINATION_LOG};
use sys::{Fence, Fenced};
use trustbridge_secret_page::Wiping;

/// What other people's code leaves of an answer that held a key is wiped when it is freed.
#[global_allocator]
static HEAP: Wiping = Wiping::new();

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
    // The settings know these words only; before they are read, it is the default.
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("trustbridge_sentinel", level)
        .with_target("trustbridge_azure", level)
        .with_target("audit", LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .json()
                .with_writer(std::io::stdout),
        )
        .with(filter)
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
    let fenced = close_fence(&config)?;
    // Two do: what is heavy (digests, decryption, the proxy) has threads of its own.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(serve::serve(config, fenced))
}

/// Before the runtime has threads: each thread has the fence of the one that started it.
fn close_fence(config: &Config) -> anyhow::Result<Fenced> {
    let fenced = Fence::of(config)
        .close()
        .map_err(|error| anyhow::anyhow!("closing the process off from other files (Landlock): {error}"))?;
    let landlock = fenced.as_str();
    match fenced {
        Fenced::Full => tracing::info!(landlock, "only the files of the settings can be reached"),
        Fenced::WritesOnly => tracing::warn!(
            landlock,
            "every file can be read, for the program of TB_ATTESTATION; only those of the settings be written"
        ),
        Fenced::Partial | Fenced::No => tracing::warn!(
            landlock,
            "this kernel does not close the process off from other files; from Linux 6.12 on it does"
        ),
    }
    Ok(fenced)
}
