//! The whole chain, once, in order; each step says what was seen.

use crate::buyer::{self, Purchase};
use crate::kubectl::Kubectl;
use crate::pod;
use crate::probe::{self, Caller};
use crate::provider::{Model, Provider, mebibytes};
use crate::report::Report;
use crate::stage::{Stage, azurite};
use crate::world::World;
use crate::{arm, install, seller, terminate};
use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::Value;
use std::path::Path;
use trustbridge_domain::phase::{OrderPhase, TunePodPhase};

/// Size of the demo's model.
const MEBIBYTES: u32 = 32;
/// The columns that a person looks at during the story.
const TABLE: [&str; 4] = ["get", "orders,quotes,tunepods", "--namespace", "tb-acme"];

/// Tells the whole story.
pub async fn tell(world: &World, report: &mut Report) -> Result<()> {
    let stage = set_up(world, report).await?;
    let purchase = Purchase::sample();
    let model = provider(world, &stage, report).await?;
    sold(world, report, &purchase).await?;
    bought(world, report, &purchase).await?;
    delivered(world, report, &purchase, &model).await?;
    called(world, report, &purchase).await?;
    ended(world, &stage, report, &purchase).await
}

/// Azurite, the doubles, the charts.
pub async fn set_up(world: &World, report: &mut Report) -> Result<Stage> {
    report.chapter("Stage: what runs outside the cluster, and the charts in it");
    report
        .note("stage", "Azurite from npm", azurite::install(world))
        .await?;
    let stage = report
        .step(
            "stage",
            "Azurite, control plane double, ARM double answer",
            Stage::up(world),
        )
        .await?;
    arm::heal(&stage).await?;
    report
        .note(
            "seller",
            "helm upgrade --install trustbridge-crds",
            install::crds(world),
        )
        .await?;
    report
        .note(
            "seller",
            "helm upgrade --install trustbridge",
            install::chart(world, &stage),
        )
        .await?;
    Ok(stage)
}

async fn provider(world: &World, stage: &Stage, report: &mut Report) -> Result<Model> {
    report.chapter("1. Provider: a model is encrypted, uploaded, registered");
    let provider = Provider::new(world, stage, crate::provider::ASSET)?;
    let made = async {
        let model = provider.sample_model(MEBIBYTES, None).await?;
        let seen = format!(
            "{} in memory, {} shards",
            mebibytes(model.bytes),
            model.sha256.len()
        );
        Ok((model, seen))
    };
    let model = report.step("provider", "trustbridge sample-model", made).await?;
    report
        .note("provider", "trustbridge encrypt", provider.encrypt(&model))
        .await?;
    report
        .note("provider", "trustbridge upload (Azurite)", provider.upload())
        .await?;
    report
        .note("provider", "trustbridge register", provider.register())
        .await?;
    report
        .note("provider", "kubectl apply of the ModelAsset", provider.apply())
        .await?;
    report.show(&Kubectl::of(world).run(&["get", "modelassets"]).await?);
    Ok(model)
}

async fn sold(world: &World, report: &mut Report, purchase: &Purchase) -> Result<()> {
    report.chapter("2. Seller: the catalog, and the buyer's organisation");
    report
        .note("seller", "the chart's catalog", seller::catalog(world))
        .await?;
    report.show(&Kubectl::of(world).run(&["get", "offers"]).await?);
    report
        .note(
            "seller",
            "BuyerOrg acme",
            seller::organisation(world, &purchase.org),
        )
        .await?;
    report
        .note(
            "buyer",
            "orders of earlier runs",
            terminate::clear(world, purchase),
        )
        .await
}

async fn bought(world: &World, report: &mut Report, purchase: &Purchase) -> Result<()> {
    report.chapter("3. Buyer: one order");
    let kubectl = Kubectl::of(world);
    let apply = async {
        Ok(kubectl
            .apply_file(Path::new("samples/order.yaml"))
            .await?
            .trim()
            .to_owned())
    };
    report
        .note("buyer", "kubectl apply -f samples/order.yaml", apply)
        .await?;
    report
        .note("operator", "quotes, accepts, confirms", priced(world, purchase))
        .await?;
    report.show(&kubectl.run(&TABLE).await?);
    let pool = provisioned(world, purchase);
    report
        .note("operator", "asks ARM for the node pool; its node is there", pool)
        .await?;
    report
        .note(
            "operator",
            "the TunePod serves, the order is Active",
            active(world, purchase),
        )
        .await?;
    report.show(&kubectl.run(&TABLE).await?);
    Ok(())
}

async fn priced(world: &World, purchase: &Purchase) -> Result<String> {
    let order = purchase
        .until_phase(world, OrderPhase::Provisioning, buyer::SERVING)
        .await?;
    let snapshot = order
        .status
        .and_then(|status| status.pricing_snapshot)
        .context("no price is frozen")?;
    Ok(format!("at {}", snapshot.summary))
}

async fn provisioned(world: &World, purchase: &Purchase) -> Result<String> {
    let pod = purchase
        .until_tunepod(world, TunePodPhase::Verifying, buyer::SERVING)
        .await?;
    let pool = pod
        .status
        .and_then(|status| status.node_pool)
        .context("no node pool is written down")?;
    Ok(format!("node pool {} by provider {}", pool.name, pool.provider))
}

