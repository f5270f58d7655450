//! Trust, identity and limits of a client.

use super::{Client, Error, PlainHttp, stream};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// Where Linux distributions put the bundle of public certificate authorities.
pub const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a [`Client`] is made.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    ca_files: Vec<PathBuf>,
    system_bundle: bool,
    identity: Option<(PathBuf, PathBuf)>,
    connect_timeout: Duration,
    body_limit: usize,
    plain_http: PlainHttp,
    idle_connections: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            system_bundle: true,
            identity: None,
            connect_timeout: Duration::from_secs(10),
            body_limit: 8 << 20,
            plain_http: PlainHttp::Never,
            idle_connections: 32,
        }
    }
}

impl Builder {
    /// Trusts the certificate authorities in this PEM file as well.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Whether the system's bundle is trusted where it exists (default: yes).
    pub fn system_bundle(mut self, trust: bool) -> Self {
        self.system_bundle = trust;
        self
    }

    /// Presents this client certificate (PEM chain and PEM key).
    pub fn client_certificate(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((cert.into(), key.into()));
        self
    }

    /// Longest time for a TCP connection (default 10 s); the call's deadline holds besides.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Largest answer that [`Client::send`] holds (default 8 MiB).
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Allows `http://` to loopback addresses: a sidecar's neighbour, a test.
    pub fn allow_loopback_http(mut self) -> Self {
        self.plain_http = PlainHttp::Loopback;
        self
    }

    /// Allows `http://` to every address: inside a cluster a pod's admin port has no certificate. Nothing secret
    /// may travel that way.
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = PlainHttp::Anywhere;
        self
    }

    /// Allows `http://` to Azure's instance metadata service, which has no other scheme, and to nothing else.
    pub fn allow_instance_metadata(mut self) -> Self {
        self.plain_http = PlainHttp::InstanceMetadata;
        self
    }

    /// Connections kept open for each host (default 32).
    pub fn idle_connections(mut self, count: usize) -> Self {
        self.idle_connections = count;
        self
    }

    /// Reads the files and makes the client.
    pub fn build(self) -> Result<Client, Error> {
        let tls = self.tls()?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(30)));
        tcp.set_connect_timeout(Some(self.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp.map_response(stream::ahead as fn(_) -> _))
            .map_response(stream::filled as fn(_) -> _);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(50))
            .pool_max_idle_per_host(self.idle_connections)
            .build(connector);
        Ok(Client {
            inner,
            body_limit: self.body_limit,
            plain_http: self.plain_http,
        })
    }

    fn tls(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| Error::Tls(source.to_string()))?
            .with_root_certificates(self.roots()?);
        let Some((cert, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let chain = certificates("client certificate", cert)?;
        let key_der = PrivateKeyDer::from_pem_slice(&read("client key", key)?)
            .map_err(|source| pem("client key", key, source))?;
        config
            .with_client_auth_cert(chain, key_der)
            .map_err(|source| Error::Tls(source.to_string()))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        let bundle = Path::new(SYSTEM_BUNDLE);
        if self.system_bundle && bundle.exists() {
            // A distribution may ship roots that rustls cannot parse; the others still count.
            roots.add_parsable_certificates(certificates("system bundle", bundle)?);
        }
        for path in &self.ca_files {
            for cert in certificates("CA file", path)? {
                roots.add(cert).map_err(|source| pem("CA file", path, source))?;
            }
        }
        Ok(roots)
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certs = CertificateDer::pem_slice_iter(&read(what, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| pem(what, path, source))?;
    if certs.is_empty() {
        Err(pem(what, path, "it holds no certificate"))
    } else {
        Ok(certs)
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| pem(what, path, source))
}

fn pem(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Pem {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
