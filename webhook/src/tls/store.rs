//! The Secret: read, create, replace.

use super::material::Material;
use super::validity::{Due, due};
use super::{Error, authority};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// Longest wait for one answer of the API server.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Turns that two replicas may lose against each other before the tick gives up; the next one goes on.
const TURNS: usize = 8;

/// Waits for an answer of the API server, no longer than [`DEADLINE`].
pub(crate) async fn bounded<T>(
    what: &str,
    call: impl Future<Output = Result<T, kube::Error>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Api {
            what: what.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(Error::Deadline(what.to_owned())),
    }
}

/// The Secret with the certificates.
pub(crate) struct Store {
    api: Api<Secret>,
    name: String,
    dns_names: Vec<String>,
}

impl Store {
    /// The Secret `name` in `namespace`, for a service with `dns_names`.
    pub(crate) fn new(client: Client, namespace: &str, name: &str, dns_names: Vec<String>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            dns_names,
        }
    }

    /// An item each time the Secret changes, so that another replica's new leaf is served at once. A watch that
    /// fails is begun again by itself, with pauses.
    pub(crate) fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        let ours = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        watcher(self.api.clone(), ours).default_backoff().map(|_| ())
    }

    /// The certificates in force at `now`, made or renewed if they are due.
    pub(crate) async fn ensure(&self, now: Timestamp) -> Result<Material, Error> {
        let mut last = None;
        for _ in 0..TURNS {
            let secret = bounded("the Secret with the certificates", self.api.get_opt(&self.name)).await?;
            let held = secret
                .as_ref()
                .and_then(|s| s.data.as_ref())
                .and_then(Material::from_data);
            let wanted = match &held {
                None => authority::found(now, &self.dns_names)?,
                Some(material) => match due(&material.validity, now, &self.dns_names) {
                    Due::Nothing => return Ok(material.clone()),
                    Due::Leaf => authority::with_new_leaf(material, now, &self.dns_names)?,
                    Due::Authority => authority::with_new_authority(material, now)?,
                },
            };
            match self.write(secret, &wanted).await {
                // Read again: what lies there now may be due for its next step, or be another replica's.
                Ok(()) => {}
                Err(Error::Api { source, .. }) if is_lost_race(&source) => last = Some(source),
                Err(error) => return Err(error),
            }
        }
        let what = "the Secret with the certificates, again and again".to_owned();
        Err(last.map_or_else(
            || Error::Deadline(what.clone()),
            |source| Error::Api {
                what: what.clone(),
                source,
            },
        ))
    }

    async fn write(&self, old: Option<Secret>, material: &Material) -> Result<(), Error> {
        let what = "the new certificates";
        match old {
            None => {
                let labels = BTreeMap::from([
                    ("app.kubernetes.io/name".to_owned(), "trustbridge".to_owned()),
                    ("app.kubernetes.io/component".to_owned(), "webhook".to_owned()),
                    (
                        "app.kubernetes.io/managed-by".to_owned(),
                        "trustbridge-webhook".to_owned(),
                    ),
                ]);
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        labels: Some(labels),
                        ..ObjectMeta::default()
                    },
                    data: Some(material.to_data()),
                    type_: Some("Opaque".to_owned()),
                    ..Secret::default()
                };
                bounded(what, self.api.create(&PostParams::default(), &secret))
                    .await
                    .map(drop)
            }
            Some(mut secret) => {
                secret.data = Some(material.to_data());
                bounded(
                    what,
                    self.api.replace(&self.name, &PostParams::default(), &secret),
                )
                .await
                .map(drop)
            }
        }
    }
}

fn is_lost_race(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}
