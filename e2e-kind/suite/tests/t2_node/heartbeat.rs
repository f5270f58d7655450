//! The sentinel's sign of life, through the pod's own network, with the token that it alone has.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use std::time::Duration;
use trustbridge_api::condition::ConditionType;
use trustbridge_domain::names::heartbeat_lease;
use trustbridge_e2e::buyer::Purchase;
use trustbridge_e2e::{pod, wait};

/// A beat is given each ten seconds.
const BEATEN: Duration = Duration::from_mins(1);
/// A TunePod that rests is looked at each minute.
const LOOKED_AT: Duration = Duration::from_secs(200);

pub async fn renewed_and_said(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let first = beat(lab, purchase).await?;
    wait::until_ok("a beat after the first", BEATEN, async || {
        let (at, holder) = beat(lab, purchase).await?;
        ensure!(holder == first.1, "the Lease went from {} to {holder}", first.1);
        ensure!(at > first.0, "still {at}");
        Ok(())
    })
    .await?;
    wait::until_ok("the condition Heartbeat", LOOKED_AT, async || {
        let tunepod = purchase.tunepod_now(&lab.world).await?;
        let conditions = tunepod.status.context("no status")?.conditions;
        let said = conditions
            .iter()
            .find(|c| c.type_ == ConditionType::Heartbeat.as_str());
        let said = said.context("no condition Heartbeat")?;
        ensure!(
            said.status == "True",
            "{} {}: {}",
            said.status,
            said.reason,
            said.message
        );
        Ok(())
    })
    .await?;
    the_token_is_the_sentinels(lab, purchase).await
}

/// When the Lease was renewed last, and by which start.
async fn beat(lab: &Lab, purchase: &Purchase) -> Result<(Timestamp, String)> {
    let api: Api<Lease> = Api::namespaced(lab.world.client().await?, &purchase.protected());
    let lease = api.get(&heartbeat_lease(&purchase.tunepod())).await?;
    let spec = lease.spec.context("a Lease without a spec")?;
    let at = spec.renew_time.context("it was never renewed")?;
    Ok((at.0, spec.holder_identity.context("nobody holds it")?))
}

/// One container mounts it, and that is not the model server.
async fn the_token_is_the_sentinels(lab: &Lab, purchase: &Purchase) -> Result<()> {
    let spec = pod::get(&lab.world, purchase)
        .await?
        .spec
        .context("a pod without a spec")?;
    let projected = spec.volumes.iter().flatten().filter(|volume| {
        let sources = volume
            .projected
            .as_ref()
            .and_then(|projected| projected.sources.as_ref());
        sources.is_some_and(|sources| {
            sources
                .iter()
                .any(|source| source.service_account_token.is_some())
        })
    });
    let volumes: Vec<&str> = projected.map(|volume| volume.name.as_str()).collect();
    ensure!(volumes == ["tb-api"], "tokens are in {volumes:?}");
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let mounting = all.filter(|container| {
        let mounts = container.volume_mounts.iter().flatten();
        mounts.into_iter().any(|mount| mount.name == "tb-api")
    });
    let names: Vec<&str> = mounting.map(|container| container.name.as_str()).collect();
    ensure!(names == [pod::SENTINEL], "{names:?} mount the token");
    println!("heartbeat) renewed, said, and its token is the sentinel's alone");
    Ok(())
}
