//! The end of an order, and that nothing is left of it but the record.

use crate::buyer::Purchase;
use crate::kubectl::Kubectl;
use crate::wait;
use crate::world::World;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use std::time::Duration;
use trustbridge_api::{Order, TunePod};
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_domain::termination::TerminationStep;

/// How long the end may take.
pub const LIMIT: Duration = Duration::from_mins(3);

/// Asks for the end.
pub async fn ask(world: &World, purchase: &Purchase, reason: &str) -> Result<()> {
    let patch = json!({"spec": {"termination": {"reason": reason}}}).to_string();
    let namespace = purchase.namespace();
    let arguments = [
        "--namespace",
        &namespace,
        "patch",
        "order",
        &purchase.order,
        "--type",
        "merge",
        "--patch",
        &patch,
    ];
    Kubectl::of(world).run(&arguments).await.map(drop)
}

/// Waits for the end; answers the order as it stays readable.
pub async fn until_over(world: &World, purchase: &Purchase) -> Result<Order> {
    let order = purchase.until_phase(world, OrderPhase::Terminated, LIMIT).await?;
    let tunepod = purchase.tunepod_now(world).await?;
    check(&order, &tunepod)?;
    let pods: Api<Pod> = Api::namespaced(world.client().await?, &purchase.protected());
    let left = pods
        .list(&ListParams::default().labels(&format!("trustbridge.io/tunepod={}", purchase.tunepod())))
        .await?;
    ensure!(
        left.items.is_empty(),
        "{} pods are left of {}",
        left.items.len(),
        purchase.tunepod()
    );
    Ok(order)
}

/// Ends the order and waits until all is wiped.
pub async fn end(world: &World, purchase: &Purchase, reason: &str) -> Result<Order> {
    ask(world, purchase, reason).await?;
    until_over(world, purchase).await
}

/// What must be readable afterwards: every step in its order, closed intervals, the cost.
pub fn check(order: &Order, tunepod: &TunePod) -> Result<()> {
    let status = order.status.as_ref().context("the order has no status")?;
    let tunepod = tunepod.status.as_ref().context("the TunePod has no status")?;
    ensure!(
        tunepod.phase == TunePodPhase::Wiped,
        "the TunePod is {} instead of Wiped",
        tunepod.phase
    );
    ensure!(
        tunepod.wipe.as_ref().is_some_and(|wipe| wipe.evidence.is_some()),
        "the TunePod is Wiped, and names no WipeEvidence"
    );
    ensure!(
        tunepod.intervals.iter().all(|interval| interval.to.is_some()),
        "an interval is still open"
    );
    let steps: Vec<TerminationStep> = status
        .termination_steps
        .iter()
        .map(|progress| progress.step)
        .collect();
    ensure!(
        steps.is_sorted(),
        "the steps of the end are out of order: {steps:?}"
    );
    ensure!(
        steps.last() == Some(&TerminationStep::Closed),
        "the last step is {:?} instead of Closed",
        steps.last()
    );
    let open = status
        .termination_steps
        .iter()
        .find(|progress| progress.finished_at.is_none());
    ensure!(
        open.is_none_or(|progress| progress.step == TerminationStep::Closed),
        "a step of the end is not finished"
    );
    ensure!(status.cost.is_some(), "what it cost is not written down");
    Ok(())
}

/// Takes an order of an earlier run away: ends it when it lives, then deletes it and what belongs to it.
pub async fn clear(world: &World, purchase: &Purchase) -> Result<String> {
    let client = world.client().await?;
    let orders: Api<Order> = Api::namespaced(client.clone(), &purchase.namespace());
    let Some(order) = orders.get_opt(&purchase.order).await? else {
        return Ok("nothing to clear".to_owned());
    };
    let phase = order.status.map(|status| status.phase).unwrap_or_default();
    let live = phase != OrderPhase::Pending && !phase.is_terminal();
    if live {
        ask(world, purchase, "an earlier run ended early").await?;
        purchase.until_phase(world, OrderPhase::Terminated, LIMIT).await?;
    }
    orders.delete(&purchase.order, &DeleteParams::default()).await?;
    wait::until_gone(&orders, &purchase.order, LIMIT).await?;
    let tunepods: Api<TunePod> = Api::namespaced(client, &purchase.namespace());
    wait::until_gone(&tunepods, &purchase.tunepod(), LIMIT).await?;
    Ok(format!(
        "order/{} of an earlier run was {phase} and is deleted",
        purchase.order
    ))
}
