//! Pools that came into being after their end was attested.
//!
//! Once in a while every pool of the cluster that carries our tags is looked at. One whose UID names a TunePod with
//! evidence of its wipe is deleted, and an event on the evidence says so: nobody else ever looks at it again. One whose
//! TunePod is there is that TunePod's. Of all others nothing is known, and so nothing is done: they are told in the log.

use super::{OwnedPool, PoolError, PoolIntent, PoolView};
use crate::context::{Context, Error};
use kube::{Resource, ResourceExt};
use std::sync::Arc;
use std::time::Duration;
use trustbridge_api::condition::Reason;
use trustbridge_api::{TunePod, WipeEvidence};
use trustbridge_domain::names::org_of_namespace;
use trustbridge_domain::wipe;
use trustbridge_kit::events::Note;
use trustbridge_kit::shutdown::Shutdown;

/// Pause before the first sweep, and before the next where a pool was too busy to be deleted: an operator that starts
/// often must sweep, too.
const SOON: Duration = Duration::from_mins(1);

/// What came of a sweep.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// Pools that are being deleted, or were gone again.
    pub(crate) deleted: Vec<String>,
    /// Whether something is left that could not be looked at or deleted yet.
    pub(crate) is_owing: bool,
}

/// What a tagged pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of a TunePod that is there.
    Living,
    /// Of a TunePod whose wipe is attested.
    Returned,
    /// Of a TunePod of which nothing is known.
    Unknown,
}

/// Sweeps until `shutdown`.
pub async fn run(ctx: Arc<Context>, shutdown: Shutdown) {
    let mut last = None;
    loop {
        tokio::select! {
            () = shutdown.clone().requested() => return,
            () = tokio::time::sleep(pause(last.as_ref(), ctx.settings.pool_sweep)) => {}
        }
        last = Some(sweep(&ctx).await);
    }
}

/// Time until the next sweep; `last` is what came of the one before.
fn pause(last: Option<&Swept>, every: Duration) -> Duration {
    match last {
        Some(swept) if !swept.is_owing => every,
        _ => SOON.min(every),
    }
}

/// Looks at every tagged pool once. One at which something fails is told in the log and holds up no other.
pub(crate) async fn sweep(ctx: &Context) -> Swept {
    let mut swept = Swept::default();
    let pools = match ctx.pools.owned().await {
        Ok(pools) => pools,
        Err(error) => {
            tracing::warn!(%error, "node pools cannot be listed; tried again soon");
            swept.is_owing = true;
            return swept;
        }
    };
    for pool in pools {
        match look(ctx, &pool).await {
            Ok(None) => {}
            Ok(Some(answer)) if is_going(&answer) => swept.deleted.push(pool.name),
            Ok(Some(_)) => swept.is_owing = true,
            Err(error) => {
                tracing::warn!(%error, pool = pool.name, "a node pool was not looked at; tried again soon");
                swept.is_owing = true;
            }
        }
    }
    swept
}

/// What the provider said to its deletion; `None`: it is not to be deleted.
async fn look(ctx: &Context, pool: &OwnedPool) -> Result<Option<Result<PoolView, PoolError>>, Error> {
    let Some((namespace, name)) = pool.tunepod.split_once('/') else {
        tell(pool);
        return Ok(None);
    };
    let org = org_of_namespace(namespace).unwrap_or_default();
    let evidence = wipe::name(org, name, &pool.tunepod_uid);
    let tunepod: Option<TunePod> = ctx.writer.get(Some(namespace), name).await?;
    let evidence: Option<WipeEvidence> = ctx.writer.get(Some(namespace), &evidence).await?;
    match (judge(pool, tunepod.as_ref(), evidence.as_ref()), evidence) {
        (Kind::Returned, Some(evidence)) => delete(ctx, pool, org, &evidence).await.map(Some),
        (Kind::Living, _) => Ok(None),
        _ => {
            tell(pool);
            Ok(None)
        }
    }
}

/// Evidence goes first: it is written while the TunePod is still there.
fn judge(pool: &OwnedPool, tunepod: Option<&TunePod>, evidence: Option<&WipeEvidence>) -> Kind {
    let attested = evidence.map(|found| &found.spec.record);
    if attested.is_some_and(|record| {
        record.tune_pod_uid == pool.tunepod_uid && record.node_pool.as_deref() == Some(&pool.name)
    }) {
        return Kind::Returned;
    }
    let is_theirs = |found: &TunePod| found.uid().as_deref() == Some(pool.tunepod_uid.as_str());
    if tunepod.is_some_and(is_theirs) {
        Kind::Living
    } else {
        Kind::Unknown
    }
}

/// Whether it is gone or being deleted. A pool at which another operation runs is neither: the provider was not asked.
fn is_going(answer: &Result<PoolView, PoolError>) -> bool {
    match answer {
        Ok(PoolView::Absent) => true,
        Ok(PoolView::Working { state, .. }) => state == "Deleting",
        _ => false,
    }
}

/// What the provider said, for people.
fn words(answer: &Result<PoolView, PoolError>) -> String {
    match answer {
        Ok(PoolView::Absent) => "it was gone again".to_owned(),
        Ok(PoolView::Working { .. }) if is_going(answer) => "it is being deleted".to_owned(),
        Ok(PoolView::Working { state, .. }) => {
            format!("it is {state}, and its deletion is asked for after that")
        }
        Ok(PoolView::Ready | PoolView::Broken(_)) => "it is still there, and is deleted soon".to_owned(),
        Err(error) => format!("it cannot be deleted yet: {error}"),
    }
}

async fn delete(
    ctx: &Context,
    pool: &OwnedPool,
    org: &str,
    evidence: &WipeEvidence,
) -> Result<Result<PoolView, PoolError>, Error> {
    let intent = PoolIntent {
        name: pool.name.clone(),
        tunepod_uid: pool.tunepod_uid.clone(),
        tunepod: pool.tunepod.clone(),
        order: pool.order.clone(),
        org: org.to_owned(),
        vm_size: String::new(),
        gpus: 0,
        operation_url: None,
    };
    ctx.writer.check_leader()?;
    let answer = ctx.pools.delete(&intent).await;
    let message = format!(
        "node pool {} of TunePod {} (UID {}) came into being after its end was attested: {}",
        pool.name,
        pool.tunepod,
        pool.tunepod_uid,
        words(&answer)
    );
    tracing::warn!(pool = pool.name, message, "a node pool returned");
    let note = Note {
        warning: true,
        reason: Reason::PoolReturned,
        action: "Sweep",
        message,
    };
    ctx.shared.events.publish(&evidence.object_ref(&()), &note).await;
    Ok(answer)
}

fn tell(pool: &OwnedPool) {
    tracing::warn!(
        pool = pool.name,
        tunepod = pool.tunepod,
        uid = pool.tunepod_uid,
        "a node pool carries our tags, and there is neither its TunePod nor evidence of a wipe; it is not touched: find out whose it is, and delete it by hand"
    );
}

#[cfg(test)]
mod tests;
