//! Reads what the end of a TunePod hangs on: operations, evidence, and what its order keeps.

use super::Observed;
use crate::context::{Context, Error};
use crate::controllers::order::ledger;
use crate::controllers::tunepod::evidence;
use crate::seller::{self, Signer};
use futures::future::join_all;
use kube::ResourceExt;
use std::time::Duration;
use trustbridge_api::{Order, SellerProfile, WipeEvidence};
use trustbridge_domain::phase::TunePodPhase;

/// Time for asking after all operations of a look together; a reconcile has more to do in its own time.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// What attesting a wipe takes.
#[derive(Clone, Debug)]
pub(crate) struct Attest {
    /// The evidence that lies under the name of ours.
    pub(crate) found: Option<WipeEvidence>,
    /// The keys that the seller published, retired ones too; looked up where there is evidence.
    pub(crate) keys: Vec<String>,
    /// Who signs, or in words why nobody does.
    pub(crate) signer: Result<Signer, String>,
}

/// The operations that are written down, once there is no pool: while one of them runs, there may be one again.
pub(super) async fn see_operations(ctx: &Context, seen: &mut Observed) {
    seen.observer = ctx.pools.observer();
    if !evidence::is_absent(seen) {
        return;
    }
    let written = seen.tunepod.status.as_ref().and_then(|s| s.node_pool.as_ref());
    let urls = written
        .iter()
        .flat_map(|pool| &pool.operations)
        .filter_map(|operation| operation.url.as_ref());
    // One that does not answer in time stays open; what the others said counts.
    let asked = urls.map(|url| async move {
        let view = tokio::time::timeout(TOLD_WITHIN, ctx.pools.operation(url)).await;
        view.ok().map(|view| (url.clone(), view))
    });
    seen.operations = join_all(asked).await.into_iter().flatten().collect();
}

/// What attesting takes, once there is nothing left to wipe.
pub(super) async fn see_evidence(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let was_asked = seen
        .tunepod
        .status
        .as_ref()
        .is_some_and(|s| s.node_pool.is_some());
    if was_asked && seen.makes_nodes && !evidence::is_absent(seen) {
        return Ok(());
    }
    let namespace = seen.tunepod.namespace().unwrap_or_default();
    let name = evidence::name(seen);
    let found: Option<WipeEvidence> = ctx.writer.get(Some(&namespace), &name).await?;
    let signer = match &found {
        Some(_) => Err("it is signed already".to_owned()),
        None => seller::observe(ctx).await?.map(|seller| seller.signer),
    };
    let profile: Option<SellerProfile> = match &found {
        Some(_) => {
            ctx.writer
                .get(None, trustbridge_api::seller_profile::NAME)
                .await?
        }
        None => None,
    };
    let published = profile
        .and_then(|profile| profile.status)
        .unwrap_or_default()
        .keys;
    let keys = published.into_iter().map(|key| key.public_key).collect();
    seen.attest = Some(Attest { found, keys, signer });
    Ok(())
}

/// What the order keeps of intervals: at the beginning to go on from there, at the end to let go only what it has.
pub(super) async fn see_ledger(ctx: &Context, seen: &mut Observed) -> Result<(), Error> {
    let is_leaving =
        seen.phase() == TunePodPhase::Wiped && seen.tunepod.metadata.deletion_timestamp.is_some();
    if seen.phase() != TunePodPhase::Pending && !is_leaving {
        return Ok(());
    }
    let namespace = seen.tunepod.namespace().unwrap_or_default();
    let order: Option<Order> = ctx
        .writer
        .get(Some(&namespace), &seen.tunepod.spec.order_ref.name)
        .await?;
    let order = order.filter(|order| ledger::is_of(order, &seen.tunepod));
    if is_leaving {
        let owing = order.filter(|order| ledger::is_owed(order, &seen.tunepod));
        seen.is_ledger_owed = owing.is_some();
        seen.is_ledger_full = owing.is_some_and(|order| ledger::is_full(&order, &seen.tunepod));
    } else {
        let name = seen.tunepod.name_any();
        let kept = order.as_ref().map(|order| ledger::earlier(order, &name));
        seen.earlier = kept.unwrap_or_default();
        seen.earlier_folded = order.and_then(|order| ledger::earlier_folded(&order, &name));
    }
    Ok(())
}
