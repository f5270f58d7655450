//! AKS agent pools over ARM.
//!
//! Crash reasoning. The name of the pool is in the TunePod's status before the first PUT. A crash
//! - before the PUT arrived: the next look finds nothing, and the PUT is sent;
//! - after it arrived, before the answer or the status was written: the next look finds a pool whose tag
//!   carries our UID and adopts it; the PUT says `If-None-Match: *`, so even a blind repetition makes nothing;
//! - around a DELETE: the same, with `If-Match`; a pool that is gone is deleted.

use super::{Answer, NodePoolProvider, PoolError, PoolIntent, PoolView};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use trustbridge_api::condition::Reason;
use trustbridge_api::labels;
use trustbridge_azure::arm::body::{GpuProfile, TAG_ORDER, TAG_TUNEPOD, TAG_UID, UpgradeSettings};
use trustbridge_azure::arm::{
    Accepted, AgentPool, AgentPools, Class, Error, ErrorBody, Operation, OperationState, Properties, Verdict,
    classify,
};
use trustbridge_azure::http::Deadline;

/// Time for everything that one question to ARM needs.
const CALL: Duration = Duration::from_secs(20);
/// Pause between looks where ARM names none.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long the view of a settled pool is good.
const SETTLED: Duration = Duration::from_secs(30);
/// Label of AKS on every node of a pool.
const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";

/// Agent pools of one cluster.
pub struct Aks {
    pools: AgentPools,
    /// One mutating request at a time: ARM refuses a second one for the same cluster anyway.
    turn: tokio::sync::Mutex<()>,
    /// What was seen, and until when ARM does not want to be asked again. Lost in a restart, harmlessly.
    seen: Mutex<HashMap<String, (Instant, PoolView)>>,
}

impl Aks {
    /// The pools that `pools` speaks for.
    #[must_use]
    pub fn new(pools: AgentPools) -> Self {
        Self {
            pools,
            turn: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
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
        let deadline = Deadline::after(CALL);
        let _turn = self.my_turn().await?;
        self.forget(&pool.name);
        if let Some(found) = self
            .pools
            .get(&pool.name, deadline)
            .await
            .map_err(|e| trouble(&e))?
        {
            return view(Some(found), pool, None);
        }
        let made = self.pools.create(&pool.name, &body(pool), deadline).await;
        let view = accepted(made, "Creating")?;
        self.remember(&pool.name, &view);
        Ok(view)
    }

    async fn destroy(&self, pool: &PoolIntent) -> Result<PoolView, PoolError> {
        let deadline = Deadline::after(CALL);
        let _turn = self.my_turn().await?;
        self.forget(&pool.name);
        let found = self
            .pools
            .get(&pool.name, deadline)
            .await
            .map_err(|e| trouble(&e))?;
        let view = match found {
            // One of somebody else's under our name is not ours to delete, and ours is not there.
            None => return Ok(PoolView::Absent),
            Some(other) if !other.belongs_to(&pool.tunepod_uid) => return Ok(PoolView::Absent),
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

    async fn my_turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, PoolError> {
        tokio::time::timeout(CALL, self.turn.lock())
            .await
            .map_err(|_| PoolError {
                class: Reason::Busy,
                code: "Queued".to_owned(),
                message: "another node pool request of this operator is running".to_owned(),
                remedy: "tries again".to_owned(),
                first: Some(LOOK_AGAIN),
                longest: LOOK_AGAIN,
            })
    }
}

impl NodePoolProvider for Aks {
    fn name(&self) -> &'static str {
        "aks"
    }

    fn node_selector(&self, pool: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(POOL_LABEL.to_owned(), pool.to_owned())])
    }

    fn observe<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.look(pool))
    }

    fn ensure<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.make(pool))
    }

    fn delete<'a>(&'a self, pool: &'a PoolIntent) -> Answer<'a> {
        Box::pin(self.destroy(pool))
    }
}

fn accepted(answer: Result<Accepted, Error>, state: &str) -> Result<PoolView, PoolError> {
    let accepted = answer.map_err(|e| trouble(&e))?;
    Ok(PoolView::Working {
        state: state.to_owned(),
        // Only what can be polled by its body is written down; otherwise the pool itself is asked.
        operation_url: accepted.operation.filter(|o| o.has_status).map(|o| o.url),
        retry_after: accepted.retry_after.unwrap_or(LOOK_AGAIN),
    })
}

/// What the pool that was found means for us; `failure` is how the operation that was to make it ended.
fn view(
    found: Option<AgentPool>,
    pool: &PoolIntent,
    failure: Option<PoolError>,
) -> Result<PoolView, PoolError> {
    let Some(found) = found else {
        return failure.map_or(Ok(PoolView::Absent), Err);
    };
    if !found.belongs_to(&pool.tunepod_uid) {
        return Err(foreign(&found, pool));
    }
    if !found.is_settled() {
        return Ok(working(&found));
    }
    if found.is_succeeded() {
        return Ok(PoolView::Ready);
    }
    let told = found
        .properties
        .status
        .as_ref()
        .and_then(|s| s.provisioning_error.as_ref());
    Ok(PoolView::Broken(
        failure.unwrap_or_else(|| refused(&told.cloned().unwrap_or_default())),
    ))
}

fn working(pool: &AgentPool) -> PoolView {
    PoolView::Working {
        state: pool.properties.provisioning_state.clone().unwrap_or_default(),
        operation_url: None,
        retry_after: LOOK_AGAIN,
    }
}

