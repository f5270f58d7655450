//! The program in the DaemonSet `fake-gpu`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use trustbridge_fake_gpu::{Settings, run};

/// Advertises GPUs that do not exist, so that a cluster without any can schedule pods that ask for one.
#[derive(Debug, Parser)]
#[command(name = "tb-fake-gpu", version)]
struct Arguments {
    /// Name of the resource.
    #[arg(long, default_value = "nvidia.com/gpu")]
    resource: String,
    /// How many devices.
    #[arg(long, default_value_t = 4)]
    count: u16,
    /// The kubelet's folder of plug-in sockets.
    #[arg(long, default_value = "/var/lib/kubelet/device-plugins")]
    plugin_dir: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let settings = Settings {
        resource: arguments.resource,
        count: arguments.count,
        plugin_dir: arguments.plugin_dir,
    };
    run(settings, stop).await?;
    Ok(())
}
