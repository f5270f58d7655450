//! Where the injector looks up what a pod names. Behind a trait, so that decisions are tested with plain data.

use kube::{Api, Client};
use std::future::Future;
use std::time::Duration;
use trustbridge_api::{ModelAsset, ModelAssetSpec, TunePod, TunePodSpec};

/// Longest wait for one answer; two of them and the decision fit into the webhook's five seconds.
const DEADLINE: Duration = Duration::from_secs(2);

/// Why a look-up gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server said no.
    #[error("the API server refused {what}: {source}; try again, and see the webhook's log if it lasts")]
    Api {
        /// What was asked for.
        what: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// The API server said nothing.
    #[error("the API server did not answer {0} in time; try again")]
    Deadline(String),
}

/// What pods refer to.
pub(crate) trait Catalog: Send + Sync + 'static {
    /// The TunePod, if there is one.
    fn tunepod(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<TunePodSpec>, Error>> + Send;
    /// The ModelAsset, if there is one.
    fn asset(&self, name: &str) -> impl Future<Output = Result<Option<ModelAssetSpec>, Error>> + Send;
}

/// The API server.
pub(crate) struct Cluster(pub(crate) Client);

impl Catalog for Cluster {
    async fn tunepod(&self, namespace: &str, name: &str) -> Result<Option<TunePodSpec>, Error> {
        let api: Api<TunePod> = Api::namespaced(self.0.clone(), namespace);
        let found = bounded(format!("TunePod '{namespace}/{name}'"), api.get_opt(name)).await?;
        Ok(found.map(|tunepod| tunepod.spec))
    }

    async fn asset(&self, name: &str) -> Result<Option<ModelAssetSpec>, Error> {
        let api: Api<ModelAsset> = Api::all(self.0.clone());
        let found = bounded(format!("ModelAsset '{name}'"), api.get_opt(name)).await?;
        Ok(found.map(|asset| asset.spec))
    }
}

async fn bounded<T>(
    what: String,
    call: impl Future<Output = Result<T, kube::Error>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Api {
            what,
            source: Box::new(source),
        }),
        Err(_) => Err(Error::Deadline(what)),
    }
}
