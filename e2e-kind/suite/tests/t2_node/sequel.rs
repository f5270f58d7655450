//! The end of what served, and that nothing is left of it but the record.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::{arm, install, terminate};

pub async fn live_orders_stay(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let arguments = [
        "delete",
        "order",
        &purchase.order,
        "--namespace",
        &purchase.namespace(),
        "--wait=false",
    ];
    let said = Kubectl::of(&lab.world).said(&arguments).await?;
    ensure!(!said.success, "a live order was deleted");
    ensure!(
        said.stderr.contains("termination"),
        "the refusal names no next step: {}",
        said.stderr
    );
    Ok(())
}

pub async fn the_end(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let uid = purchase.tunepod_now(&lab.world).await?.uid().context("no UID")?;
    let order = terminate::end(&lab.world, purchase, "the tests are over").await?;
    let status = order.status.context("no status")?;
    ensure!(
        status.cost.is_some() && status.pricing_snapshot.is_some(),
        "what it cost is not readable"
    );
    let count = arm::of_tunepod(&lab.stage, &uid).await?;
    ensure!(
        (count.created, count.deleted, count.left) == (1, 1, 0),
        "{count:?}"
    );
    let doors = [
        "get",
        "services,endpointslices,secrets",
        "--namespace",
        &purchase.namespace(),
        "--output",
        "name",
    ];
    let doors = Kubectl::of(&lab.world).run(&doors).await?;
    ensure!(
        !doors.contains("/tp-"),
        "the buyer's door or token is left: {doors}"
    );
    let findings = lab.canary.search()?;
    ensure!(
        findings.places.is_empty(),
        "plaintext is on a disk: {:?}",
        findings.places
    );
    Ok(())
}

pub async fn helm_test(lab: &Lab) -> Result<()> {
    install::test(&lab.world).await.map(drop)
}
