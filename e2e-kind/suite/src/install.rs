//! The charts, installed by Helm with values made from the stage.

use crate::command;
use crate::kubectl::Kubectl;
use crate::stage::{ARM_IDS, ARM_PORT, CONTROL_PLANE_PORT, Stage, azurite};
use crate::world::World;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Command;

/// Namespace of operator and webhook.
pub const NAMESPACE: &str = "trustbridge-system";
/// The operator's Deployment and ServiceAccount.
pub const OPERATOR: &str = "trustbridge-operator";
/// The chart's release.
const RELEASE: &str = "trustbridge";
/// Secret with the client secret for ARM.
const ARM_SECRET: &str = "trustbridge-arm";
/// Tag of the images that were built here.
pub const TAG: &str = "dev";
/// How long an installation may take.
const LIMIT: Duration = Duration::from_mins(3);

/// Installs or upgrades the custom resource definitions.
pub async fn crds(world: &World) -> Result<String> {
    helm(
        world,
        &["upgrade", "--install", "trustbridge-crds"],
        "charts/trustbridge-crds",
        // Somebody may have applied them by hand before.
        &["--take-ownership"],
    )
    .await?;
    Ok(format!("{} kinds", trustbridge_api::crds().len()))
}

/// Installs or upgrades operator, webhook, catalog.
pub async fn chart(world: &World, stage: &Stage) -> Result<String> {
    let kubectl = Kubectl::of(world);
    kubectl.apply(&arm_secret(stage)?).await?;
    let path = stage.folder().join("values.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&values(world, stage)?)?)?;
    let path = path.to_str().context("the state folder's path is not UTF-8")?;
    helm(
        world,
        &["upgrade", "--install", "trustbridge"],
        "charts/trustbridge",
        // A campaign that was broken off leaves the operator's replicas at zero, under another owner.
        &["--values", path, "--force-conflicts"],
    )
    .await?;
    Ok("operator and webhook are available".to_owned())
}

/// Takes both charts and their namespace away; what is not installed is fine. In a cluster of somebody else's they
/// stay: with the definitions every custom resource would go, ours or not.
pub async fn uninstall(world: &World) -> Result<String> {
    if !world.is_ours() {
        return Ok("left where they are: the cluster is not ours".to_owned());
    }
    for release in ["trustbridge", "trustbridge-crds"] {
        let arguments = [
            "uninstall",
            release,
            "--ignore-not-found",
            "--wait",
            "--timeout",
            "60s",
        ];
        let mut command = helm_command(world);
        command::output(command.args(arguments), LIMIT).await?;
    }
    let namespace = [
        "delete",
        "namespace",
        NAMESPACE,
        "--ignore-not-found",
        "--timeout=55s",
    ];
    Kubectl::of(world).run(&namespace).await?;
    Ok(format!("both charts and namespace {NAMESPACE}"))
}

/// Installs the chart for trials of admission: two webhooks, no operator, the rest as it is or as the chart has it.
/// Answers whether it was installed before.
pub async fn for_admission(world: &World) -> Result<bool> {
    let mut status = helm_command(world);
    let said = command::said(status.args(["status", RELEASE]), None, LIMIT).await?;
    sentinel_tag(world, TAG).await?;
    Ok(said.success)
}

/// Installs or upgrades the chart for trials of admission with that tag of the sentinel's image.
pub async fn sentinel_tag(world: &World, tag: &str) -> Result<()> {
    let more = ["--wait", "--timeout", "150s"];
    for_admission_with(world, &tagged("sentinel", tag), &image("webhook"), &more).await
}

/// The same, begun and not waited for, with webhooks that cannot start: those of before serve on.
pub async fn sentinel_tag_that_hangs(world: &World, tag: &str) -> Result<()> {
    let webhook = tagged("webhook", "absent");
    for_admission_with(world, &tagged("sentinel", tag), &webhook, &[]).await
}

async fn for_admission_with(world: &World, sentinel: &Value, webhook: &Value, more: &[&str]) -> Result<()> {
    let folder = world.stage_folder();
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("admission-values.json");
    let values = json!({
        "operator": {"replicas": 0, "image": image("operator")},
        "webhook": {"replicas": 2, "image": webhook},
        "sentinel": {"image": sentinel},
        "offers": [],
    });
    std::fs::write(&path, serde_json::to_vec_pretty(&values)?)?;
    let path = path.to_str().context("the state folder's path is not UTF-8")?;
    let mut command = helm_command(world);
    command
        .args(["upgrade", "--install", RELEASE])
        .arg(world.root().join("charts/trustbridge"))
        .args([
            "--create-namespace",
            "--reset-then-reuse-values",
            "--values",
            path,
            "--force-conflicts",
        ])
        .args(more);
    command::output(&mut command, LIMIT).await.map(drop)
}

/// Takes the installation of [`for_admission`] back: away, or to what it was before.
pub async fn after_admission(world: &World, was_installed: bool) -> Result<()> {
    let mut command = helm_command(world);
    if was_installed {
        command.args([
            "rollback",
            RELEASE,
            "--wait",
            "--timeout",
            "150s",
            "--force-conflicts",
        ]);
    } else {
        command.args([
            "uninstall",
            RELEASE,
            "--ignore-not-found",
            "--wait",
            "--timeout",
            "60s",
        ]);
    }
    command::output(&mut command, LIMIT).await.map(drop)
}

/// What `helm test` says.
pub async fn test(world: &World) -> Result<String> {
    command::output(
        helm_command(world).args(["test", "trustbridge", "--timeout", "60s"]),
        LIMIT,
    )
    .await
}

async fn helm(world: &World, verb: &[&str], chart: &str, more: &[&str]) -> Result<String> {
    let mut command = helm_command(world);
    command
        .args(verb)
        .arg(world.root().join(chart))
        .args(["--create-namespace", "--wait", "--timeout", "150s"])
        .args(more);
    command::output(&mut command, LIMIT).await
}

fn helm_command(world: &World) -> Command {
    let mut command = Command::new(world.tool("helm"));
    let folder = |name: &str| -> PathBuf { world.stage_folder().join("helm").join(name) };
    for (variable, name) in [
        ("HELM_CACHE_HOME", "cache"),
        ("HELM_CONFIG_HOME", "config"),
        ("HELM_DATA_HOME", "data"),
    ] {
        command.env(variable, folder(name));
    }
    command
        .env_remove("KUBECONFIG")
        .env("KUBECACHEDIR", world.layout().kubectl_cache())
        .arg("--kubeconfig")
        .arg(world.kubeconfig())
        .args(["--namespace", NAMESPACE]);
    command
}

fn arm_secret(stage: &Stage) -> Result<String> {
    let secret = std::fs::read_to_string(stage.client_secret_file())?;
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": ARM_SECRET, "namespace": NAMESPACE},
            "stringData": {"clientSecret": secret},
        }),
    ];
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
}

