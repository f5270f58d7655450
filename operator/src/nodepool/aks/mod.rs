//! AKS agent pools over ARM.
//!
//! Crash reasoning. The name of the pool is in the TunePod's status before the first PUT. A crash
//! - before the PUT arrived: the next look finds nothing, and the PUT is sent;
//! - after it arrived, before the answer or the status was written: the next look finds a pool whose tag
//!   carries our UID and adopts it; the PUT says `If-None-Match: *`, so even a blind repetition makes nothing;
//! - around a DELETE: the same, with `If-Match`; a pool that is gone is deleted.

mod reading;

use super::capacity::{CapacityView, Refusals, Wanted};
use super::{
    Answer, NodeLabels, NodePoolProvider, OperationView, OwnedPool, PoolError, PoolIntent, PoolView,
};
use futures::future::{BoxFuture, ready};
use reading::{accepted, body, foreign, owned, trouble, view, working};
pub(super) use reading::{refused, trouble_of};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use trustbridge_api::condition::Reason;
use trustbridge_azure::arm::{AgentPools, Error, Operation, OperationState};
use trustbridge_azure::http::Deadline;

/// Time for everything that one question to ARM needs.
const CALL: Duration = Duration::from_secs(20);
/// Pause between looks where ARM names none.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long the view of a settled pool is good.
const SETTLED: Duration = Duration::from_secs(30);
/// How the double of ARM calls itself in the header `server`: evidence must not name Azure where it answered.
const ARM_DOUBLE: &str = "arm-double";
/// Label of AKS on every node of a pool.
const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";

/// Agent pools of one cluster.
pub struct Aks {
    pools: AgentPools,
    /// One mutating request at a time: ARM refuses a second one for the same cluster anyway.
    turn: tokio::sync::Mutex<()>,
    /// What was seen, and until when ARM does not want to be asked again. Lost in a restart, harmlessly.
    seen: Mutex<HashMap<String, (Instant, PoolView)>>,
    refusals: Refusals,
    retry_cap: Option<Duration>,
    node_labels: NodeLabels,
}

impl Aks {
    /// The pools that `pools` speaks for.
    #[must_use]
    pub fn new(pools: AgentPools) -> Self {
        Self {
            pools,
            turn: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
            refusals: Refusals::default(),
            retry_cap: None,
            node_labels: NodeLabels::default(),
        }
    }

    /// With these labels on every node besides our own.
    #[must_use]
    pub fn with_node_labels(mut self, labels: NodeLabels) -> Self {
        self.node_labels = labels;
        self
    }

    /// With no longer pause after a refusal than this.
    #[must_use]
    pub const fn with_retry_cap(mut self, cap: Option<Duration>) -> Self {
        self.retry_cap = cap;
        self
    }

