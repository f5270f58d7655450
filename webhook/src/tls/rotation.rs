//! The loop: certificates in force, published, served, tried out, and only then ready.

use super::Error;
use super::material::certified;
use super::publish::Publisher;
use super::resolver::CurrentLeaf;
use super::store::Store;
use crate::health::Health;
use futures::StreamExt;
use jiff::Timestamp;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trustbridge_kit::client::with_causes;

/// Between two looks once all is well; the Secret is watched besides.
const CALM: Duration = Duration::from_secs(30);
/// Between two looks at a folder, which is not watched: the kubelet exchanges it by renaming a link.
const FOLDER: Duration = Duration::from_secs(5);
/// Between two looks while something is missing.
const EAGER: Duration = Duration::from_secs(2);

/// Where the leaf comes from.
pub(crate) enum Source {
    /// The Secret, and the bundle that we publish.
    Own(Box<Store>),
    /// `tls.crt` and `tls.key` in a folder, kept by cert-manager, which publishes the bundle too.
    Folder(PathBuf),
}

/// What the loop works on.
pub(crate) struct Rotation {
    /// Where the leaf comes from.
    pub(crate) source: Source,
    /// The webhook configurations.
    pub(crate) publisher: Publisher,
    /// What is served.
    pub(crate) leaf: Arc<CurrentLeaf>,
    /// What the probes see.
    pub(crate) health: Arc<Health>,
    /// Name by which the API server calls the webhook.
    pub(crate) server_name: String,
    /// Port that it listens on.
    pub(crate) port: u16,
}

impl Rotation {
    /// Runs for ever.
    pub(crate) async fn run(self) {
        let (mut events, calm) = match &self.source {
            Source::Own(store) => (store.changes().boxed(), CALM),
            Source::Folder(_) => (futures::stream::pending().boxed(), FOLDER),
        };
        loop {
            let pause = match self.tick(Timestamp::now()).await {
                Ok(()) => calm,
                Err(error) => {
                    tracing::warn!(%error, "certificates are not in order yet; trying again");
                    self.health.not_ready_yet(error.to_string());
                    EAGER
                }
            };
            // Its end would be a watch that nobody began again; the pause goes on without it.
            let changed = async {
                if events.next().await.is_none() {
                    std::future::pending::<()>().await;
                }
            };
            let _ = tokio::time::timeout(pause, changed).await;
        }
    }

    async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        match &self.source {
            Source::Own(store) => self.renew(store, now).await?,
            Source::Folder(folder) => self.leaf.set(leaf_of(folder)?),
        }
        let (mutating, validating) = self.publisher.published().await?;
        let published = mutating
            .into_iter()
            .chain(validating)
            .find_map(|(_, bundle)| bundle)
            .unwrap_or_default();
        let address = format!("https://127.0.0.1:{}", self.port);
        call(&address, Some(&self.server_name), &published, "/healthz").await?;
        self.health.ready();
        Ok(())
    }

    async fn renew(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let material = store.ensure(now).await?;
        let bundle = material.bundle(now);
        let leaf = material.certified_key()?;
        if self.leaf.get().is_none() {
            self.leaf.set(leaf.clone());
        }
        // A leaf of a new authority is served only once its authority is published.
        self.publisher.publish(&bundle).await?;
        self.leaf.set(leaf);
        self.health.leaf_expires(material.validity.leaf.to);
        Ok(())
    }
}

fn leaf_of(folder: &Path) -> Result<CertifiedKey, Error> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|source| Error::File {
            path: path.display().to_string(),
            source,
        })
    };
    certified(&read("tls.crt")?, &read("tls.key")?)
}

/// Calls the webhook at `address` as the API server does: by its name, trusting the published bundle alone.
pub(crate) async fn call(
    address: &str,
    server_name: Option<&str>,
    bundle: &[u8],
    path: &str,
) -> Result<String, Error> {
    request(address, server_name, bundle, path, None).await
}

/// The same with a body to post.
pub(crate) async fn request(
    address: &str,
    server_name: Option<&str>,
    bundle: &[u8],
    path: &str,
    body: Option<String>,
) -> Result<String, Error> {
    let failed = |error: &dyn std::error::Error| Error::SelfCall(with_causes(error));
    let mut roots = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        roots.push(certificate?.to_vec());
    }
    let mut config = Config::new(address.parse().map_err(|e| failed(&e))?);
    config.root_cert = Some(roots);
    config.tls_server_name = server_name.map(str::to_owned);
    config.connect_timeout = Some(Duration::from_secs(2));
    config.read_timeout = Some(Duration::from_secs(3));
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|e| failed(&e))?;
    let builder = hyper::Request::builder().uri(path);
    let question = match body {
        None => builder.body(Vec::new()),
        Some(text) => builder
            .method("POST")
            .header("content-type", "application/json")
            .body(text.into_bytes()),
    };
    let answer = client.request_text(question.map_err(|e| failed(&e))?);
    let answer = tokio::time::timeout(super::store::DEADLINE, answer)
        .await
        .map_err(|e| failed(&e))?;
    answer.map_err(|e| failed(&e))
}
