//! The reconcile loop: kube's `applier` with what it lacks.
//!
//! - every trigger has its own bounded watch ([`crate::watch`]);
//! - bodies are spawned, so that one does not slow the others, and end at a deadline;
//! - an object that fails waits longer and longer, for itself alone ([`crate::backoff`]);
//! - an object that cannot be decoded is reported and left alone, and nothing else suffers.

use crate::backoff::Backoffs;
use crate::events::{Events, Note};
use crate::shutdown::Shutdown;
use crate::telemetry::{Health, Metrics};
use crate::watch;
use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::core::{DeserializeGuard, Resource};
use kube::runtime::controller::{
    Action, Config, Error as ApplierError, ReconcileReason, ReconcileRequest, applier,
};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::condition::Reason;

/// Reconciles that run at once in one controller.
pub const CONCURRENCY: u16 = 16;
/// A reconcile that is not done by then is dropped and tried again.
pub const DEADLINE: Duration = Duration::from_secs(45);
/// Pause before trying again after a write that lost a race.
const AFTER_CONFLICT: Duration = Duration::from_millis(400);

/// An object that may not have been decodable.
pub type Guarded<K> = DeserializeGuard<K>;
type Queue<K> = BoxStream<'static, Result<ReconcileRequest<Guarded<K>>, Infallible>>;

/// What a failed reconcile says about itself.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// One word for the metric and the log.
    fn category(&self) -> &'static str;
    /// Whether it only lost a race: tried again soon, and not counted against the object.
    fn lost_race(&self) -> bool;
}

/// Why an attempt ended badly.
#[derive(Debug, thiserror::Error)]
enum Attempt<E: Failure> {
    #[error("{0}")]
    Failed(#[source] E),
    #[error("not done within {} s; it is tried again", DEADLINE.as_secs())]
    Deadline,
    #[error("the reconcile panicked; it is tried again")]
    Panicked,
}

impl<E: Failure> Attempt<E> {
    fn category(&self) -> &'static str {
        match self {
            Self::Failed(e) => e.category(),
            Self::Deadline => "deadline",
            Self::Panicked => "panic",
        }
    }

    fn lost_race(&self) -> bool {
        matches!(self, Self::Failed(e) if e.lost_race())
    }
}

/// What every controller of a process shares.
#[derive(Clone)]
pub struct Shared {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Readiness of the process.
    pub health: Arc<Health>,
    /// The one recorder.
    pub events: Events,
}

/// A controller of kind `K` in the making: its own watch and those of what it depends on.
pub struct Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    name: &'static str,
    shared: Shared,
    reader: Store<Guarded<K>>,
    queue: SelectAll<Queue<K>>,
}

impl<K> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// A controller of everything that `api` lists.
    #[must_use]
    pub fn new(name: &'static str, api: Api<Guarded<K>>, shared: Shared) -> Self {
        let (reader, mut writer) = store();
        let health = Arc::clone(&shared.health);
        health.expect(name);
        let events = watch::events(api, watcher::Config::default(), name, Arc::clone(&shared.metrics));
        let own = events
            .inspect(move |event| {
                writer.apply_watcher_event(event);
                if matches!(event, watcher::Event::InitDone) {
                    health.ready(name);
                }
            })
            .filter_map(|event| std::future::ready(watch::touched(event)))
            .map(|object| {
                Ok(request(
                    ObjectRef::from_obj(&object),
                    ReconcileReason::ObjectUpdated,
                ))
            });
        let mut queue = SelectAll::new();
        queue.push(own.boxed());
        Self {
            name,
            shared,
            reader,
            queue,
        }
    }

    /// Also reconciles what `map` names whenever a `C` changes. `map` gets the known objects of this kind.
    #[must_use]
    pub fn watches<C>(
        mut self,
        api: Api<C>,
        config: watcher::Config,
        kind: &'static str,
        map: impl Fn(&Store<Guarded<K>>, &C) -> Vec<ObjectRef<Guarded<K>>> + Send + 'static,
    ) -> Self
    where
        C: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let reader = self.reader.clone();
        let related = watch::events(api, config, kind, Arc::clone(&self.shared.metrics))
            .filter_map(|event| std::future::ready(watch::touched(event)))
            .flat_map(move |object| futures::stream::iter(map(&reader, &object)))
            .map(move |target| {
                Ok(request(
                    target,
                    ReconcileReason::Custom {
                        reason: format!("{kind} changed"),
                    },
                ))
            });
        self.queue.push(related.boxed());
        self
    }

    /// Runs until `shutdown`; running reconciles are finished first.
    pub async fn run<Ctx, E, F, Fut>(self, reconcile: F, ctx: Arc<Ctx>, shutdown: Shutdown)
    where
        Ctx: Send + Sync + 'static,
        E: Failure,
        F: Fn(Arc<K>, Arc<Ctx>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
    {
        let Self {
            name,
            shared,
            reader,
            queue,
        } = self;
        let loop_ = Arc::new(Loop {
            name,
            shared,
            backoffs: Backoffs::default(),
            reconcile,
        });
        let policy = Arc::clone(&loop_);
        let results = applier(
            move |object, ctx| Box::pin(Arc::clone(&loop_).attempt(object, ctx)),
            move |object: Arc<Guarded<K>>, error: &Attempt<E>, _| policy.after(&object, error),
            ctx,
            reader,
            queue.take_until(shutdown.requested()),
            Config::default().concurrency(CONCURRENCY),
        );
        drain(name, results).await;
    }
}

