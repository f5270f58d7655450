//! Watches that heal alone.
//!
//! Each watch has a backoff of its own: joined ones wedge each other after an outage (measured: minutes
//! instead of seconds). Each is bounded to a minute, because load balancers drop silent flows without
//! a word. Errors are counted and logged here and never reach the controller.

use crate::client::words;
use crate::telemetry::Metrics;
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::core::Resource;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Seconds after which the server ends a watch and it is started again.
pub const TIMEOUT_S: u32 = 60;
/// A watch that ran this long without an error starts its backoff afresh.
const CALM: Duration = Duration::from_secs(30);

/// The events of everything that `api` lists. Managed fields are dropped: they are most of an object's memory.
pub fn events<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
    metrics: Arc<Metrics>,
) -> impl Stream<Item = watcher::Event<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    watcher(api, config.timeout(TIMEOUT_S))
        .backoff(Healing::default())
        .modify(|object| object.meta_mut().managed_fields = None)
        .filter_map(move |event| std::future::ready(keep(event, kind, &metrics)))
}

fn keep<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    kind: &'static str,
    metrics: &Metrics,
) -> Option<watcher::Event<K>> {
    match event {
        Ok(event) => {
            metrics.watch_alive(kind);
            Some(event)
        }
        Err(error) => {
            metrics.watch_failed(kind);
            tracing::warn!(error = said(&error), kind, "watch failed; it is started again");
            None
        }
    }
}

fn said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => words(cause),
        other => other.to_string(),
    }
}

/// The object that an event is about; `None` for the marks around a list.
#[must_use]
pub fn touched<K>(event: watcher::Event<K>) -> Option<K> {
    match event {
        watcher::Event::Apply(object)
        | watcher::Event::InitApply(object)
        | watcher::Event::Delete(object) => Some(object),
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}

/// 0.2 s doubling to 4 s, jittered; afresh after a calm while, not after any success, so that a list that
/// works before a watch that does not cannot spin.
#[derive(Debug)]
struct Healing {
    delays: backon::ExponentialBackoff,
    last: Option<Instant>,
}

fn delays() -> backon::ExponentialBackoff {
    use backon::BackoffBuilder;
    backon::ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(4))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

impl Default for Healing {
    fn default() -> Self {
        Self {
            delays: delays(),
            last: None,
        }
    }
}

impl Iterator for Healing {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) > CALM) {
            self.delays = delays();
        }
        self.last = Some(now);
        self.delays.next()
    }
}

impl Backoff for Healing {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_grows_under_errors_and_forgets_in_calm() {
        let mut healing = Healing::default();
        let first = healing.next().unwrap();
        assert!(first < Duration::from_millis(401), "{first:?}");
        for _ in 0..8 {
            healing.reset();
            assert!(healing.next().unwrap() <= Duration::from_secs(8));
        }
        assert!(healing.next().unwrap() >= Duration::from_secs(4));
        tokio::time::advance(CALM * 2).await;
        assert!(healing.next().unwrap() < Duration::from_millis(401));
    }
}
