//! `tb-double`: one program for all doubles.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use trustbridge_simkit::{arm, control_plane, metering, probe, runtime};

/// Doubles for tests and the demo: never a part of an installation.
#[derive(Parser)]
#[command(name = "tb-double", version)]
struct Cli {
    #[command(subcommand)]
    double: Double,
}

#[derive(Subcommand)]
enum Double {
    /// Azure Resource Manager: agent pools and the token endpoint.
    Arm(arm::Args),
    /// The licence service of a model provider.
    ControlPlane(control_plane::Args),
    /// The marketplace's metered billing API and its token endpoints.
    Metering(metering::Args),
    /// A model server that reads weights from FIFOs.
    Runtime(runtime::Args),
    /// A client for tests inside the cluster.
    #[command(subcommand)]
    Probe(probe::Probe),
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    // A second provider can only be installed by a mistake in this function.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match start(Cli::parse().double) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(double: Double) -> anyhow::Result<ExitCode> {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let result = tokio.block_on(async {
        match double {
            Double::Arm(args) => arm::run(args).await.map(|()| ExitCode::SUCCESS),
            Double::ControlPlane(args) => control_plane::run(args).await.map(|()| ExitCode::SUCCESS),
            Double::Metering(args) => metering::run(args).await.map(|()| ExitCode::SUCCESS),
            Double::Runtime(args) => runtime::run(args).await.map(|()| ExitCode::SUCCESS),
            Double::Probe(probe) => probe::run(probe).await,
        }
    });
    // Name resolution may still block a thread; nobody waits for it.
    tokio.shutdown_background();
    result
}