async fn active(world: &World, purchase: &Purchase) -> Result<String> {
    let order = purchase
        .until_phase(world, OrderPhase::Active, buyer::SERVING)
        .await?;
    order
        .status
        .and_then(|status| status.access)
        .and_then(|access| {
            let token = access.token_secret_ref?.name;
            Some(format!("{}, token in Secret {token}", access.url))
        })
        .context("the order does not say how to call the model")
}

async fn delivered(world: &World, report: &mut Report, purchase: &Purchase, model: &Model) -> Result<()> {
    report.chapter("4. Sentinel and runtime: the plaintext arrived whole, through memory alone");
    report
        .note(
            "webhook",
            "injected the sentinel as native sidecar",
            pod::injected(world, purchase),
        )
        .await?;
    let interop = async {
        let url = format!("{}/v1/demo", purchase.url());
        let (_, answer) = probe::get(world, &purchase.caller(), &url).await?;
        same_plaintext(&answer, model)
    };
    report
        .note(
            "runtime",
            "read every shard to its end; sha256 as the provider's",
            interop,
        )
        .await
}

async fn called(world: &World, report: &mut Report, purchase: &Purchase) -> Result<()> {
    report.chapter("5. A call through the sentinel");
    let call = async {
        let body = r#"{"model":"demo","prompt":"Once upon a time","max_tokens":8}"#;
        let url = format!("{}/v1/completions", purchase.url());
        let (_, answer) = probe::post(world, &purchase.caller(), &url, body).await?;
        let text = answer
            .pointer("/choices/0/text")
            .and_then(Value::as_str)
            .context("no completion came back")?;
        Ok(format!("'{}'", text.chars().take(40).collect::<String>().trim()))
    };
    report
        .note(
            "buyer",
            "POST /v1/completions over TLS, with the order's token",
            call,
        )
        .await?;
    let turned_away = async {
        let url = format!("{}/v1/models", purchase.url());
        let nobody = Caller {
            token: None,
            ..purchase.caller()
        };
        let (status, _) = probe::get(world, &nobody, &url).await?;
        ensure!(status == 401, "without a token it answered {status}");
        Ok("401".to_owned())
    };
    report
        .note("sentinel", "turns a call without a token away", turned_away)
        .await?;
    let audited = async {
        let record = pod::audit_record(world, purchase, "/v1/completions").await?;
        Ok(format!(
            "record {} of the chain, status {}",
            field(&record, "seq"),
            field(&record, "status")
        ))
    };
    report.note("sentinel", "left an audit record", audited).await
}

async fn ended(world: &World, stage: &Stage, report: &mut Report, purchase: &Purchase) -> Result<()> {
    report.chapter("6. The end");
    let uid = purchase
        .tunepod_now(world)
        .await?
        .uid()
        .context("the TunePod has no UID")?;
    let asked = async {
        terminate::ask(world, purchase, "the demo is over")
            .await
            .map(|()| "spec.termination".to_owned())
    };
    report.note("buyer", "terminates the order", asked).await?;
    report
        .note(
            "operator",
            "pod gone, pool gone, TunePod Wiped, order Terminated",
            over(world, purchase),
        )
        .await?;
    report
        .note("ARM", "the double's ledger", pools(stage, &uid))
        .await?;
    report.show(&Kubectl::of(world).run(&TABLE).await?);
    Ok(())
}

async fn over(world: &World, purchase: &Purchase) -> Result<String> {
    let order = terminate::until_over(world, purchase).await?;
    let status = order.status.context("the order has no status")?;
    let steps: Vec<String> = status
        .termination_steps
        .iter()
        .map(|progress| format!("{:?}", progress.step))
        .collect();
    let cost = status.cost.context("what it cost is not written down")?;
    Ok(format!("{}; cost {}", steps.join(", "), cost.summary))
}

async fn pools(stage: &Stage, uid: &str) -> Result<String> {
    let seen = arm::of_tunepod(stage, uid).await?;
    ensure!(
        (seen.created, seen.deleted, seen.left) == (1, 1, 0),
        "not one pool made and deleted: {seen:?}"
    );
    ensure!(
        seen.busy > 0,
        "ARM never answered 409 'in progress', so the story was too easy: {seen:?}"
    );
    Ok(format!(
        "1 pool made, 1 deleted, 0 left; 409 'in progress' {} times",
        seen.busy
    ))
}

/// Compares what the runtime read with what the provider encrypted.
pub fn same_plaintext(answer: &Value, model: &Model) -> Result<String> {
    let files = answer
        .get("files")
        .and_then(Value::as_array)
        .context("the runtime names no files")?;
    for (name, expected) in &model.sha256 {
        let of_name = |file: &&Value| file.get("path").and_then(Value::as_str) == Some(name);
        let file = files
            .iter()
            .find(of_name)
            .with_context(|| format!("the runtime did not read {name}"))?;
        let seen = file.get("sha256").and_then(Value::as_str).unwrap_or_default();
        ensure!(
            seen == expected,
            "{name}: the runtime read sha256 {seen}, the provider encrypted {expected}"
        );
    }
    let digest = model
        .sha256
        .values()
        .next()
        .map(|digest| digest.chars().take(16).collect::<String>());
    Ok(format!(
        "{} shards, the first {}…",
        model.sha256.len(),
        digest.unwrap_or_default()
    ))
}

fn field(record: &Value, name: &str) -> String {
    record.get(name).map(ToString::to_string).unwrap_or_default()
}
