//! A and B: what must never open port 8000, each beside what must.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::time::Duration;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_azure::http::Deadline;
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};
use trustbridge_e2e::buyer::{DENIED, Purchase, SERVING};
use trustbridge_e2e::provider::ASSET;
use trustbridge_e2e::stage::azurite::CONTAINER;
use trustbridge_e2e::{pod, probe, terminate, wait};

/// How long nothing may open, after the sentinel has said no.
const STAYS: Duration = Duration::from_secs(10);

pub async fn a_denied_contract(lab: &Lab) -> Result<()> {
    let purchase = Purchase {
        contract: DENIED.to_owned(),
        ..Purchase::new("t2-gating", "order-deny")
    };
    lab.organisation(&purchase.org).await?;
    purchase.place(&lab.world).await?;
    never_serves(lab, &purchase, &["contract_unknown"], Reason::LicenceDenied).await?;
    terminate::end(&lab.world, &purchase, "shown").await?;
    // The positive control: the same probe finds the port open where the contract is allowed.
    let allowed = lab.serving().await?;
    let target = format!("{}:8000", pod::address(&lab.world, allowed).await?);
    let seen = probe::tcp(&lab.world, &allowed.namespace(), &target).await?;
    ensure!(seen == "open", "port 8000 of the allowed contract is {seen}");
    Ok(())
}

pub async fn a_flipped_byte(lab: &Lab) -> Result<()> {
    let blob = lab
        .model
        .sha256
        .keys()
        .next()
        .map(|shard| format!("models/{ASSET}/files/{shard}.tbenc"));
    let blob = blob.context("the model has a shard")?;
    let blobs = lab.stage.blobs()?;
    let original = blobs.get(CONTAINER, &blob, soon()).await?;
    let mut flipped = original.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    blobs
        .put(
            CONTAINER,
            &blob,
            Bytes::from(flipped),
            "application/octet-stream",
            soon(),
        )
        .await?;
    let refused = flipped_is_refused(lab).await;
    blobs
        .put(CONTAINER, &blob, original, "application/octet-stream", soon())
        .await?;
    refused?;
    // The positive control: with the byte put back the same order, made again, serves.
    let again = Purchase::new("t2-integrity", "order-whole");
    again.place(&lab.world).await?;
    again.until_phase(&lab.world, OrderPhase::Active, SERVING).await?;
    terminate::end(&lab.world, &again, "shown").await.map(drop)
}

async fn flipped_is_refused(lab: &Lab) -> Result<()> {
    let purchase = Purchase::new("t2-integrity", "order-flipped");
    lab.organisation(&purchase.org).await?;
    purchase.place(&lab.world).await?;
    never_serves(
        lab,
        &purchase,
        &["the blob was altered"],
        Reason::SentinelSuspended,
    )
    .await?;
    terminate::end(&lab.world, &purchase, "shown").await.map(drop)
}

/// Waits until the sentinel has said why, then watches that the port stays shut and nothing is metered.
async fn never_serves(lab: &Lab, purchase: &Purchase, words: &[&str], reason: Reason) -> Result<()> {
    purchase
        .until_tunepod(&lab.world, TunePodPhase::Verifying, SERVING)
        .await?;
    let said = wait::until_ok("the sentinel's words", Duration::from_secs(90), async || {
        let logs = pod::logs(&lab.world, purchase, pod::SENTINEL)
            .await?
            .to_lowercase();
        ensure!(
            words.iter().any(|word| logs.contains(word)),
            "none of {words:?} in: {}",
            last(&logs)
        );
        Ok(())
    });
    said.await?;
    told(lab, purchase, reason).await?;
    let target = format!("{}:8000", pod::address(&lab.world, purchase).await?);
    let until = tokio::time::Instant::now() + STAYS;
    while tokio::time::Instant::now() < until {
        let seen = probe::tcp(&lab.world, &purchase.namespace(), &target).await?;
        ensure!(seen != "open", "port 8000 is open");
        let status = purchase
            .tunepod_now(&lab.world)
            .await?
            .status
            .context("no status")?;
        ensure!(
            status.phase == TunePodPhase::Verifying,
            "the TunePod is {}",
            status.phase
        );
        ensure!(
            status.intervals.is_empty() && status.url.is_none(),
            "it is metered or has a URL"
        );
    }
    Ok(())
}

/// The buyer's object says why, while the sentinel lives: long before the kubelet gives up on the pod.
async fn told(lab: &Lab, purchase: &Purchase, reason: Reason) -> Result<()> {
    let told = wait::until_ok("the TunePod's condition", Duration::from_mins(1), async || {
        let tunepod = purchase.tunepod_now(&lab.world).await?;
        let conditions = tunepod.status.context("no status")?.conditions;
        let ready = conditions
            .iter()
            .find(|c| c.type_ == ConditionType::Ready.as_str());
        let ready = ready.context("no condition Ready")?;
        ensure!(
            ready.reason == reason.as_str(),
            "Ready is {}: {}",
            ready.reason,
            ready.message
        );
        Ok(())
    });
    told.await
}

fn last(logs: &str) -> String {
    let lines: Vec<&str> = logs.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}
