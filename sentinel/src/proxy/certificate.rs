//! The public port's certificate, read again when its files change: it is renewed while the port is open.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::CertPair;

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Tells one content of a file from another.
type Version = (u64, i64, i64, u64);

/// The acceptor for a certificate and its key.
pub(crate) fn tls_acceptor(pair: &CertPair) -> Result<TlsAcceptor, String> {
    let current = Current::read(pair)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(current));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What is served, and of which files it is.
struct Held {
    served: Arc<CertifiedKey>,
    versions: Option<[Version; 2]>,
    looked: Instant,
}

/// The newest pair that fits together. Connections that are open keep theirs.
struct Current {
    pair: CertPair,
    held: Mutex<Held>,
}

impl Current {
    fn read(pair: &CertPair) -> Result<Self, String> {
        // Looked at before it is read: a change in between is seen next time.
        let versions = versions(pair);
        let held = Held {
            served: Arc::new(certified(pair)?),
            versions,
            looked: Instant::now(),
        };
        Ok(Self {
            pair: pair.clone(),
            held: Mutex::new(held),
        })
    }

    fn newest(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(held.looked) >= LOOK {
            held.looked = now;
            let versions = versions(&self.pair);
            if versions != held.versions {
                match certified(&self.pair) {
                    Ok(served) => {
                        tracing::info!("the public port's certificate was renewed");
                        held.served = Arc::new(served);
                        held.versions = versions;
                    }
                    // Half of an exchange, or a mistake: the one before is served until the files fit together.
                    Err(error) => tracing::error!(error, "the certificate before is served on"),
                }
            }
        }
        Arc::clone(&held.served)
    }
}

/// Keys are never printed.
impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Current({})", self.pair.cert.display())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.newest(Instant::now()))
    }
}

fn versions(pair: &CertPair) -> Option<[Version; 2]> {
    let version = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
    };
    Some([version(&pair.cert)?, version(&pair.key)?])
}

fn certified(pair: &CertPair) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_file_iter(&pair.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            format!(
                "TB_TLS_CERT_PATH: {}: {error}; give a PEM chain",
                pair.cert.display()
            )
        })?;
    let key = PrivateKeyDer::from_pem_file(&pair.key)
        .map_err(|error| format!("TB_TLS_KEY_PATH: {}: {error}; give a PEM key", pair.key.display()))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| format!("TB_TLS_CERT_PATH: {error}; certificate and key must belong together"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pair: &CertPair, name: &str) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(&pair.cert, made.cert.pem()).unwrap();
        std::fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn a_renewed_certificate_is_served_and_half_an_exchange_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let pair = CertPair {
            cert: dir.path().join("tls.crt"),
            key: dir.path().join("tls.key"),
        };
        assert!(Current::read(&pair).is_err(), "there is nothing to serve");
        let first = put(&pair, "a.example");
        let current = Current::read(&pair).unwrap();
        let at = |looks: u32| Instant::now() + LOOK * looks;
        let served = |looks| current.newest(at(looks)).cert[0].to_vec();
        assert_eq!(served(2), first);
        let key = std::fs::read(&pair.key).unwrap();
        let second = put(&pair, "longer.example");
        let other_key = std::fs::read(&pair.key).unwrap();
        std::fs::write(&pair.key, key).unwrap();
        assert_eq!(served(4), first, "the key is of another certificate");
        std::fs::write(&pair.key, other_key).unwrap();
        assert_eq!(served(6), second);
        std::fs::remove_file(&pair.cert).unwrap();
        assert_eq!(served(8), second, "what is gone is not unlearned");
    }
}
