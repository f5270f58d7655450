//! A node pool that ARM refuses: `kubectl describe` says which error, for which pool, and what happens next.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::{arm, terminate};

pub async fn said_and_healed(lab: &Lab) -> Result<()> {
    let purchase = Purchase::new("t2-quota", "order-quota");
    lab.organisation(&purchase.org).await?;
    arm::refuse_next_create(&lab.stage, 2).await?;
    purchase.place(&lab.world).await?;
    let waited = purchase.until_reason(&lab.world, &["QuotaFamily"], SERVING).await;
    let described = Kubectl::of(&lab.world)
        .run(&[
            "describe",
            "tunepod",
            &purchase.tunepod(),
            "--namespace",
            &purchase.namespace(),
        ])
        .await?;
    let message = waited?;
    let pool = purchase
        .tunepod_now(&lab.world)
        .await?
        .status
        .and_then(|s| s.node_pool)
        .context("no node pool")?
        .name;
    for word in [
        pool.as_str(),
        "OperationNotAllowed",
        "Cores quota",
        "Next attempt at",
    ] {
        ensure!(
            message.contains(word),
            "the condition does not say '{word}': {message}"
        );
        ensure!(
            described.contains(word),
            "kubectl describe does not say '{word}':\n{described}"
        );
    }
    println!("Show 3) {message}");
    // It heals by itself once the quota is there, and still with one pool.
    purchase
        .until_phase(&lab.world, OrderPhase::Active, SERVING)
        .await?;
    let uid = purchase.tunepod_now(&lab.world).await?.uid().context("no UID")?;
    terminate::end(&lab.world, &purchase, "shown").await?;
    let count = arm::of_tunepod(&lab.stage, &uid).await?;
    ensure!((count.created, count.left) == (1, 0), "{count:?}");
    Ok(())
}