    fn recall(&self, name: &str) -> Option<PoolView> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name)
            .filter(|(until, _)| Instant::now() < *until)
            .map(|(_, view)| view.clone())
    }

    fn remember(&self, name: &str, view: &PoolView) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = match view {
            PoolView::Working { retry_after, .. } => *retry_after,
            PoolView::Ready => SETTLED,
            PoolView::Absent | PoolView::Broken(_) => {
                seen.remove(name);
                return;
            }
        };
        if let Some(until) = Instant::now().checked_add(pause) {
            seen.insert(name.to_owned(), (until, view.clone()));
        }
    }

    fn forget(&self, name: &str) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    async fn look(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        if let Some(view) = self.recall(&pool.name) {
            return Ok(view);
        }
        let deadline = Deadline::after(CALL);
        let failure = match self.poll(pool, deadline).await {
            Some(OperationState::Running { status, retry_after }) => {
                let view = PoolView::Working {
                    state: status,
                    operation_url: pool.operation_url.clone(),
                    retry_after: retry_after.unwrap_or(LOOK_AGAIN),
                };
                self.remember(&pool.name, &view);
                return Ok(view);
            }
            Some(OperationState::Failed(error) | OperationState::Canceled(error)) => Some(refused(&error)),
            Some(OperationState::Succeeded) | None => None,
        };
        let found = self
            .pools
            .get(&pool.name, deadline)
            .await
            .map_err(|e| trouble(&e))?;
        let view = view(found, pool, failure)?;
        self.remember(&pool.name, &view);
        Ok(view)
    }

    /// How far the operation is that was written down. One that ARM has forgotten says nothing, and the pool itself is asked.
    async fn poll(&self, pool: &PoolIntent, deadline: Deadline) -> Option<OperationState> {
        let url = pool.operation_url.clone()?;
        let operation = Operation {
            url,
            has_status: true,
        };
        match self.pools.poll(&operation, deadline).await {
            Ok(state) => Some(state),
            Err(error) => {
                tracing::debug!(%error, pool = pool.name, "operation not readable; asking for the pool");
                None
            }
        }
    }

    async fn make(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        let _turn = self.my_turn().await?;
        // Counted from here: waiting for the turn has its own deadline.
        let deadline = Deadline::after(CALL);
        self.forget(&pool.name);
        if let Some(found) = self
            .pools
            .get(&pool.name, deadline)
            .await
            .map_err(|e| trouble(&e))?
        {
            let view = view(Some(found), pool, None);
            self.refusals.seen(pool, &view);
            return view;
        }
        // The size was refused to somebody just now: asking for another pool of it would be the same question.
        if let Some(error) = self.refusals.standing(&pool.vm_size, self.retry_cap) {
            return Err(error);
        }
        let made = self
            .pools
            .create(&pool.name, &body(pool, &self.node_labels), deadline)
            .await;
        let answer = accepted(made, "Creating");
        self.refusals.asked(pool, &answer);
        let view = answer?;
        self.remember(&pool.name, &view);
        Ok(view)
    }

    async fn destroy(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        let _turn = self.my_turn().await?;
        // Counted from here: waiting for the turn has its own deadline.
        let deadline = Deadline::after(CALL);
        self.forget(&pool.name);
        let found = self
            .pools
            .get(&pool.name, deadline)
            .await
            .map_err(|e| trouble(&e))?;
        let view = match found {
            None => return Ok(PoolView::Absent),
            // Not ours to delete; whether ours is gone, its tag says.
            Some(other) if !other.belongs_to(&pool.tunepod_uid) => return Err(foreign(&other, pool)),
            Some(busy) if !busy.is_settled() => working(&busy),
            Some(ours) => {
                let etag = ours.properties.e_tag.as_deref();
                let gone = self.pools.delete(&pool.name, etag, deadline).await;
                accepted(gone, "Deleting")?
            }
        };
        self.remember(&pool.name, &view);
        Ok(view)
    }

    /// How far an operation is, strictly: an answer that cannot be had is no end.
    async fn watch(&self, url: &str) -> Result<OperationView, PoolError> {
        let operation = Operation {
            url: url.to_owned(),
            has_status: true,
        };
        let ended = |word: &str| Ok(OperationView::Ended(word.to_owned()));
        match self.pools.poll(&operation, Deadline::after(CALL)).await {
            Ok(OperationState::Running { .. }) => Ok(OperationView::Running),
            Ok(OperationState::Succeeded) => ended("Succeeded"),
            Ok(OperationState::Failed(error)) => Ok(OperationView::Ended(format!("Failed: {}", error.code))),
            Ok(OperationState::Canceled(error)) => {
                Ok(OperationView::Ended(format!("Canceled: {}", error.code)))
            }
            // ARM keeps operations for a time; one that it does not know does not run.
            Err(Error::Refused(refusal)) if refusal.status == 404 => ended("Forgotten"),
            Err(error) => Err(trouble(&error)),
        }
    }

    async fn my_turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, PoolError> {
        tokio::time::timeout(CALL, self.turn.lock())
            .await
            .map_err(|_| PoolError {
                class: Reason::Busy,
                code: "Queued".to_owned(),
                message: "another node pool request of this operator is running".to_owned(),
                first: Some(LOOK_AGAIN),
                longest: LOOK_AGAIN,
            })
    }
}

impl NodePoolProvider for Aks {
    fn name(&self) -> &'static str {
        "aks"
    }

    fn observer(&self) -> String {
        let server = self.pools.server();
        server
            .filter(|said| said == ARM_DOUBLE)
            .unwrap_or_else(|| self.name().to_owned())
    }

    fn makes_nodes(&self) -> bool {
        true
    }

    fn operation<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<OperationView, PoolError>> {
        Box::pin(self.watch(url))
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<OwnedPool>, PoolError>> {
        Box::pin(async {
            let all = self.pools.list(Deadline::after(CALL)).await;
            Ok(all.map_err(|e| trouble(&e))?.iter().filter_map(owned).collect())
        })
    }

    fn node_selector(&self, pool: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(POOL_LABEL.to_owned(), pool.to_owned())])
    }

    fn observe<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(async move {
            let answer = self.look(pool).await;
            self.refusals.seen(pool, &answer);
            answer
        })
    }

    fn ensure<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.make(pool))
    }

    fn capacity<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, CapacityView> {
        // ARM has no question for it that would bind: quotas say nothing of machines that are free.
        Box::pin(ready(self.refusals.view(&wanted.vm_size)))
    }

    fn delete<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.destroy(pool))
    }
}
