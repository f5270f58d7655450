//! The guard at every boundary: authorises, hydrates, decrypts into a FIFO, proxies, audits.

mod app_probe;
mod audit;
mod billing;
mod caller;
mod config;
mod decrypt;
mod events;
mod health;
mod heartbeat;
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

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

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

/// Exit code for arguments that are none (sysexits.h, `EX_USAGE`).
const EX_USAGE: u8 = 64;

const USAGE: &str = "\
The guard of a protected model.

Usage: trustbridge-sentinel serve | --help | --version

  serve   Beside a model server: authorises, fetches, decrypts into its FIFOs, then proxies to it.
          All settings are TB_* environment variables.
";

/// What the arguments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Serve,
    Help,
    Version,
    Unknown,
}

impl Asked {
    /// There is one word to say, and nothing to combine it with.
    fn of(mut arguments: impl Iterator<Item = OsString>) -> Self {
        let (first, more) = (arguments.next(), arguments.next());
        match first.as_deref().and_then(OsStr::to_str) {
            _ if more.is_some() => Self::Unknown,
            Some("serve") => Self::Serve,
            Some("help" | "--help" | "-h") => Self::Help,
            Some("--version" | "-V") => Self::Version,
            _ => Self::Unknown,
        }
    }
}

fn main() -> ExitCode {
    trustbridge_secret_page::share_heaps();
    match Asked::of(std::env::args_os().skip(1)) {
        Asked::Serve => start(),
        Asked::Help => said(USAGE),
        Asked::Version => said(concat!("trustbridge-sentinel ", env!("CARGO_PKG_VERSION"), "\n")),
        Asked::Unknown => {
            // Nobody is left to be told where even that cannot be written.
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            ExitCode::from(EX_USAGE)
        }
    }
}

fn said(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn start() -> ExitCode {
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
    // Behind the fence it could not be read any more.
    decrypt::control_group();
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

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn one_word_is_understood_and_nothing_else() {
        for (words, asked) in [
            (&["serve"][..], Asked::Serve),
            (&["--help"], Asked::Help),
            (&["-V"], Asked::Version),
            (&[], Asked::Unknown),
            (&["Serve"], Asked::Unknown),
            (&["serve", "--verbose"], Asked::Unknown),
            (&["serve", "serve"], Asked::Unknown),
        ] {
            assert_eq!(Asked::of(words.iter().map(Into::into)), asked, "{words:?}");
        }
    }
}
