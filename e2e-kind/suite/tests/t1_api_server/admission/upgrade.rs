//! The sentinel's image changes by `helm upgrade`, while pods are being made.

use super::gate::{Ask, Gate, Who};
use super::policies::whole;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trustbridge_e2e::install;

const NEXT: &str = "t1-next";

/// What became of the pods that were made meanwhile.
#[derive(Default)]
struct Tally {
    before: usize,
    after: usize,
    refused: Vec<String>,
}

pub async fn sentinel(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let shown = shown(&gate).await;
    // What the other trials expect, however this one ends.
    install::sentinel_tag(gate.world(), install::TAG).await?;
    gate.leave_out_bare().await?;
    shown
}

async fn shown(gate: &Arc<Gate>) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let maker = tokio::spawn(make(gate.clone(), stop.clone()));
    let upgraded = install::sentinel_tag(gate.world(), NEXT).await;
    stop.store(true, Ordering::Relaxed);
    let tally = maker.await??;
    upgraded?;
    println!(
        "helm upgrade of the sentinel: {} pods with the image before, {} with the next one, {} refused on the way",
        tally.before,
        tally.after,
        tally.refused.len()
    );
    ensure!(
        tally.before > 0,
        "no pod was made before the webhooks were replaced"
    );
    settled(gate, NEXT).await?;
    gate.leave_out_bare().await?;
    // A pod of a webhook that was not replaced yet passes the policies; one with an image of nobody's does not.
    let old = whole(gate, Who::Operator);
    if let Err(refusal) = gate.ask(&old).await? {
        bail!(
            "a pod with the image before the upgrade was refused: {}",
            refusal.message
        );
    }
    let mut other = old.clone();
    other.body["spec"]["initContainers"][0]["image"] = "localhost/trustbridge-sentinel:another".into();
    ensure!(
        gate.ask(&other).await?.is_err(),
        "an image that no upgrade named was accepted"
    );
    // The next upgrade takes the image before the last one out.
    install::sentinel_tag(gate.world(), NEXT).await?;
    gate.leave_out_bare().await?;
    for _ in 0..100 {
        if let Err(refusal) = gate.ask(&old).await? {
            ensure!(
                refusal.message.contains("the image of 'tb-sentinel'"),
                "{}",
                refusal.message
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("the image of two upgrades ago is still accepted")
}

/// An upgrade whose webhooks never start, tried twice: those of before serve on, and what they inject is accepted.
pub async fn retried(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let shown = served_on(&gate).await;
    install::sentinel_tag(gate.world(), install::TAG).await?;
    gate.leave_out_bare().await?;
    shown
}

async fn served_on(gate: &Arc<Gate>) -> Result<()> {
    // The upgrade of another trial may be just through.
    settled(gate, install::TAG).await?;
    for attempt in ["first", "retried"] {
        install::sentinel_tag_that_hangs(gate.world(), NEXT).await?;
        // What the policies are told now is what they judge by within seconds.
        for _ in 0..100 {
            let pod = made(gate).await?;
            let pod = pod.map_err(|why| anyhow::anyhow!("{attempt}: {why}"))?;
            ensure!(
                image(&pod).ends_with(install::TAG),
                "{attempt}: a webhook that cannot start injected {}",
                image(&pod)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("a retried upgrade that hangs: 200 pods of the webhooks of before, none refused");
    Ok(())
}

/// From now on nothing is refused any more, and soon everybody injects the image of that tag: Helm is through when the new
/// webhooks are ready, while the last old one still ends and the API server still keeps its connection.
async fn settled(gate: &Gate, tag: &str) -> Result<()> {
    let mut in_a_row = 0;
    for _ in 0..600 {
        let pod = made(gate).await?;
        let pod = pod.map_err(|why| anyhow::anyhow!("after the upgrade: {why}"))?;
        in_a_row = if image(&pod).ends_with(tag) {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row == 20 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("30 s after the upgrade a webhook still injects another image than that of {tag}")
}

/// Tries pods one after the other until told to stop.
async fn make(gate: Arc<Gate>, stop: Arc<AtomicBool>) -> Result<Tally> {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        match made(&gate).await? {
            Ok(pod) if image(&pod).ends_with(NEXT) => tally.after += 1,
            Ok(_) => tally.before += 1,
            Err(why) => tally.refused.push(why),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if let Some(why) = tally.refused.first() {
        // Policies and webhooks are not replaced in one instant.
        println!("refused on the way, first: {why}");
    }
    Ok(tally)
}

async fn made(gate: &Gate) -> Result<Result<Value, String>> {
    let ask = Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body: Gate::pod(&gate.protected(), "upgraded"),
    };
    let answer = gate.ask(&ask).await.context("a pod")?;
    Ok(answer.map_err(|refusal| refusal.message.clone()))
}

fn image(pod: &Value) -> &str {
    pod["spec"]["initContainers"][0]["image"]
        .as_str()
        .unwrap_or_default()
}
