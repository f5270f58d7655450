//! Admission webhooks: injects the sentinel, refuses what no schema can say.
//!
//! | Module | Part |
//! |---|---|
//! | `inject` | which pods may carry the sentinel, and the change that gives it to them (pure) |
//! | `validate` | live orders stay, nobody enters a protected namespace (pure) |
//! | `tls` | own authority and leaf in a Secret, `caBundle`, hot swap |
//! | `listen` | HTTP/1.1 over TLS or without |
//! | `serve`, `health` | port 8443 for the API server, port 8080 for probes and metrics |
//! | `check` | what `helm test` runs |

mod args;
mod catalog;
mod check;
mod health;
mod inject;
mod listen;
mod review;
mod serve;
mod settings;
mod tls;
mod validate;

use anyhow::{Context, anyhow};
use args::{Cli, Command, Serve};
use clap::Parser;
use health::Health;
use settings::{Creators, SentinelSettings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::publish::Publisher;
use tls::resolver::{CurrentLeaf, server_config};
use tls::rotation::{Rotation, Source};
use tls::store::Store;
use tls::validity::dns_names;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use trustbridge_kit::shutdown::Shutdown;
use trustbridge_kit::{client, shutdown};

/// Endpoints are taken out of Services while connections still arrive: so long we go on answering.
const LINGER: Duration = Duration::from_secs(3);
/// Longest wait for open connections at the end.
const GRACE: Duration = Duration::from_secs(10);

/// One thread: a decision takes microseconds, and a second thread would cost more memory than it saves time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another TLS provider is installed already"))?;
    match Cli::parse().command {
        Command::Serve(options) => {
            trustbridge_kit::telemetry::init_logs(!options.log_text);
            serve_until_asked(options).await
        }
        Command::Check(place) => {
            let client = client::connect().await?;
            check::run(client, &place.configuration, &place.service, &place.namespace).await
        }
    }
}

async fn serve_until_asked(options: Serve) -> anyhow::Result<()> {
    let path = options.sentinel_settings.display();
    let text = std::fs::read_to_string(&options.sentinel_settings)
        .with_context(|| format!("`--sentinel-settings` is '{path}'; it must be a readable JSON file"))?;
    let sentinel: SentinelSettings = serde_json::from_str(&text).with_context(|| {
        format!("`--sentinel-settings` is '{path}'; it must hold the sentinel's settings")
    })?;
    let end = shutdown::on_signals()?;
    let client = client::connect().await?;
    let health = Arc::new(Health::new());
    let leaf = Arc::new(CurrentLeaf::default());
    let app = Arc::new(serve::App {
        catalog: catalog::Recent::new(catalog::Cluster(client.clone())),
        sentinel,
        creators: Creators(options.pod_creators.clone()),
        health: health.clone(),
    });
    let rotation = tokio::spawn(rotation(&options, client, leaf.clone(), health.clone()).run());
    let probes = bound(options.health_listen, "--health-listen").await?;
    let asked = health.clone();
    let probes = listen::serve(
        probes,
        None,
        move |question| std::future::ready(health::answer(&asked, question.uri().path())),
        std::future::pending(),
        GRACE,
    );
    let probes = tokio::spawn(probes);
    let webhooks = bound(options.listen, "--listen").await?;
    listen::serve(
        webhooks,
        Some(TlsAcceptor::from(server_config(leaf))),
        move |question| serve::answer(app.clone(), question),
        ending(end, health),
        GRACE,
    )
    .await;
    rotation.abort();
    probes.abort();
    Ok(())
}

async fn bound(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("`{flag}` is '{address}'; it must be free"))
}

fn rotation(options: &Serve, client: kube::Client, leaf: Arc<CurrentLeaf>, health: Arc<Health>) -> Rotation {
    let place = &options.place;
    let names = dns_names(&place.service, &place.namespace);
    let publisher = Publisher::new(&client, &place.configuration);
    let source = match &options.tls_folder {
        Some(folder) => Source::Folder(folder.clone()),
        None => Source::Own(Box::new(Store::new(
            client,
            &place.namespace,
            &options.secret,
            names,
        ))),
    };
    Rotation {
        source,
        publisher,
        leaf,
        health,
        server_name: format!("{}.{}.svc", place.service, place.namespace),
        port: options.listen.port(),
    }
}

/// The moment after which no connection is taken any more.
async fn ending(end: Shutdown, health: Arc<Health>) {
    end.requested().await;
    health.ending();
    tokio::time::sleep(LINGER).await;
}
