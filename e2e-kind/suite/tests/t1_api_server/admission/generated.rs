//! Generated pods through the real API server, in a namespace with the standard "restricted".

use super::gate::{Ask, Gate, Who};
use super::generate::{Dice, Schema, restrict, tame};
use super::size;
use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// Requests under way at once.
const AT_ONCE: usize = 6;

/// What became of a pod.
enum Fate {
    Guarded,
    /// Refused by the API server's own validation, before any rule of ours.
    Invalid(String),
}

pub async fn check(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.read().await;
    let count = size(500, 5000);
    let seed: u64 = match std::env::var("TB_SEED") {
        Ok(text) => text.parse()?,
        Err(_) => 20_261_121,
    };
    let schema = Schema::of_pod();
    let pods: Vec<(u64, Value)> = (0..count as u64)
        .map(|number| {
            (
                seed.wrapping_add(number),
                generated(&gate, &schema, seed.wrapping_add(number)),
            )
        })
        .collect();
    let fates: Vec<Fate> = futures::stream::iter(pods)
        .map(|(seed, pod)| one(&gate, seed, pod))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let invalid: Vec<&String> = fates
        .iter()
        .filter_map(|fate| match fate {
            Fate::Invalid(why) => Some(why),
            Fate::Guarded => None,
        })
        .collect();
    println!(
        "generated pods through the API server: {count}, seed {seed}: {} guarded and none lost a field, {} not valid by themselves",
        count - invalid.len(),
        invalid.len()
    );
    ensure!(
        invalid.len() * 50 <= count,
        "too many of the generated pods are not valid: {:?}",
        invalid.first()
    );
    Ok(())
}

fn generated(gate: &Gate, schema: &Schema, seed: u64) -> Value {
    let mut dice = Dice::new(seed);
    let mut pod = schema.valid(&mut dice);
    tame(&mut pod, &mut dice);
    restrict(&mut pod);
    pod["metadata"]["name"] = format!("generated-{seed}").into();
    pod["metadata"]["annotations"]["trustbridge.io/tunepod"] = gate.tunepod().into();
    pod["spec"]["automountServiceAccountToken"] = false.into();
    pod
}

async fn one(gate: &Gate, seed: u64, pod: Value) -> Result<Fate> {
    let ask = |body: Value| Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body,
    };
    let guarded = match gate.ask(&ask(pod.clone())).await? {
        Ok(guarded) => guarded,
        Err(refusal) if refusal.code == 422 => return Ok(Fate::Invalid(refusal.message)),
        Err(refusal) => anyhow::bail!("TB_SEED={seed}: {}: {pod}", refusal.message),
    };
    let first = &guarded["spec"]["initContainers"][0];
    ensure!(
        first["name"] == "tb-sentinel" && first["restartPolicy"] == "Always",
        "TB_SEED={seed}: no sentinel: {guarded}"
    );
    let mut lost = Vec::new();
    compare(&pod, &guarded, "", &mut lost);
    ensure!(lost.is_empty(), "TB_SEED={seed}: {}", lost.join("; "));
    // The guarded pod as somebody might apply it again: the webhook finds nothing to do.
    let mut again = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": guarded["spec"]});
    for field in ["name", "labels", "annotations"] {
        again["metadata"][field] = guarded["metadata"][field].clone();
    }
    match gate.ask(&ask(again)).await? {
        Ok(twice) => ensure!(
            twice["spec"] == guarded["spec"],
            "TB_SEED={seed}: the second call changed the pod"
        ),
        Err(refusal) => anyhow::bail!("TB_SEED={seed}, again: {}", refusal.message),
    }
    Ok(Fate::Guarded)
}

/// What the author wrote stands in the answer; the server's defaults may stand beside it.
fn compare(before: &Value, after: &Value, path: &str, lost: &mut Vec<String>) {
    let is_ours = path.ends_with("/terminationGracePeriodSeconds")
        || (path.starts_with("/spec/containers[\"runtime\"]/") && path.contains("Probe/"));
    if is_ours {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                compare(
                    value,
                    new.get(key).unwrap_or(&Value::Null),
                    &format!("{path}/{key}"),
                    lost,
                );
            }
        }
        (Value::Array(old), Value::Array(new)) if old.iter().all(|v| v.get("name").is_some()) => {
            for value in old {
                let same = new
                    .iter()
                    .find(|n| n["name"] == value["name"])
                    .unwrap_or(&Value::Null);
                compare(value, same, &format!("{path}[{}]", value["name"]), lost);
            }
        }
        // What has no name keeps its place; the server adds its own behind.
        (Value::Array(old), Value::Array(new)) => {
            for (at, value) in old.iter().enumerate() {
                compare(
                    value,
                    new.get(at).unwrap_or(&Value::Null),
                    &format!("{path}[{at}]"),
                    lost,
                );
            }
        }
        // An empty value is not kept by the API server itself.
        (Value::Null | Value::Bool(false), Value::Null) => {}
        (Value::Array(old), Value::Null) if old.is_empty() => {}
        (Value::Object(old), Value::Null) if old.is_empty() => {}
        (Value::String(old), Value::Null) if old.is_empty() => {}
        _ if before == after => {}
        _ => lost.push(format!("{path}: {before} became {after}")),
    }
}
