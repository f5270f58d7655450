//! What the operator asks of Karpenter is accepted, field by field, by kinds as Karpenter documents them.
//!
//! `asked.json` is what the provider `karpenter` builds; a test of the operator keeps the two equal.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, ResourceExt};
use serde_json::Value;
use std::time::Duration;
use trustbridge_e2e::world::World;

/// The trial's name.
pub const TITLE: &str = "karpenter_takes_what_the_operator_asks_for";

/// Time until a definition is established.
const ESTABLISHED: Duration = Duration::from_secs(30);

/// Installs the kinds, asks, and takes both away again.
pub async fn check(world: World) -> Result<()> {
    let client = world.client().await?;
    let crds: Vec<CustomResourceDefinition> = include_str!("crds.yaml")
        .split("\n---\n")
        .map(serde_saphyr::from_str)
        .collect::<Result<_, _>>()?;
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in &crds {
        let params = PatchParams::apply("t1").force();
        let name = crd.name_any();
        kinds.patch(&name, &params, &Patch::Apply(crd)).await?;
        let established = await_condition(kinds.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(ESTABLISHED, established).await??;
    }
    let asked = ask(&client).await;
    for crd in &crds {
        kinds.delete(&crd.name_any(), &DeleteParams::default()).await?;
    }
    asked
}

async fn ask(client: &Client) -> Result<()> {
    let objects: Vec<Value> = serde_json::from_str(include_str!("asked.json"))?;
    ensure!(objects.len() == 2, "an AKSNodeClass and a NodePool are asked for");
    for object in objects {
        let (api, name) = place(client, &object)?;
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("t1")
        };
        let made = api.patch(&name, &params, &Patch::Apply(&object)).await?;
        let made = serde_json::to_value(made)?;
        ensure!(
            made["spec"] == object["spec"],
            "{} is kept as {}",
            object["spec"],
            made["spec"]
        );
        let mut dropped = object.clone();
        if let Some(spec) = dropped["spec"].as_object_mut()
            && spec.remove("replicas").is_some()
        {
            let refused = api.patch(&name, &params, &Patch::Apply(&dropped)).await;
            ensure!(refused.is_err(), "a static pool became another");
        }
        api.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

fn place(client: &Client, object: &Value) -> Result<(Api<DynamicObject>, String)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (group, version) = text("/apiVersion")
        .and_then(|both| both.split_once('/'))
        .context("a group and a version")?;
    let kind = text("/kind").context("a kind")?;
    let plural = if kind == "NodePool" {
        "nodepools"
    } else {
        "aksnodeclasses"
    };
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let name = text("/metadata/name").context("a name")?;
    Ok((Api::all_with(client.clone(), &resource), name.to_owned()))
}
