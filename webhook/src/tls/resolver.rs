//! The leaf that is being served, exchanged without a restart.

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, PoisonError, RwLock};

/// The current leaf. Connections that are open keep theirs; new ones get the newest.
#[derive(Debug, Default)]
pub(crate) struct CurrentLeaf(RwLock<Option<Arc<CertifiedKey>>>);

impl CurrentLeaf {
    /// Serves `leaf` from now on.
    pub(crate) fn set(&self, leaf: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(leaf));
    }

    /// The leaf that is served, if there is one yet.
    pub(crate) fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for CurrentLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.get()
    }
}

/// A TLS server configuration that serves `leaf`.
pub(crate) fn server_config(leaf: Arc<CurrentLeaf>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(leaf);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
