//! Waiting by watching: nothing is polled that can be watched, and a wait that fails says what was seen last.

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Write as _};
use std::time::Duration;
use tokio::time::Instant;

/// What a look at an object came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not there yet.
    NotYet,
    /// What was waited for.
    Arrived,
    /// It will never be.
    Hopeless(String),
}

impl From<bool> for Seen {
    fn from(arrived: bool) -> Self {
        if arrived { Self::Arrived } else { Self::NotYet }
    }
}

/// Waits until the object is as the question asks, and answers it.
pub async fn until<K, S>(
    api: &Api<K>,
    name: &str,
    what: &str,
    limit: Duration,
    ask: impl Fn(&K) -> S,
) -> Result<K>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
    S: Into<Seen>,
{
    let mut last: Option<K> = None;
    let deadline = Instant::now() + limit;
    let mut changes = Box::pin(watch_object(api.clone(), name));
    loop {
        match tokio::time::timeout_at(deadline, changes.next()).await {
            Err(_) => {
                let seen = last
                    .as_ref()
                    .map_or_else(|| "it does not exist".to_owned(), summary);
                bail!(
                    "{name}: {what}: not within {} s; last seen: {seen}",
                    limit.as_secs()
                );
            }
            Ok(None) => bail!("{name}: {what}: the watch ended"),
            // A watch that breaks is opened again by the watcher; the deadline bounds it.
            Ok(Some(Err(watcher::Error::InitialListFailed(_) | watcher::Error::WatchFailed(_)))) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(Some(Err(_) | Ok(None))) => {}
            Ok(Some(Ok(Some(object)))) => match ask(&object).into() {
                Seen::Arrived => return Ok(object),
                Seen::Hopeless(why) => bail!("{name}: {what}: {why}; last seen: {}", summary(&object)),
                Seen::NotYet => last = Some(object),
            },
        }
    }
}

/// Waits until the object is gone.
pub async fn until_gone<K>(api: &Api<K>, name: &str, limit: Duration) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watch = async {
        let mut changes = Box::pin(watch_object(api.clone(), name));
        loop {
            match changes.next().await {
                Some(Ok(None)) => return Ok(()),
                Some(Ok(Some(_))) => {}
                Some(Err(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
                None => bail!("{name}: the watch ended"),
            }
        }
    };
    tokio::time::timeout(limit, watch)
        .await
        .with_context(|| format!("{name} is not gone after {} s", limit.as_secs()))?
}

/// Asks again until it is answered or the time is over; the last error is kept. For what cannot be watched.
pub async fn until_ok<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("{what}: not within {} s", limit.as_secs())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Phase and conditions of an object in one line.
pub fn summary<K: Serialize>(object: &K) -> String {
    let value = serde_json::to_value(object).unwrap_or_default();
    let text = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(|v| v.as_str())
            .unwrap_or("none")
            .to_owned()
    };
    let conditions = value
        .pointer("/status/conditions")
        .and_then(|c| c.as_array())
        .cloned()
        .unwrap_or_default();
    let mut line = format!("phase {}", text("/status/phase"));
    for condition in &conditions {
        let word = |name: &str| {
            condition
                .get(name)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let _ = write!(
            line,
            "; {}={} {} {}",
            word("type"),
            word("status"),
            word("reason"),
            word("message")
        );
    }
    line
}
