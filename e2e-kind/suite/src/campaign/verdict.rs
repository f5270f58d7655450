//! How a story ended, apart from when and where: equal for every run that ended as it should.

use crate::arm::{self, PoolCount};
use crate::buyer::Purchase;
use crate::kubectl::Kubectl;
use crate::stage::Stage;
use crate::terminate;
use crate::world::World;
use anyhow::{Result, ensure};
use kube::ResourceExt;
use serde_json::Value;

/// Fields that differ from run to run: times, what follows from times, and what follows from UIDs.
const MASKED: [&str; 25] = [
    "lastTransitionTime",
    "from",
    "to",
    "startedAt",
    "finishedAt",
    "validUntil",
    "digest",
    "signature",
    "uid",
    "orderUid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "meteredMs",
    "message",
    "observedGeneration",
    "generation",
    "checkedAt",
    "lastError",
    "operationUrl",
    "annotations",
    "endingSince",
    "unansweredSince",
    "operations",
    "wipe",
];
/// Fields of a TunePod's `status.usage` that differ: the pod's UID, and what follows from it and from times. Elsewhere
/// fields of these names count.
const MASKED_IN_USAGE: [&str; 5] = ["pod", "outbox", "hash", "until", "record"];
/// The field that those are in.
const USAGE: &str = "usage";
/// What is compared.
const KINDS: &str = "orders,quotes,tunepods";

/// Checks what must hold by itself, and answers the masked end state.
pub async fn of(world: &World, stage: &Stage, purchase: &Purchase) -> Result<Value> {
    let tunepod = purchase.tunepod_now(world).await?;
    terminate::check(&purchase.order_now(world).await?, &tunepod)?;
    // By name, so that a pool of a TunePod that was made twice counts too.
    let name = format!("{}/{}", purchase.namespace(), tunepod.name_any());
    let pools = arm::of_name(stage, &name).await?;
    let expected = PoolCount {
        created: 1,
        deleted: 1,
        left: 0,
        busy: pools.busy,
    };
    ensure!(pools == expected, "not exactly one node pool: {pools:?}");
    nothing_left(world, purchase).await?;
    let namespace = purchase.namespace();
    let objects = Kubectl::of(world)
        .run(&["get", KINDS, "--namespace", &namespace, "--output", "json"])
        .await?;
    let objects: Value = serde_json::from_str(&objects)?;
    let pool = tunepod
        .status
        .and_then(|status| status.node_pool)
        .map(|pool| pool.name)
        .unwrap_or_default();
    let items = objects.get("items").cloned().unwrap_or_default();
    Ok(masked(
        &items,
        &MASKED,
        &[(purchase.org.as_str(), "ORG"), (pool.as_str(), "POOL")],
    ))
}

/// Neither pods nor doors, in either namespace.
async fn nothing_left(world: &World, purchase: &Purchase) -> Result<()> {
    for (kinds, namespace) in [
        ("pods", purchase.protected()),
        ("pods,services,endpointslices", purchase.namespace()),
    ] {
        let left = Kubectl::of(world)
            .run(&["get", kinds, "--namespace", &namespace, "--output", "name"])
            .await?;
        ensure!(left.trim().is_empty(), "left in {namespace}: {}", left.trim());
    }
    Ok(())
}

/// Without those fields; below `usage`, without those that differ there besides.
fn masked(value: &Value, fields: &[&str], names: &[(&str, &str)]) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, field)| {
                let field = if fields.contains(&key.as_str()) && !field.is_null() {
                    Value::String("(masked)".to_owned())
                } else if key == USAGE {
                    masked(field, &[fields, &MASKED_IN_USAGE].concat(), names)
                } else {
                    masked(field, fields, names)
                };
                (key.clone(), field)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| masked(item, fields, names)).collect(),
        // Whatever the field is called.
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => Value::String("(time)".to_owned()),
        Value::String(text) => Value::String(without_hash(&replaced(text, names))),
        other => other.clone(),
    }
}

fn replaced(text: &str, names: &[(&str, &str)]) -> String {
    let known = names.iter().filter(|(from, _)| !from.is_empty());
    known.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The quote's name ends in a hash of the organisation.
fn without_hash(text: &str) -> String {
    match text.rsplit_once('-') {
        Some((stem, end))
            if end.len() == 10
                && end
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)) =>
        {
            format!("{stem}-HASH")
        }
        _ => text.to_owned(),
    }
}

/// The first difference of two end states, as a path and both values.
#[must_use]
pub fn difference(clean: &Value, seen: &Value) -> Option<String> {
    walk("", clean, seen)
}

fn walk(path: &str, clean: &Value, seen: &Value) -> Option<String> {
    match (clean, seen) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let null = Value::Null;
                walk(
                    &format!("{path}/{key}"),
                    a.get(key).unwrap_or(&null),
                    b.get(key).unwrap_or(&null),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (a, b))| walk(&format!("{path}/{at}"), a, b)),
        _ if clean == seen => None,
        _ => Some(format!("{path}: clean {clean}, here {seen}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_and_names_do_not_count_and_phases_do() {
        let one = json!([{"metadata": {"name": "q-abcdefgh23", "uid": "1"}, "status": {"phase": "Wiped", "validUntil": "2026", "terms": {"acceptedAt": "2026-01-01T00:00:00Z"}}}]);
        let two = json!([{"metadata": {"name": "q-zzzzzzzz23", "uid": "2"}, "status": {"phase": "Wiped", "validUntil": "2027", "terms": {"acceptedAt": "2027-01-01T00:00:00Z"}}}]);
        assert_eq!(
            difference(&masked(&one, &MASKED, &[]), &masked(&two, &MASKED, &[])),
            None
        );
        let three = json!([{"metadata": {"name": "q-zzzzzzzz23", "uid": "2"}, "status": {"phase": "Ready", "validUntil": "2027"}}]);
        assert!(
            difference(&masked(&one, &MASKED, &[]), &masked(&three, &MASKED, &[]))
                .unwrap()
                .contains("/0/status/phase")
        );
    }

    #[test]
    fn whose_usage_it_is_does_not_count_and_whose_pod_does() {
        let end = |uid: &str, name: &str, record: &str| {
            json!([{"status": {
                "pod": {"name": name, "uid": uid}, "record": record,
                "usage": {"pod": uid, "outbox": uid, "hash": uid, "until": uid, "record": uid, "closed": true}}}])
        };
        let clean = masked(&end("1", "order-1-0", "kept"), &MASKED, &[]);
        let again = masked(&end("2", "order-1-0", "kept"), &MASKED, &[]);
        assert_eq!(difference(&clean, &again), None);
        for (other, place) in [
            (end("2", "order-1-7", "kept"), "/0/status/pod/name"),
            (end("2", "order-1-0", "another"), "/0/status/record"),
        ] {
            let told = difference(&clean, &masked(&other, &MASKED, &[])).unwrap();
            assert!(told.contains(place), "{told}");
        }
    }
}
