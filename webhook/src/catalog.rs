//! Where the injector looks up what a pod names. Behind a trait, so that decisions are tested with plain data.

use kube::{Api, Client};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
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
    ) -> impl Future<Output = Result<Option<Arc<TunePodSpec>>, Error>> + Send;
    /// The ModelAsset, if there is one.
    fn asset(&self, name: &str) -> impl Future<Output = Result<Option<Arc<ModelAssetSpec>>, Error>> + Send;
}

/// The API server.
pub(crate) struct Cluster(pub(crate) Client);

impl Catalog for Cluster {
    async fn tunepod(&self, namespace: &str, name: &str) -> Result<Option<Arc<TunePodSpec>>, Error> {
        let api: Api<TunePod> = Api::namespaced(self.0.clone(), namespace);
        let found = bounded(format!("TunePod '{namespace}/{name}'"), api.get_opt(name)).await?;
        Ok(found.map(|tunepod| Arc::new(tunepod.spec)))
    }

    async fn asset(&self, name: &str) -> Result<Option<Arc<ModelAssetSpec>>, Error> {
        let api: Api<ModelAsset> = Api::all(self.0.clone());
        let found = bounded(format!("ModelAsset '{name}'"), api.get_opt(name)).await?;
        Ok(found.map(|asset| Arc::new(asset.spec)))
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

/// For so long an object that was found is not asked for again. A burst of pods of one TunePod asks once; what
/// changed in the API server is seen within this time. That nothing was found is never kept: an object that was
/// made a moment ago must be seen.
const FRESH: Duration = Duration::from_secs(1);
/// Objects that are kept at most.
const KEPT: usize = 512;

/// A catalog that is not asked the same thing twice within [`FRESH`].
pub(crate) struct Recent<C> {
    inner: C,
    tunepods: Shelf<TunePodSpec>,
    assets: Shelf<ModelAssetSpec>,
}

impl<C> Recent<C> {
    /// Keeps what `inner` finds.
    pub(crate) fn new(inner: C) -> Self {
        Self {
            inner,
            tunepods: Shelf::default(),
            assets: Shelf::default(),
        }
    }
}

impl<C: Catalog> Catalog for Recent<C> {
    async fn tunepod(&self, namespace: &str, name: &str) -> Result<Option<Arc<TunePodSpec>>, Error> {
        // A slash is in no name, so the key is the object's alone.
        let key = format!("{namespace}/{name}");
        match self.tunepods.get(&key, Instant::now()) {
            Some(known) => Ok(Some(known)),
            None => Ok(self.tunepods.put(key, self.inner.tunepod(namespace, name).await?)),
        }
    }

    async fn asset(&self, name: &str) -> Result<Option<Arc<ModelAssetSpec>>, Error> {
        match self.assets.get(name, Instant::now()) {
            Some(known) => Ok(Some(known)),
            None => Ok(self.assets.put(name.to_owned(), self.inner.asset(name).await?)),
        }
    }
}

/// Objects with the time at which they were read.
struct Shelf<T>(Mutex<HashMap<String, (Instant, Arc<T>)>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    fn get(&self, key: &str, now: Instant) -> Option<Arc<T>> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, item) = items.get(key)?;
        (now.saturating_duration_since(*read) < FRESH).then(|| item.clone())
    }

    fn put(&self, key: String, found: Option<Arc<T>>) -> Option<Arc<T>> {
        let item = found?;
        let now = Instant::now();
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() >= KEPT {
            items.retain(|_, (read, _)| now.saturating_duration_since(*read) < FRESH);
        }
        if items.len() < KEPT {
            items.insert(key, (now, item.clone()));
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Catalog for Counted {
        async fn tunepod(&self, _: &str, name: &str) -> Result<Option<Arc<TunePodSpec>>, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok((name == "there").then(Arc::default))
        }
        async fn asset(&self, _: &str) -> Result<Option<Arc<ModelAssetSpec>>, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(Error::Deadline("ModelAsset".into()))
        }
    }

    #[tokio::test]
    async fn what_was_found_is_kept_for_a_moment_and_nothing_else_is() {
        let recent = Recent::new(Counted::default());
        let asked = || recent.inner.0.load(Ordering::Relaxed);
        for _ in 0..3 {
            assert!(recent.tunepod("tb-acme", "there").await.unwrap().is_some());
        }
        assert_eq!(asked(), 1);
        recent.tunepod("tb-other", "there").await.unwrap();
        assert_eq!(asked(), 2, "another namespace is another object");
        for _ in 0..2 {
            assert!(recent.tunepod("tb-acme", "missing").await.unwrap().is_none());
            recent.asset("a").await.unwrap_err();
        }
        assert_eq!(asked(), 6, "an absence or a failure was kept");
        let later = Instant::now() + FRESH;
        assert!(recent.tunepods.get("tb-acme/there", later).is_none());
    }
}
