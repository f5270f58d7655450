//! 9.4: the SAS expires while the model is on its way.

use crate::lab::Lab;
use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::provider::{Model, Provider};
use trustbridge_e2e::{pod, probe, story, terminate};

/// An asset of this test's own, so that nobody else asks for it.
const ASSET: &str = "tb-asset-e2e-expiry";
/// So much that it is on its way for longer than the SAS lives.
const MEBIBYTES: u32 = 384;
/// Life of the first SAS. It counts in whole seconds, so what is left of it is less than one.
const SECONDS: u64 = 1;
/// What the sentinel says when a SAS is not taken any more.
const AGAIN: &str = "authorising again";

pub async fn mid_flight(lab: &Lab) -> Result<()> {
    let provider = Provider::new(&lab.world, &lab.stage, ASSET)?;
    let model = provider.publish(MEBIBYTES, None).await?;
    let org = "t2-expiry";
    lab.organisation(org).await?;
    let shown = shown(lab, org, &model).await;
    faults(lab, &json!({})).await?;
    shown?;
    Kubectl::of(&lab.world)
        .run(&["delete", "modelasset", ASSET])
        .await
        .map(drop)
}

async fn shown(lab: &Lab, org: &str, model: &Model) -> Result<()> {
    faults(lab, &json!({"sas_seconds": SECONDS, "sas_times": 1})).await?;
    let (asked, said) = serve(lab, org, "order-expiring", model).await?;
    ensure!(
        asked >= 2 && said,
        "{asked} authorisations, said so: {said}: the SAS did not expire on the way"
    );
    println!(
        "9.4) {MEBIBYTES} MiB with a SAS of {SECONDS} s: {asked} authorisations, and every byte arrived"
    );
    // The control: a SAS that lives long enough is asked for once.
    faults(lab, &json!({})).await?;
    let (asked, said) = serve(lab, org, "order-lasting", model).await?;
    ensure!(
        asked == 1 && !said,
        "{asked} authorisations of a SAS that did not expire, said so: {said}"
    );
    Ok(())
}

/// Lets an order serve and ends it. Answers how often its licence was asked for, and whether it said that it had to.
async fn serve(lab: &Lab, org: &str, order: &str, model: &Model) -> Result<(usize, bool)> {
    let before = authorisations(lab).await?;
    let purchase = Purchase {
        asset: ASSET.to_owned(),
        ..Purchase::new(org, order)
    };
    purchase.place(&lab.world).await?;
    purchase
        .until_phase(&lab.world, OrderPhase::Active, SERVING)
        .await?;
    let asked = authorisations(lab).await? - before;
    let said = pod::logs(&lab.world, &purchase, pod::SENTINEL)
        .await?
        .contains(AGAIN);
    let url = format!("{}/v1/demo", purchase.url());
    let (status, answer) = probe::get(&lab.world, &purchase.caller(), &url).await?;
    ensure!(status == 200, "GET /v1/demo answered {status}");
    story::same_plaintext(&answer, model)?;
    terminate::end(&lab.world, &purchase, "shown").await?;
    Ok((asked, said))
}

/// How often the licence of the asset was granted.
async fn authorisations(lab: &Lab) -> Result<usize> {
    let url = format!("{}/_double/ledger", lab.stage.control_plane_url());
    let ledger = lab.stage.ask(Method::GET, &url, None).await?;
    let entries = ledger.get("authorizations").and_then(Value::as_array);
    let of_asset = |entry: &&Value| entry["asset_id"] == ASSET && entry["outcome"] == "authorized";
    Ok(entries.into_iter().flatten().filter(of_asset).count())
}

async fn faults(lab: &Lab, faults: &Value) -> Result<()> {
    let url = format!("{}/_double/faults", lab.stage.control_plane_url());
    lab.stage.ask(Method::PUT, &url, Some(faults)).await.map(drop)
}