fn image(name: &str) -> Value {
    json!({"repository": format!("localhost/trustbridge-{name}"), "tag": TAG, "pullPolicy": "IfNotPresent"})
}

fn tagged(name: &str, tag: &str) -> Value {
    let mut image = image(name);
    if let Some(slot) = image.get_mut("tag") {
        *slot = tag.into();
    }
    image
}

/// The tag `dev` stays when the program changes; the digest makes Kubernetes start new pods then, and only then.
fn built_from(world: &World, program: &str) -> Result<Value> {
    let path = world.program(program);
    let bytes = std::fs::read(&path).with_context(|| format!("{} is not built", world.shown(&path)))?;
    Ok(json!({"trustbridge.io/program-sha256": data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes))}))
}

/// The values of the chart for this stage.
fn values(world: &World, stage: &Stage) -> Result<Value> {
    let ca = std::fs::read_to_string(stage.ca()).context("the outside's certificate authority")?;
    let outside_ports = [443, ARM_PORT, CONTROL_PLANE_PORT, azurite::PORT];
    Ok(json!({
        "operator": {
            "image": image("operator"),
            "podAnnotations": built_from(world, "trustbridge-operator")?,
        },
        "webhook": {
            "image": image("webhook"), "replicas": 1, "podAnnotations": built_from(world, "trustbridge-webhook")?,
        },
        "sentinel": {"image": image("sentinel"), "proxyAllow": ["/v1/demo"], "memoryMi": 256},
        "outside": {"caBundle": ca},
        "runtime": {"image": "localhost/trustbridge-double:dev", "args": ["runtime"], "memory": "256Mi"},
        // A refused node pool is asked for again soon: nobody watches a demo for an hour. The second look at a deleted one
        // comes after seconds and not after ten minutes, because this double keeps no request back.
        "nodePools": {"provider": "aks", "retryCapSeconds": 5, "secondLookSeconds": 3, "sweepSeconds": 30, "aks": {
            "endpoint": stage.arm_url(),
            "authority": stage.arm_url(),
            "subscriptionId": ARM_IDS.subscription,
            "resourceGroup": ARM_IDS.resource_group,
            "clusterName": ARM_IDS.cluster,
            "tenantId": ARM_IDS.tenant,
            "clientId": ARM_IDS.client,
            "clientSecret": {"name": ARM_SECRET},
        }},
        // A token that was replaced goes while a test watches; still long enough for two calls after it was.
        "access": {"tokenOverlapSeconds": 45},
        "networkPolicy": {"outsidePorts": outside_ports},
    }))
}
