//! The control plane's double, served over TLS by this process.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use trustbridge_azure::blob::SharedKey;
use trustbridge_simkit::control_plane::{ControlPlane, Settings, Store};
use trustbridge_simkit::serve::{Listen, serve};

use crate::pki::{self, Pki};

pub struct Double {
    pub pki: Pki,
    state: PathBuf,
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Double {
    /// An address, and nobody there yet.
    pub fn absent(folder: &Path) -> Self {
        // Only the first provider counts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            pki: pki::write(folder, "control"),
            state: folder.join("control-plane"),
            address: listener.local_addr().unwrap(),
            runtime: None,
        }
    }

    /// Serves: with a token, with an authority for client certificates, or both.
    pub fn listen(&mut self, token: Option<&str>, client_ca: Option<&Path>) {
        let settings = Settings {
            allow_contracts: BTreeSet::new(),
            provider_token: token.map(str::to_owned),
            account_key: SharedKey::from_base64("acct", "c2VjcmV0").unwrap(),
            sas_life: Duration::from_hours(1),
        };
        let router = ControlPlane::new(settings, Store::open(&self.state).unwrap()).router();
        let listen = Listen {
            listen: self.address,
            tls_cert: Some(self.pki.cert.clone()),
            tls_key: Some(self.pki.key.clone()),
            client_ca: client_ca.map(Path::to_owned),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move { serve(router, &listen).await });
        self.runtime = Some(runtime);
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "the double does not listen"
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// Stops serving.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What it has written down, keys included.
    pub fn stored(&self) -> String {
        std::fs::read_to_string(self.state.join("assets.json")).unwrap_or_default()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop();
    }
}
