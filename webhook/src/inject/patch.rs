//! The change that turns a pod into a guarded one, as a difference of two JSON values. Pure.
//!
//! Idempotent by structure: what carries our names is replaced where it stands, what is missing is added, all
//! else stays as it is, and a pod that already is as it should be gives an empty patch. Nothing in the pod can
//! say "already injected": the annotation with the digest is a record, not an excuse.

use super::delivery::Delivery;
use super::{ADMIN_PORT, MODEL_ROOT, SENTINEL, sentinel};
use crate::settings::SentinelSettings;
use serde_json::{Map, Value, json};
use trustbridge_api::labels;

/// User of sentinel and model server where the pod names none.
const DEFAULT_UID: i64 = 65532;
/// Least seconds between "please stop" and the kill: drain, last audit line, last counters.
const LEAST_GRACE: i64 = 60;

/// The guarded form of `pod`.
pub(crate) fn guarded(pod: &Value, runtime: &str, delivery: &Delivery, settings: &SentinelSettings) -> Value {
    let mut result = pod.clone();
    let uid = user_of(pod, runtime);
    let container = sentinel::container(delivery, settings, uid.unwrap_or(DEFAULT_UID));
    let digest = sentinel::digest(&container);
    if let Some(spec) = object(&mut result, "spec") {
        edit(spec, "initContainers", |items| put_first(items, container));
        edit(spec, "volumes", |items| {
            for volume in sentinel::volumes(delivery, settings) {
                upsert(items, volume, &["name"]);
            }
        });
        edit(spec, "containers", |items| {
            if let Some(container) = items.iter_mut().find(|c| named(c, runtime)) {
                equip_runtime(container, uid);
            }
        });
        let grace = spec
            .get("terminationGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        if grace < LEAST_GRACE {
            spec.insert("terminationGracePeriodSeconds".to_owned(), LEAST_GRACE.into());
        }
    }
    if let Some(metadata) = object(&mut result, "metadata")
        && let Some(annotations) = member(metadata, "annotations")
    {
        annotations.insert(labels::INJECTED_HASH.to_owned(), digest.into());
    }
    result
}

/// The difference as RFC 6902 operations; none if the pod is guarded already.
pub(crate) fn difference(pod: &Value, guarded: &Value) -> json_patch::Patch {
    json_patch::diff(pod, guarded)
}

/// `pod` without what an earlier call of this webhook added. Only a pod that carries the annotation is looked
/// at that way; in every other one our names are the user's, and refused.
pub(crate) fn stripped(pod: &Value, runtime: &str) -> Value {
    let mut result = pod.clone();
    if super::delivery::annotation(pod, labels::INJECTED_HASH).is_none() {
        return result;
    }
    if let Some(spec) = object(&mut result, "spec") {
        edit(spec, "initContainers", |items| {
            items.retain(|c| !named(c, SENTINEL));
        });
        edit(spec, "volumes", |items| {
            items.retain(|v| !sentinel::VOLUMES.iter().any(|name| named(v, name)));
        });
        edit(spec, "containers", |items| {
            for container in items.iter_mut().filter(|c| named(c, runtime)) {
                if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                    mounts.retain(|m| {
                        !(named(m, "tb-model") && m.get("mountPath") == Some(&MODEL_ROOT.into()))
                    });
                }
            }
        });
    }
    result
}

fn equip_runtime(container: &mut Value, uid: Option<i64>) {
    let Some(container) = container.as_object_mut() else {
        return;
    };
    edit(container, "env", |items| {
        for variable in sentinel::runtime_environment() {
            upsert(items, variable, &["name"]);
        }
    });
    edit(container, "volumeMounts", |items| {
        upsert(items, sentinel::runtime_mount(), &["name", "mountPath"]);
    });
    if let Some(lifecycle) = member(container, "lifecycle") {
        // An image without a shell drains too: the kubelet asks the sentinel, which waits for the last answer.
        lifecycle
            .entry("preStop")
            .or_insert_with(|| json!({"httpGet": {"path": "/drain", "port": ADMIN_PORT, "scheme": "HTTP"}}));
    }
    if uid.is_none()
        && let Some(context) = member(container, "securityContext")
    {
        // The FIFO is readable by its owner alone, so both sides run as one user.
        context.insert("runAsUser".to_owned(), DEFAULT_UID.into());
    }
}

/// User that the model server runs as, by container or pod.
fn user_of(pod: &Value, runtime: &str) -> Option<i64> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let own = containers
        .into_iter()
        .flatten()
        .find(|c| named(c, runtime))
        .and_then(|c| c.pointer("/securityContext/runAsUser"));
    own.or_else(|| pod.pointer("/spec/securityContext/runAsUser"))
        .and_then(Value::as_i64)
}

fn named(item: &Value, name: &str) -> bool {
    item.get("name").and_then(Value::as_str) == Some(name)
}

/// Puts our container in front: the mounts and the FIFO must be there before any container of the user starts.
fn put_first(containers: &mut Vec<Value>, container: Value) {
    containers.retain(|c| !named(c, SENTINEL));
    containers.insert(0, container);
}

/// Replaces the item with the same keys where it stands, or adds it at the end.
fn upsert(items: &mut Vec<Value>, item: Value, keys: &[&str]) {
    match items
        .iter_mut()
        .find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
    {
        Some(old) => *old = item,
        None => items.push(item),
    }
}

fn object<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    value.as_object_mut().and_then(|map| member(map, key))
}

/// The object under `key`, made if it is missing or null.
fn member<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let slot = map.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut()
}

/// Lets `change` work on the array under `key`, made if it is missing or of another type (which the API server
/// refuses by itself).
fn edit(map: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let slot = map.entry(key).or_insert(Value::Null);
    let mut items = match slot.take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    change(&mut items);
    *slot = Value::Array(items);
}
