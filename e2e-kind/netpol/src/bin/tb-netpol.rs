//! The agent: enforces NetworkPolicy for the pods of one node, in the network namespace that it runs in.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;
use tracing_subscriber::EnvFilter;
use trustbridge_netpol::agent::{Agent, Settings};
use trustbridge_netpol::apply::Nft;
use trustbridge_netpol::model::Cidr;
use trustbridge_netpol::{server, watch};

/// Longer than the watch's own timeout: a connection that says nothing for this long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// Enforces NetworkPolicy with one nftables table.
///
/// The socket appears once the first rules are loaded. When the agent stops, its rules stay.
#[derive(Debug, Parser)]
#[command(name = "tb-netpol", version)]
struct Arguments {
    /// Kubeconfig of a user that may list and watch pods, namespaces and networkpolicies.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Unix socket on which tb-cni-gate asks.
    #[arg(long)]
    socket: PathBuf,
    /// Range of all pod addresses, such as 10.244.0.0/24.
    #[arg(long)]
    pod_cidr: Cidr,
    /// Name of the node in whose network namespace this runs.
    #[arg(long)]
    node_name: String,
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
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        bail!("another TLS provider is installed already");
    }
    let client = client(&arguments).await?;
    let settings = Settings {
        pod_cidr: arguments.pod_cidr,
        node: arguments.node_name,
    };
    let (agent, mut ready) = Agent::new(settings, Nft);
    let (to, from) = mpsc::channel(1024);
    let mut stop = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let serve = async {
        ready
            .wait_for(|ready| *ready)
            .await
            .context("the agent's loop ended")?;
        let socket = arguments.socket.display();
        let listener =
            server::bind(&arguments.socket).with_context(|| format!("--socket {socket} cannot be bound"))?;
        info!(%socket, "ready");
        server::serve(listener, client.clone(), to.clone()).await;
        Ok::<_, anyhow::Error>(())
    };
    let ended = tokio::select! {
        served = serve => served,
        () = agent.run(from) => Ok(()),
        () = watch::all(client.clone(), to.clone()) => Ok(()),
        _ = stop.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // The rules stay on purpose: without an agent, running pods keep their policy and new ones wait.
    let _ = std::fs::remove_file(&arguments.socket);
    ended
}

async fn client(arguments: &Arguments) -> Result<Client> {
    let path = arguments.kubeconfig.display();
    let file =
        Kubeconfig::read_from(&arguments.kubeconfig).with_context(|| format!("--kubeconfig {path}"))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .with_context(|| format!("--kubeconfig {path} names no usable cluster"))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(Duration::from_secs(10));
    Client::try_from(config).with_context(|| format!("--kubeconfig {path} gives no client"))
}
