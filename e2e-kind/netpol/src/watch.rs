//! The three watches. Each has its own stream and its own backoff, so one that fails never holds up another.

use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as net;
use kube::api::ListParams;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::agent::Message;
use crate::convert;
use crate::index::{Change, Delta};
use crate::model::{Key, Policy};
use crate::server::Lists;

/// The server ends a watch after this many seconds, so a silently dead connection is noticed.
const WATCH_SECONDS: u32 = 60;

/// How long one list on demand may take.
const LIST_DEADLINE: Duration = Duration::from_secs(5);

/// Runs all watches until the agent goes away.
pub async fn all(client: Client, to: Sender<Message>) {
    let namespaces = one(Api::<core::Namespace>::all(client.clone()), to.clone(), |delta| {
        Change::Namespace(map(delta, convert::namespace, |gone| gone.name_any()))
    });
    let pods = one(Api::<core::Pod>::all(client.clone()), to.clone(), |delta| {
        Change::Pod(map(delta, convert::pod, |gone| {
            (key(&gone), gone.uid().unwrap_or_default())
        }))
    });
    let policies = one(Api::<net::NetworkPolicy>::all(client), to, |delta| {
        Change::Policy(map(delta, convert::policy, |gone| key(&gone)))
    });
    tokio::join!(namespaces, pods, policies);
}

impl Lists for Client {
    async fn policies(&self, namespace: &str) -> Result<Vec<Policy>, String> {
        let api = Api::<net::NetworkPolicy>::namespaced(self.clone(), namespace);
        match timeout(LIST_DEADLINE, api.list(&ListParams::default())).await {
            Ok(Ok(list)) => Ok(list.items.into_iter().map(convert::policy).collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LIST_DEADLINE.as_secs())),
        }
    }
}

fn key<K: Resource>(object: &K) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// A delta of API objects as a delta of model objects.
fn map<K, T, I>(delta: Delta<K, K>, convert: impl Fn(K) -> T, id: impl Fn(K) -> I) -> Delta<T, I> {
    match delta {
        Delta::Replace(list) => Delta::Replace(list.into_iter().map(convert).collect()),
        Delta::Upsert(object) => Delta::Upsert(convert(object)),
        Delta::Remove(object) => Delta::Remove(id(object)),
    }
}

/// One watch: buffers a list until it is whole, then passes news on.
async fn one<K>(api: Api<K>, to: Sender<Message>, change: impl Fn(Delta<K, K>) -> Change)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let kind = K::kind(&());
    let events = watcher(api, Config::default().timeout(WATCH_SECONDS)).default_backoff();
    pin_mut!(events);
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        let delta = match event {
            Ok(Event::Init) => {
                list.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                list.push(object);
                continue;
            }
            Ok(Event::InitDone) => {
                debug!(%kind, count = list.len(), "listed");
                Delta::Replace(std::mem::take(&mut list))
            }
            Ok(Event::Apply(object)) => Delta::Upsert(object),
            Ok(Event::Delete(object)) => Delta::Remove(object),
            Err(error) => {
                warn!(%kind, %error, "watch failed, trying again");
                continue;
            }
        };
        if to.send(Message::Change(change(delta))).await.is_err() {
            return;
        }
    }
}
