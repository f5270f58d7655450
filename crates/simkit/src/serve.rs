//! Listening, with or without TLS, until the process is told to stop.

use anyhow::{Context, bail};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where a double listens.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address and port.
    #[arg(long)]
    pub listen: SocketAddr,
    /// Certificate chain (PEM); with it, HTTPS is spoken.
    #[arg(long, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM).
    #[arg(long, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

impl Listen {
    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }
}

/// Serves until SIGTERM or SIGINT; then open requests get three seconds.
pub async fn serve(router: Router, listen: &Listen) -> anyhow::Result<()> {
    let handle = Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        if let Err(error) = stop_signal().await {
            tracing::error!(%error, "no signal handler; stopping now");
        }
        stopping.graceful_shutdown(Some(Duration::from_secs(3)));
    });
    let (addr, scheme) = (listen.listen, listen.scheme());
    let what = || format!("listening on {addr}");
    let socket = std::net::TcpListener::bind(addr).with_context(what)?;
    socket.set_nonblocking(true).with_context(what)?;
    tracing::info!(addr = %socket.local_addr().with_context(what)?, scheme, "listening");
    let service = router.into_make_service();
    match (&listen.tls_cert, &listen.tls_key) {
        (Some(cert), Some(key)) => {
            let config = RustlsConfig::from_pem_chain_file(cert, key)
                .await
                .with_context(|| format!("TLS certificate {} and key {}", cert.display(), key.display()))?;
            axum_server::from_tcp_rustls(socket, config)
                .with_context(what)?
                .handle(handle)
                .serve(service)
                .await
        }
        (None, None) => {
            axum_server::from_tcp(socket)
                .with_context(what)?
                .handle(handle)
                .serve(service)
                .await
        }
        _ => bail!("--tls-cert and --tls-key belong together; give both or none"),
    }
    .with_context(what)
}

/// Returns when SIGTERM or SIGINT arrives.
pub async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
