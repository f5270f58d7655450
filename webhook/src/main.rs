//! Admission webhooks: injects the sentinel, refuses what no schema can say.
//!
//! | Module | Part |
//! |---|---|
//! | `inject` | which pods may carry the sentinel, and the change that gives it to them (pure) |
//! | `validate` | live orders stay, nobody enters a protected namespace (pure) |
//! | `tls` | own authority and leaf in a Secret, `caBundle`, hot swap |
//! | `serve`, `health` | port 8443 for the API server, port 8080 for probes and metrics |
//! | `check` | what `helm test` runs |

mod args;
mod catalog;
mod check;
mod health;
mod inject;
mod review;
mod serve;
mod settings;
mod tls;
mod validate;

use anyhow::{Context, anyhow};
use args::{Cli, Command, Serve};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use clap::Parser;
use health::Health;
use inject::prepared::Prepared;
use settings::{Creators, SentinelSettings};
use std::sync::Arc;
use std::time::Duration;
use tls::publish::Publisher;
use tls::resolver::{CurrentLeaf, server_config};
use tls::rotation::{Rotation, Source};
use tls::store::Store;
use tls::validity::dns_names;
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
        sentinel: Prepared::new(sentinel),
        creators: Creators(options.pod_creators.clone()),
        health: health.clone(),
    });
    let rotation = tokio::spawn(rotation(&options, client, leaf.clone(), health.clone()).run());
    let probes = tokio::net::TcpListener::bind(options.health_listen)
        .await
        .with_context(|| {
            format!(
                "`--health-listen` is '{}'; it must be free",
                options.health_listen
            )
        })?;
    let probes = tokio::spawn(axum::serve(probes, health::router(health.clone())).into_future());
    let handle = axum_server::Handle::new();
    tokio::spawn(end_gracefully(end, health, handle.clone()));
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(server_config(leaf));
    // An answer is two short writes; without this the second waits for the first one's acknowledgement.
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    axum_server::bind(options.listen)
        .acceptor(acceptor)
        .handle(handle)
        .serve(serve::router(app).into_make_service())
        .await
        .with_context(|| format!("`--listen` is '{}'; it must be free", options.listen))?;
    rotation.abort();
    probes.abort();
    Ok(())
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

async fn end_gracefully(
    end: Shutdown,
    health: Arc<Health>,
    handle: axum_server::Handle<std::net::SocketAddr>,
) {
    end.requested().await;
    health.ending();
    tokio::time::sleep(LINGER).await;
    handle.graceful_shutdown(Some(GRACE));
}
