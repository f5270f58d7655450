//! Listening, with or without TLS, until the process is told to stop.

use anyhow::{Context, bail};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// Certificate authority (PEM) of client certificates; with it, every caller must present one.
    #[arg(long, requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
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
            let config = tls(cert, key, listen.client_ca.as_deref())
                .with_context(|| format!("TLS certificate {} and key {}", cert.display(), key.display()))?;
            axum_server::from_tcp_rustls(socket, config)
                .with_context(what)?
                .handle(handle)
                .serve(service)
                .await
        }
        (None, None) if listen.client_ca.is_none() => {
            axum_server::from_tcp(socket)
                .with_context(what)?
                .handle(handle)
                .serve(service)
                .await
        }
        _ => bail!("--tls-cert and --tls-key belong together, and --client-ca needs both"),
    }
    .with_context(what)
}

/// With an authority for clients, the handshake itself refuses callers without a certificate of it.
fn tls(cert: &Path, key: &Path, client_ca: Option<&Path>) -> anyhow::Result<RustlsConfig> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
    let private = PrivateKeyDer::from_pem_file(key)?;
    let builder = match client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in CertificateDer::pem_file_iter(path)? {
                roots.add(authority?)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .with_context(|| format!("--client-ca {}", path.display()))?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
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
