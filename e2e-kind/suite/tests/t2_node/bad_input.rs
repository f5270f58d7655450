//! Bad input: each gets a refusal or a condition that names reason and next step, and the cluster goes on.

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use kube::Api;
use serde_json::{Value, json};
use std::time::Duration;
use trustbridge_api::model_asset::ModelAssetPhase;
use trustbridge_api::{ModelAsset, Order};
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::install::{NAMESPACE, OPERATOR};
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::provider::ASSET;
use trustbridge_e2e::{terminate, wait};

const SOON: Duration = Duration::from_secs(40);

pub async fn nobody_enters(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let (namespace, pod) = (purchase.protected(), purchase.tunepod());
    let kubectl = Kubectl::of(&lab.world);
    let attempts: [&[&str]; 3] = [
        &[
            "exec",
            "--namespace",
            &namespace,
            &pod,
            "--container",
            "runtime",
            "--",
            "/tb-double",
            "--version",
        ],
        &[
            "attach",
            "--namespace",
            &namespace,
            &pod,
            "--container",
            "runtime",
        ],
        &[
            "debug",
            "--profile=restricted",
            "--namespace",
            &namespace,
            &pod,
            "--image",
            "localhost/trustbridge-double:dev",
        ],
    ];
    for attempt in attempts {
        let said = kubectl.said(attempt).await?;
        ensure!(!said.success, "kubectl {} got in", attempt.join(" "));
        ensure!(
            said.stderr.contains("decrypted weights"),
            "kubectl {}: {}",
            attempt.join(" "),
            said.stderr
        );
    }
    Ok(())
}

pub async fn unknown_offer(lab: &Lab) -> Result<()> {
    let purchase = Purchase {
        offer: "t2-later".to_owned(),
        ..Purchase::new("t2-offer", "order-unknown-offer")
    };
    lab.organisation(&purchase.org).await?;
    purchase.place(&lab.world).await?;
    let orders: Api<Order> = Api::namespaced(lab.world.client().await?, &purchase.namespace());
    let said = |order: &Order| {
        let status = order.status.as_ref()?;
        let condition = status
            .conditions
            .iter()
            .find(|c| c.reason == "OfferNotFound" && c.status == "False")?;
        (status.phase == OrderPhase::Pending).then(|| condition.message.clone())
    };
    let order = wait::until(&orders, &purchase.order, "OfferNotFound", SOON, |o: &Order| {
        said(o).is_some()
    })
    .await?;
    let message = said(&order).context("just seen")?;
    ensure!(
        message.contains("t2-later"),
        "the offer's name is missing: {message}"
    );
    // It heals by itself: the offer is made, the order goes on.
    let offer = Kubectl::of(&lab.world)
        .run(&["get", "offer", "studio-gen-1gpu", "--output", "json"])
        .await?;
    let offer: Value = serde_json::from_str(&offer)?;
    let made = json!({
        "apiVersion": "trustbridge.io/v1alpha1", "kind": "Offer", "metadata": {"name": "t2-later"}, "spec": offer["spec"],
    });
    Kubectl::of(&lab.world).apply(&made.to_string()).await?;
    purchase
        .until_phase(&lab.world, OrderPhase::Active, SERVING)
        .await?;
    terminate::end(&lab.world, &purchase, "shown").await?;
    Kubectl::of(&lab.world)
        .run(&["delete", "offer", "t2-later"])
        .await
        .map(drop)
}

pub async fn wrong_digest(lab: &Lab) -> Result<()> {
    let kubectl = Kubectl::of(&lab.world);
    let assets: Api<ModelAsset> = Api::all(lab.world.client().await?);
    let right = assets.get(ASSET).await?.spec.manifest_sha256;
    let wrong = "0".repeat(64);
    let patch = |digest: &str| json!({"spec": {"manifestSha256": digest}}).to_string();
    kubectl
        .run(&[
            "patch",
            "modelasset",
            ASSET,
            "--type",
            "merge",
            "--patch",
            &patch(&wrong),
        ])
        .await?;
    let said = |asset: &ModelAsset| {
        let status = asset.status.as_ref()?;
        let condition = status
            .conditions
            .iter()
            .find(|c| c.reason == "ManifestMismatch" && c.status == "False")?;
        (status.phase == ModelAssetPhase::Rejected).then(|| condition.message.clone())
    };
    let refused = wait::until(&assets, ASSET, "Rejected", SOON, |asset: &ModelAsset| {
        said(asset).is_some()
    })
    .await;
    kubectl
        .run(&[
            "patch",
            "modelasset",
            ASSET,
            "--type",
            "merge",
            "--patch",
            &patch(&right),
        ])
        .await?;
    let message = said(&refused?).context("just seen")?;
    ensure!(
        message.contains("manifestSha256") && message.contains(&wrong),
        "{message}"
    );
    let ready = |asset: &ModelAsset| {
        asset
            .status
            .as_ref()
            .is_some_and(|status| status.phase == ModelAssetPhase::Ready)
    };
    wait::until(&assets, ASSET, "Ready again", SOON, ready)
        .await
        .map(drop)
}

pub async fn host_network(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let kubectl = Kubectl::of(&lab.world);
    let operator = format!("system:serviceaccount:{NAMESPACE}:{OPERATOR}");
    let on_host = labelled_pod(&purchase.protected(), purchase, true).to_string();
    let said = kubectl.try_create(&on_host, Some(&operator)).await?;
    ensure!(
        !said.success,
        "a pod with hostNetwork was accepted from the operator"
    );
    ensure!(
        said.stderr.contains("spec.hostNetwork") && said.stderr.contains("remove"),
        "the refusal names no field and next step: {}",
        said.stderr
    );
    // Everybody else is refused whatever the pod is like, with the next step.
    for namespace in [purchase.namespace(), purchase.protected()] {
        let said = kubectl
            .try_create(&labelled_pod(&namespace, purchase, true).to_string(), None)
            .await?;
        ensure!(
            !said.success,
            "a labelled pod was accepted from the admin in {namespace}"
        );
        ensure!(
            said.stderr.contains("apply an Order"),
            "the refusal names no next step: {}",
            said.stderr
        );
    }
    // The positive control: without the host's network the operator may.
    let plain = labelled_pod(&purchase.protected(), purchase, false).to_string();
    let said = kubectl.try_create(&plain, Some(&operator)).await?;
    ensure!(
        said.success,
        "the same pod without hostNetwork was refused: {}",
        said.stderr
    );
    Ok(())
}

fn labelled_pod(namespace: &str, purchase: &Purchase, host_network: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "bad", "namespace": namespace,
            "labels": {"trustbridge.io/inject": "true"},
            "annotations": {
                "trustbridge.io/tunepod": format!("{}/{}", purchase.namespace(), purchase.tunepod()),
                "trustbridge.io/model-asset": ASSET,
                "trustbridge.io/runtime-container": "runtime",
            },
        },
        "spec": {
            "hostNetwork": host_network,
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "runtime", "image": "localhost/trustbridge-double:dev", "args": ["runtime"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}
