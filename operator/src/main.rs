//! The operator's process: settings, client, lease, controllers, end.

use anyhow::Context as _;
use clap::Parser;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use std::process::ExitCode;
use std::sync::Arc;
use trustbridge_kit::clock::Clock;
use trustbridge_kit::controller::Shared;
use trustbridge_kit::events::Events;
use trustbridge_kit::lease::{self, Candidate};
use trustbridge_kit::shutdown;
use trustbridge_kit::telemetry::{self, Health, Metrics};
use trustbridge_operator::context::Context;
use trustbridge_operator::public_port::PodNetwork;
use trustbridge_operator::settings::{Cli, Command, Flags, Settings};
use trustbridge_operator::workspace_probe::NoWorkspaces;
use trustbridge_operator::{controllers, nodepool, rbac, sentinel_port};

/// Name of the Lease.
const LEASE: &str = "trustbridge-operator";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Rbac) => print_rbac(),
        None => reconcile(cli.flags).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            eprintln!("trustbridge-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_rbac() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(rbac::ROWS)?);
    Ok(())
}

async fn reconcile(flags: Flags) -> anyhow::Result<()> {
    // Fails only when a provider is installed already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    telemetry::init_logs(!flags.log_text);
    let identity = identity(&flags);
    let end = shutdown::on_signals().context("signal handlers")?;
    let client = trustbridge_kit::client::connect().await?;
    let metrics = Arc::new(Metrics::new("trustbridge_operator"));
    let shared = Shared {
        metrics: Arc::clone(&metrics),
        health: Arc::new(Health::default()),
        events: Events::new(client.clone(), "trustbridge-operator", &identity),
    };
    let admin = telemetry::serve(
        flags.admin_addr,
        Arc::clone(&metrics),
        Arc::clone(&shared.health),
        end.clone(),
    );
    let admin = tokio::spawn(admin);
    let leases: Api<Lease> = Api::namespaced(client.clone(), &flags.namespace);
    let (candidate, leader) = Candidate::new(leases.clone(), LEASE, &identity);
    let mut lost = tokio::spawn(candidate.run());
    let ctx = context(&flags, client, leader.clone(), shared)?;
    tokio::select! {
        () = leader.acquired() => metrics.leads(true),
        () = end.clone().requested() => return Ok(()),
    }
    tokio::select! {
        () = controllers::run(&ctx, &end) => {}
        // Another one may lead by now: nothing that runs here may go on.
        why = &mut lost => anyhow::bail!("leadership lost: {}", why?),
    }
    lost.abort();
    lease::give_up(&leases, LEASE, &identity).await;
    admin.abort();
    Ok(())
}

fn identity(flags: &Flags) -> String {
    let host = || {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
    };
    flags
        .identity
        .clone()
        .or_else(host)
        .unwrap_or_else(|| "trustbridge-operator".to_owned())
}

fn context(
    flags: &Flags,
    client: Client,
    leader: lease::Leader,
    shared: Shared,
) -> anyhow::Result<Arc<Context>> {
    let settings = Settings::load(flags).context("`--ca-file` cannot be read; give a readable PEM file")?;
    let mut https = trustbridge_azure::http::Client::builder();
    if let Some(ca) = &flags.ca_file {
        https = https.ca_file(ca);
    }
    let https = https.build()?;
    let writer = trustbridge_kit::apply::Writer::new(client.clone(), leader, Arc::clone(&shared.metrics));
    let clock: Arc<dyn Clock> = Arc::new(trustbridge_kit::clock::SystemClock);
    Ok(Arc::new(Context {
        pools: nodepool::from_flags(flags, &client, &https, &writer, &clock)?,
        writer,
        clock,
        client,
        https,
        sentinels: sentinel_port::client()?,
        ports: Arc::new(PodNetwork),
        workspaces: Arc::new(NoWorkspaces),
        settings,
        shared,
    }))
}
