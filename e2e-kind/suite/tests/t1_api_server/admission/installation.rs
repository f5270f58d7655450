//! `helm install --wait`, and a labelled pod at once.

use super::gate::{Ask, Gate, Who};
use super::size;
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::Instant;
use trustbridge_e2e::install;

pub async fn repeated(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let count = size(1, 20);
    let ask = Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body: Gate::pod(&gate.protected(), "first"),
    };
    let mut slowest = 0.0_f64;
    for number in 0..count {
        install::after_admission(gate.world(), false).await?;
        let start = Instant::now();
        install::for_admission(gate.world()).await?;
        slowest = slowest.max(start.elapsed().as_secs_f64());
        match gate.ask(&ask).await? {
            Ok(pod) => ensure!(
                pod["spec"]["initContainers"][0]["name"] == "tb-sentinel",
                "installation {number}: the first pod has no sentinel"
            ),
            Err(refusal) => anyhow::bail!(
                "installation {number}: the first pod was refused: {}",
                refusal.message
            ),
        }
    }
    println!(
        "{count} installations with --wait, the slowest {slowest:.1} s: the first pod was guarded every time"
    );
    gate.leave_out_bare().await
}