fn foreign(found: &AgentPool, pool: &PoolIntent) -> PoolError {
    PoolError {
        class: Reason::ForeignNodePool,
        code: "ForeignNodePool".to_owned(),
        message: format!(
            "tag {TAG_UID} of node pool {} must be '{}' and is '{}'; the pool is not touched: delete it, or its owner",
            pool.name,
            pool.tunepod_uid,
            found.owner_uid().unwrap_or_default()
        ),
        remedy: "looks again".to_owned(),
        first: Some(Duration::from_mins(5)),
        longest: Duration::from_mins(5),
    }
}

fn body(pool: &PoolIntent) -> AgentPool {
    let owned = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let name = pool.tunepod.rsplit('/').next().unwrap_or_default();
    AgentPool {
        properties: Properties {
            count: Some(1),
            vm_size: Some(pool.vm_size.clone()),
            mode: Some("User".to_owned()),
            kind: Some("VirtualMachineScaleSets".to_owned()),
            os_type: Some("Linux".to_owned()),
            os_sku: Some("Ubuntu".to_owned()),
            node_labels: owned(&[(labels::TUNEPOD, name), (labels::ORG, &pool.org)]),
            node_taints: vec!["sku=gpu:NoSchedule".to_owned()],
            tags: owned(&[
                (TAG_UID, &pool.tunepod_uid),
                (TAG_TUNEPOD, &pool.tunepod),
                (TAG_ORDER, &pool.order),
            ]),
            gpu_profile: Some(GpuProfile {
                driver: Some("Install".to_owned()),
            }),
            // GPU quota is tight: a surge node would not be granted.
            upgrade_settings: Some(UpgradeSettings {
                max_surge: Some("0".to_owned()),
                max_unavailable: Some("1".to_owned()),
            }),
            ..Properties::default()
        },
        ..AgentPool::default()
    }
}

fn refused(error: &ErrorBody) -> PoolError {
    from_verdict(&classify(
        trustbridge_azure::arm::classify::Context::default(),
        error,
    ))
}

fn trouble(error: &Error) -> PoolError {
    match error.verdict() {
        Some(verdict) => from_verdict(verdict),
        None => PoolError {
            class: if matches!(error, Error::Token(_)) {
                Reason::Auth
            } else {
                Reason::Transient
            },
            code: "Unreachable".to_owned(),
            message: error.to_string(),
            remedy: "tries again".to_owned(),
            first: Some(Duration::from_secs(5)),
            longest: Duration::from_mins(5),
        },
    }
}

fn from_verdict(verdict: &Verdict) -> PoolError {
    PoolError {
        class: reason(verdict.class),
        code: verdict.code.clone(),
        message: verdict.message.clone(),
        remedy: verdict.advice.remedy.to_owned(),
        first: verdict.advice.retry_after,
        longest: verdict.advice.retry_max,
    }
}

const fn reason(class: Class) -> Reason {
    match class {
        // Somebody was faster with the same pool: the next look tells who.
        Class::Busy | Class::Stale => Reason::Busy,
        Class::QuotaFamily => Reason::QuotaFamily,
        Class::QuotaRegion => Reason::QuotaRegion,
        Class::QuotaSpot => Reason::QuotaSpot,
        Class::Quota => Reason::Quota,
        Class::SkuUnavailable => Reason::SkuUnavailable,
        Class::SkuForbidden => Reason::SkuForbidden,
        Class::Zone => Reason::Zone,
        Class::Capacity => Reason::Capacity,
        Class::Throttle => Reason::Throttle,
        Class::Fatal => Reason::Fatal,
        Class::Auth => Reason::Auth,
        Class::Locked => Reason::Locked,
        Class::Gone => Reason::Gone,
        Class::Transient => Reason::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent() -> PoolIntent {
        PoolIntent {
            name: "tbabc".to_owned(),
            tunepod_uid: "u1".to_owned(),
            tunepod: "tb-acme/order-1-0".to_owned(),
            order: "order-1".to_owned(),
            org: "acme".to_owned(),
            vm_size: "Standard_NC24ads_A100_v4".to_owned(),
            operation_url: None,
        }
    }

    fn found(uid: &str, state: &str) -> AgentPool {
        let mut pool = body(&PoolIntent {
            tunepod_uid: uid.to_owned(),
            ..intent()
        });
        pool.properties.provisioning_state = Some(state.to_owned());
        pool
    }

    #[test]
    fn a_pool_is_read_by_its_tag_and_state() {
        assert_eq!(view(None, &intent(), None), Ok(PoolView::Absent));
        assert_eq!(
            view(Some(found("u1", "Succeeded")), &intent(), None),
            Ok(PoolView::Ready)
        );
        assert!(matches!(
            view(Some(found("u1", "Creating")), &intent(), None),
            Ok(PoolView::Working { .. })
        ));
        assert!(matches!(
            view(Some(found("u1", "Failed")), &intent(), None),
            Ok(PoolView::Broken(_))
        ));
        let foreign = view(Some(found("u2", "Succeeded")), &intent(), None).unwrap_err();
        assert_eq!(foreign.class, Reason::ForeignNodePool);
        assert!(
            foreign.message.contains("'u1'") && foreign.message.contains("'u2'"),
            "{foreign}"
        );
    }

    #[test]
    fn an_operation_that_failed_without_a_pool_is_its_error() {
        let error = refused(&ErrorBody {
            code: "SkuNotAvailable".to_owned(),
            ..ErrorBody::default()
        });
        assert_eq!(error.class, Reason::SkuUnavailable);
        assert_eq!(view(None, &intent(), Some(error.clone())), Err(error));
    }

    #[test]
    fn the_body_carries_the_tags_that_protect_it() {
        let pool = body(&intent());
        assert!(pool.belongs_to("u1"));
        assert_eq!(pool.properties.node_taints, ["sku=gpu:NoSchedule"]);
        assert_eq!(
            pool.properties
                .node_labels
                .get(labels::TUNEPOD)
                .map(String::as_str),
            Some("order-1-0")
        );
    }
}
