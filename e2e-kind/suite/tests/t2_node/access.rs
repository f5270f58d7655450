//! Who is let in: over TLS with the order's token, nobody else, and through a rotation without a gap.

use crate::lab::Lab;
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;
use trustbridge_domain::phase::OrderPhase;
use trustbridge_e2e::buyer::{Purchase, SERVING};
use trustbridge_e2e::kubectl::Kubectl;
use trustbridge_e2e::probe::{self, Caller};
use trustbridge_e2e::{terminate, wait};

/// A Secret of the caller's namespace with a token that is not of this order.
const FOREIGN: &str = "t2-foreign-token";
/// The kubelet brings a changed Secret to a pod with its next sync, once a minute and a bit; both ways, and the overlap.
const ROTATED: Duration = Duration::from_mins(6);

pub async fn only_with_the_token(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let (world, url) = (&lab.world, format!("{}/v1/models", purchase.url()));
    let order = purchase.order_now(world).await?;
    let access = order
        .status
        .and_then(|status| status.access)
        .context("no access is written down")?;
    ensure!(
        access.url == purchase.url() && access.url.starts_with("https://"),
        "the order names {}",
        access.url
    );
    let secret = access.token_secret_ref.context("no token is named")?;
    ensure!(
        Some(&secret.name) == purchase.caller().token.as_ref(),
        "{secret:?}"
    );

    let (status, answer) = probe::get(world, &purchase.caller(), &url).await?;
    ensure!(status == 200, "with the token it answered {status}: {answer}");
    let nobody = Caller {
        token: None,
        ..purchase.caller()
    };
    let (status, _) = probe::get(world, &nobody, &url).await?;
    ensure!(status == 401, "without a token it answered {status}");
    let plain = url.replacen("https://", "http://", 1);
    let spoken = probe::get(world, &purchase.caller(), &plain).await;
    ensure!(spoken.is_err(), "it speaks without TLS: {spoken:?}");

    let other = Purchase::new("t2-access", "order-e2e-other");
    lab.organisation(&other.org).await?;
    other.place(world).await?;
    other.until_phase(world, OrderPhase::Active, SERVING).await?;
    let shown = foreign(lab, purchase, &other).await;
    terminate::end(world, &other, "shown").await?;
    let (of_another, own) = shown?;
    ensure!(
        of_another == 401,
        "with another organisation's token it answered {of_another}"
    );
    ensure!(
        own == 200,
        "the control: that token opens its own port, and it answered {own}"
    );
    Ok(())
}

/// What another organisation's token opens here, and at home.
async fn foreign(lab: &Lab, purchase: &Purchase, other: &Purchase) -> Result<(u16, u16)> {
    let token = other.token(&lab.world).await?;
    let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": FOREIGN, "namespace": purchase.namespace()}, "stringData": {"token": token}});
    Kubectl::of(&lab.world).apply(&secret.to_string()).await?;
    let caller = Caller {
        token: Some(FOREIGN.to_owned()),
        ..purchase.caller()
    };
    let here = probe::get(&lab.world, &caller, &format!("{}/v1/models", purchase.url())).await;
    forget(lab, purchase).await?;
    let home = probe::get(&lab.world, &other.caller(), &format!("{}/v1/models", other.url())).await?;
    Ok((here?.0, home.0))
}

/// Takes away the Secret with the token that is not of this order.
async fn forget(lab: &Lab, purchase: &Purchase) -> Result<()> {
    let namespace = purchase.namespace();
    let words = [
        "delete",
        "secret",
        FOREIGN,
        "--ignore-not-found",
        "--namespace",
        &namespace,
    ];
    Kubectl::of(&lab.world).run(&words).await.map(drop)
}

pub async fn a_rotation_leaves_no_gap(lab: &Lab) -> Result<()> {
    let purchase = lab.serving().await?;
    let rotated = rotate(lab, purchase).await;
    // Also where it failed: what follows uses the same name.
    let forgotten = forget(lab, purchase).await;
    rotated.and(forgotten)
}

async fn rotate(lab: &Lab, purchase: &Purchase) -> Result<()> {
    let (world, url) = (&lab.world, format!("{}/v1/models", purchase.url()));
    let before = purchase.token(world).await?;
    let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": FOREIGN, "namespace": purchase.namespace()}, "stringData": {"token": before}});
    Kubectl::of(world).apply(&secret.to_string()).await?;
    let rotation = format!("trustbridge.io/rotate-token={}", std::process::id());
    let order = purchase.order.clone();
    let words = [
        "annotate",
        "order",
        &order,
        &rotation,
        "--overwrite",
        "--namespace",
        &purchase.namespace(),
    ];
    Kubectl::of(world).run(&words).await?;
    let old = Caller {
        token: Some(FOREIGN.to_owned()),
        ..purchase.caller()
    };
    // All along: a refusal in between is a gap, and asking again must not hide it.
    let gap = wait::until_ok("the new token", ROTATED, async || {
        let (status, _) = probe::get(world, &old, &url).await?;
        if status != 200 {
            return Ok(Some(status));
        }
        ensure!(
            purchase.token(world).await? != before,
            "the Secret has the token of before"
        );
        Ok(None)
    })
    .await?;
    if let Some(status) = gap {
        bail!("before there was a new token, the old one was answered with {status}");
    }
    // What the buyer can read is accepted at once, and what others still have is too.
    for (caller, which) in [(&purchase.caller(), "new"), (&old, "old")] {
        let (status, _) = probe::get(world, caller, &url).await?;
        ensure!(status == 200, "the {which} token is answered with {status}");
    }
    wait::until_ok("the end of the overlap", ROTATED, async || {
        let (status, _) = probe::get(world, &old, &url).await?;
        ensure!(status == 401, "the old token is answered with {status}");
        Ok(())
    })
    .await?;
    let (status, _) = probe::get(world, &purchase.caller(), &url).await?;
    ensure!(status == 200, "the new token is answered with {status}");
    Ok(())
}
