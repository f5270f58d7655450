//! Webhooks die at random moments while pods are being made.

use super::gate::{Ask, Gate, Who};
use super::generate::Dice;
use super::size;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use trustbridge_e2e::install::NAMESPACE;

/// Clients that make pods one after the other.
const CLIENTS: usize = 4;
const WEBHOOKS: &str = "labelSelector=app.kubernetes.io%2Fcomponent%3Dwebhook";

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    made: AtomicUsize,
    refused: AtomicUsize,
}

pub async fn kills(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let count = size(12, 100);
    let tally = Arc::new(Tally::default());
    let makers: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(make(gate.clone(), tally.clone(), n)))
        .collect();
    let mut dice = Dice::new(20_261_121);
    let mut killed = 0;
    while killed < count {
        tokio::time::sleep(Duration::from_millis(100 + dice.number(900))).await;
        let pods = webhooks(&gate).await?;
        // Now and then all of them at once: nobody answers, and nothing may be let through.
        let victims = if dice.number(3) == 0 { pods.len() } else { 1 };
        for pod in pods.iter().take(victims) {
            gate.gone(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}"))
                .await?;
            killed += 1;
        }
    }
    tally.stop.store(true, Ordering::Relaxed);
    for maker in makers {
        maker.await??;
    }
    let (made, refused) = (
        tally.made.load(Ordering::Relaxed),
        tally.refused.load(Ordering::Relaxed),
    );
    println!("{killed} webhooks killed: {made} pods made, each with its sentinel, {refused} refused");
    ensure!(
        made > 0 && refused > 0,
        "{made} made, {refused} refused: the kills were not felt, or nothing else was"
    );
    recovered(&gate).await
}

/// Makes pods for good, looks at each as it is stored, and takes it away again.
async fn make(gate: Arc<Gate>, tally: Arc<Tally>, maker: usize) -> Result<()> {
    let namespace = gate.protected();
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut number = 0;
    while !tally.stop.load(Ordering::Relaxed) {
        number += 1;
        let name = format!("made-{maker}-{number}");
        let ask = Ask {
            who: Who::Operator,
            method: "POST",
            path: path.clone(),
            body: Gate::pod(&namespace, &name),
        };
        if gate.ask(&ask).await?.is_err() {
            tally.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let stored = gate.read(&format!("{path}/{name}")).await?;
        let first = &stored["spec"]["initContainers"][0];
        ensure!(
            first["name"] == "tb-sentinel" && first["restartPolicy"] == "Always",
            "{name} was made without its sentinel: {stored}"
        );
        tally.made.fetch_add(1, Ordering::Relaxed);
        gate.gone(&format!("{path}/{name}")).await?;
    }
    Ok(())
}

async fn webhooks(gate: &Gate) -> Result<Vec<String>> {
    let list = gate
        .read(&format!("/api/v1/namespaces/{NAMESPACE}/pods?{WEBHOOKS}"))
        .await?;
    let items = list["items"].as_array().context("a list")?;
    let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
    Ok(items.iter().filter_map(name).collect())
}

/// Until admission works again, so that the next trial finds what it expects.
async fn recovered(gate: &Gate) -> Result<()> {
    let ask = Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body: Gate::pod(&gate.protected(), "recovered"),
    };
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/trustbridge-webhook");
    for _ in 0..300 {
        let deployment = gate.read(&path).await?;
        if deployment["status"]["availableReplicas"] == json!(2) && gate.ask(&ask).await?.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("admission does not work a minute after the last kill")
}
