//! What the API server in memory shows, on the real one: the same logs on both, without a difference.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};
use std::time::Duration;
use trustbridge_e2e::replay::log::{Log, recorded};
use trustbridge_e2e::replay::{Said, difference, live, memory, seed, seeded};
use trustbridge_e2e::world::World;

/// Logs by seed; with `TB_CAMPAIGN` the full number.
const SEEDS: usize = 60;
const ALL_SEEDS: usize = 600;
/// Logs that must be played at the least.
const LEAST: usize = 50;

/// The trial's name.
pub const TITLE: &str = "logs_of_operations_end_alike_in_memory_and_here";

/// Plays every log on both.
pub async fn check(world: World) -> Result<()> {
    let client = world.client().await?;
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd: CustomResourceDefinition = serde_json::from_value(seeded::crd())?;
    let name = crd.metadata.name.clone().context("the kind has a name")?;
    kinds.create(&PostParams::default(), &crd).await?;
    let established = await_condition(kinds.clone(), &name, conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(30), established)
        .await
        .context("the kind of the replay is not served")??;
    let namespace = format!("t1-replay-{}", std::process::id());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let made = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
    namespaces.create(&PostParams::default(), &made).await?;
    let played = play(&world, &client, &namespace).await;
    let mut all = trustbridge_api::crds();
    all.retain(|crd| crd.spec.scope == "Namespaced");
    all.push(crd);
    for kind in all {
        let_go(&objects(&client, &namespace, kind)).await?;
    }
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    kinds.delete(&name, &DeleteParams::default()).await?;
    played
}

async fn play(world: &World, client: &Client, namespace: &str) -> Result<()> {
    let mut logs = recorded(&world.root().join("e2e-kind/suite/replay"))?;
    let written = logs.len();
    let begin = seed();
    let count = crate::admission::size(SEEDS, ALL_SEEDS);
    logs.extend((0..u64::try_from(count)?).map(|number| seeded::log(begin.wrapping_add(number))));
    let mut crds: Vec<Value> = trustbridge_api::crds()
        .iter()
        .map(serde_json::to_value)
        .collect::<serde_json::Result<_>>()?;
    crds.push(seeded::crd());
    let (mut steps, mut wrong) = (0, Vec::new());
    for log in &logs {
        let in_memory = memory::play(log, &crds)?;
        let here = live::play(client, log, namespace)
            .await
            .with_context(|| log.id.clone())?;
        steps += here.len();
        wrong.extend(compare(log, &in_memory, &here));
    }
    println!(
        "{} logs of {steps} operations, {written} of them recorded from the operator, the others of the seeds {begin} and on: {} differ",
        logs.len(),
        wrong.len()
    );
    ensure!(logs.len() >= LEAST, "only {} logs were played", logs.len());
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The first difference of a log, with its place.
fn compare(log: &Log, in_memory: &[Said], here: &[Said]) -> Option<String> {
    let pairs = in_memory.iter().zip(here).zip(&log.steps).enumerate();
    let mut found = pairs.filter_map(|(number, ((memory, real), step))| {
        let difference = difference(memory, real)?;
        Some(format!(
            "log {}, step {number}, {} {} {}: {difference}",
            log.id, step.method, step.path, step.body
        ))
    });
    found.next()
}

fn objects(client: &Client, namespace: &str, crd: CustomResourceDefinition) -> Api<DynamicObject> {
    let version = crd.spec.versions.into_iter().next().unwrap_or_default().name;
    let kind = ApiResource {
        api_version: format!("{}/{version}", crd.spec.group),
        group: crd.spec.group,
        version,
        kind: crd.spec.names.kind,
        plural: crd.spec.names.plural,
    };
    Api::namespaced_with(client.clone(), namespace, &kind)
}

/// Nobody holds what the logs left behind: a finalizer would hold the namespace for ever.
async fn let_go(objects: &Api<DynamicObject>) -> Result<()> {
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    for object in objects.list(&ListParams::default()).await? {
        let name = object.metadata.name.unwrap_or_default();
        if let Err(error) = objects.patch(&name, &PatchParams::default(), &free).await {
            let is_gone = matches!(&error, kube::Error::Api(status) if status.code == 404);
            ensure!(is_gone, "{name} keeps its finalizers: {error}");
        }
    }
    Ok(())
}