struct Loop<F> {
    name: &'static str,
    shared: Shared,
    backoffs: Backoffs,
    reconcile: F,
}

impl<F> Loop<F> {
    async fn attempt<K, Ctx, E, Fut>(
        self: Arc<Self>,
        object: Arc<Guarded<K>>,
        ctx: Arc<Ctx>,
    ) -> Result<Action, Attempt<E>>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
        E: Failure,
        F: Fn(Arc<K>, Arc<Ctx>) -> Fut,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
    {
        let decoded = match &object.0 {
            Ok(decoded) => Arc::new(decoded.clone()),
            Err(error) => return Ok(self.undecodable::<K>(&object, &error.error).await),
        };
        let started = tokio::time::Instant::now();
        // A task of its own: another core may run it, and a panic in it is an error of this object alone.
        let body = tokio::spawn(tokio::time::timeout(DEADLINE, (self.reconcile)(decoded, ctx)));
        let ended = match body.await {
            Ok(Ok(Ok(action))) => Ok(action),
            Ok(Ok(Err(error))) => Err(Attempt::Failed(error)),
            Ok(Err(_)) => Err(Attempt::Deadline),
            Err(_) => Err(Attempt::Panicked),
        };
        let result = ended.as_ref().map_or_else(Attempt::category, |_| "ok");
        self.shared
            .metrics
            .reconciled(self.name, result, started.elapsed());
        if ended.is_ok() {
            self.backoffs.succeeded(uid(&*object));
        }
        ended
    }

    async fn undecodable<K: Resource<DynamicType = ()>>(&self, object: &Guarded<K>, error: &str) -> Action {
        let (kind, name) = (K::kind(&()), object.meta().name.as_deref().unwrap_or_default());
        tracing::warn!(%kind, name, error, "object cannot be decoded; it is left alone until it changes");
        self.shared
            .metrics
            .reconciled(self.name, "undecodable", Duration::ZERO);
        let note = Note {
            warning: true,
            reason: Reason::Undecodable,
            action: "Decode",
            message: format!("{kind} {name} cannot be decoded: {error}; correct the field named there"),
        };
        self.shared.events.publish(&object.object_ref(&()), &note).await;
        Action::await_change()
    }

    fn after<K: Resource<DynamicType = ()>, E: Failure>(
        &self,
        object: &Guarded<K>,
        error: &Attempt<E>,
    ) -> Action {
        let name = object.meta().name.as_deref().unwrap_or_default();
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        if error.lost_race() {
            tracing::debug!(controller = self.name, namespace, name, %error, "lost a race; trying again");
            return Action::requeue(AFTER_CONFLICT);
        }
        let delay = self.backoffs.failed(uid(object));
        let retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(controller = self.name, namespace, name, category = error.category(), %error, retry_ms, "reconcile failed");
        Action::requeue(delay)
    }
}

fn uid<K: Resource>(object: &K) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

fn request<K: Resource>(obj_ref: ObjectRef<K>, reason: ReconcileReason) -> ReconcileRequest<K> {
    ReconcileRequest { obj_ref, reason }
}

async fn drain<K, E>(
    name: &'static str,
    results: impl Stream<Item = Result<(ObjectRef<K>, Action), ApplierError<Attempt<E>, Infallible>>>,
) where
    K: Resource<DynamicType = ()>,
    E: Failure,
{
    let mut results = std::pin::pin!(results);
    while let Some(result) = results.next().await {
        match result {
            // Failures were logged where they happened; a missing object is the ordinary end of one.
            Ok(_) | Err(ApplierError::ReconcilerFailed(..) | ApplierError::ObjectNotFound(_)) => {}
            Err(error) => tracing::error!(controller = name, %error, "reconcile loop"),
        }
    }
}
