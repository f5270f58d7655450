//! The longer way, for pods that were guarded before: other webhooks may have bent them since, and somebody may
//! only claim it. The guarded form is built whole, and the change is the difference of two JSON values. Pure.
//!
//! Idempotent by structure: what carries our names is replaced where it stands, what is missing is added, all
//! else stays as it is, and a pod that already is as it should be gives an empty patch. Nothing in the pod can
//! say "already injected": the annotation with the digest is a record, not an excuse.

use super::delivery::Delivery;
use super::patch::{DEFAULT_UID, LEAST_GRACE, drain};
use super::{ADMIN_PORT, MODEL_ROOT, SENTINEL, arguments, environment, probe, sentinel, startup, volumes};
use crate::settings::SentinelSettings;
use serde::Serialize;
use serde_json::{Map, Value};
use trustbridge_api::labels;

/// The guarded form of `pod`.
pub(crate) fn guarded(
    pod: &Value,
    runtime: &str,
    delivery: &Delivery,
    settings: &SentinelSettings,
) -> Result<Value, serde_json::Error> {
    let mut result = pod.clone();
    let uid = user_of(pod, runtime);
    let (container, digest) = sentinel::container_value(delivery, settings, uid.unwrap_or(DEFAULT_UID))?;
    let injected = values(volumes::of(delivery, settings))?;
    let own = Own::new()?;
    let seconds = settings.transfer_seconds(delivery.plaintext_bytes);
    let told = pod
        .pointer("/metadata/annotations")
        .and_then(|a| a.get(startup::MARK)?.as_str());
    let mut budget = None;
    if let Some(spec) = object(&mut result, "spec") {
        edit(spec, "initContainers", |items| put_first(items, container));
        edit(spec, "volumes", |items| {
            for volume in injected {
                upsert(items, volume, &["name"]);
            }
        });
        edit(spec, "containers", |items| {
            if let Some(container) = items.iter_mut().find(|c| named(c, runtime)) {
                let known = arguments::of(container_image(container), has_command(container), settings);
                if let Some(container) = container.as_object_mut() {
                    equip_runtime(container, own, uid);
                    redirect(container, runtime);
                    budget = allow(container, told, seconds);
                    if !known.is_empty() {
                        edit(container, "args", |items| add_arguments(items, known));
                    }
                }
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
        if let Some(budget) = budget {
            annotations.insert(startup::MARK.to_owned(), budget.mark.into());
        }
    }
    Ok(result)
}

/// What the model server's container gets, as values.
struct Own {
    environment: Vec<Value>,
    mount: Value,
    drain: Value,
}

impl Own {
    fn new() -> Result<Self, serde_json::Error> {
        Ok(Self {
            environment: values(environment::of_runtime())?,
            mount: serde_json::to_value(sentinel::runtime_mount())?,
            drain: serde_json::to_value(drain())?,
        })
    }
}

fn values<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<Value>, serde_json::Error> {
    items.into_iter().map(serde_json::to_value).collect()
}

/// The difference as RFC 6902 operations; none if the pod is guarded already.
pub(crate) fn difference(pod: &Value, guarded: &Value) -> json_patch::Patch {
    json_patch::diff(pod, guarded)
}

/// `pod` without what an earlier call of this webhook added, so that the policy sees what others wrote.
pub(crate) fn stripped(pod: &Value, runtime: &str) -> Result<Value, serde_json::Error> {
    let mut result = pod.clone();
    let ours = values(environment::of_runtime())?;
    if let Some(spec) = object(&mut result, "spec") {
        edit(spec, "initContainers", |items| {
            items.retain(|c| !named(c, SENTINEL));
        });
        edit(spec, "volumes", |items| {
            items.retain(|v| !volumes::NAMES.iter().any(|name| named(v, name)));
        });
        edit(spec, "containers", |items| {
            for container in items.iter_mut().filter(|c| named(c, runtime)) {
                strip_runtime(container, runtime, &ours);
            }
        });
    }
    Ok(result)
}

fn container_image(container: &Value) -> &str {
    container.get("image").and_then(Value::as_str).unwrap_or_default()
}

fn has_command(container: &Value) -> bool {
    let command = container.get("command").and_then(Value::as_array);
    command.is_some_and(|words| !words.is_empty())
}

fn add_arguments(items: &mut Vec<Value>, known: &[String]) {
    let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    if !arguments::are_last(&words, known) {
        items.extend(known.iter().map(|word| Value::from(word.as_str())));
    }
}

fn strip_runtime(container: &mut Value, runtime: &str, ours: &[Value]) {
    let Some(container) = container.as_object_mut() else {
        return;
    };
    if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
        mounts.retain(|m| !(named(m, "tb-model") && m.get("mountPath") == Some(&MODEL_ROOT.into())));
    }
    if let Some(environment) = container.get_mut("env").and_then(Value::as_array_mut) {
        environment.retain(|variable| !ours.contains(variable));
    }
    for (field, _) in probe::KINDS {
        if container
            .get(field)
            .is_some_and(|asked| is_rewritten(asked, runtime))
        {
            container.remove(field);
        }
    }
}

/// Whether a probe asks the sentinel in the model server's place already. One to which somebody added a host, a header
/// or another scheme since does not: it is judged as its author's own, and refused.
fn is_rewritten(asked: &Value, runtime: &str) -> bool {
    let Some(target) = asked.get("httpGet").and_then(Value::as_object) else {
        return false;
    };
    let is_bent = target.iter().any(|(field, value)| match field.as_str() {
        "path" | "port" => false,
        "scheme" => value != "HTTP",
        _ => !(value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)),
    });
    if is_bent {
        return false;
    }
    let path = target.get("path").and_then(Value::as_str).unwrap_or_default();
    target.get("port") == Some(&ADMIN_PORT.into()) && path.starts_with(&probe::prefix(runtime))
}

fn rewrite_probe(asked: &mut Map<String, Value>, runtime: &str, kind: &str) {
    if let Some(target) = asked.get("httpGet").filter(|t| !t.is_null()) {
        let path = target.get("path").and_then(Value::as_str).unwrap_or("/");
        let handler = probe::handler(runtime, kind, Some(path));
        asked.insert("httpGet".to_owned(), handler.to_value());
    } else if asked.get("tcpSocket").is_some_and(|t| !t.is_null()) {
        asked.remove("tcpSocket");
        asked.insert(
            "httpGet".to_owned(),
            probe::handler(runtime, kind, None).to_value(),
        );
    }
}

fn equip_runtime(container: &mut Map<String, Value>, own: Own, uid: Option<i64>) {
    edit(container, "env", |items| {
        for variable in own.environment {
            upsert(items, variable, &["name"]);
        }
    });
    edit(container, "volumeMounts", |items| {
        upsert(items, own.mount, &["name", "mountPath"]);
    });
    if let Some(lifecycle) = member(container, "lifecycle") {
        let hook = lifecycle.entry("preStop").or_insert(Value::Null);
        if hook.is_null() {
            *hook = own.drain;
        }
    }
    if uid.is_none()
        && let Some(context) = member(container, "securityContext")
    {
        // The FIFO is readable by its owner alone, so both sides run as one user.
        context.insert("runAsUser".to_owned(), DEFAULT_UID.into());
    }
}

/// The sentinel is asked in the model server's place.
fn redirect(container: &mut Map<String, Value>, runtime: &str) {
    for (field, kind) in probe::KINDS {
        if let Some(asked) = container
            .get_mut(field)
            .filter(|asked| !is_rewritten(asked, runtime))
            && let Some(asked) = asked.as_object_mut()
        {
            rewrite_probe(asked, runtime, kind);
        }
    }
}

/// The start-up probe lets the weights arrive.
fn allow(container: &mut Map<String, Value>, mark: Option<&str>, seconds: u64) -> Option<startup::Budget> {
    let numbers = |field: &str| {
        let probe = container.get(field)?.as_object()?;
        let number = |name: &str| probe.get(name).and_then(Value::as_i64);
        Some(startup::Numbers {
            period: number("periodSeconds"),
            failures: number("failureThreshold"),
        })
    };
    let budget = startup::budget(numbers("startupProbe"), numbers("livenessProbe"), mark, seconds)?;
    if budget.from_liveness {
        let liveness = container.get("livenessProbe").cloned().unwrap_or_default();
        container.insert("startupProbe".to_owned(), liveness);
    }
    let probe = container.get_mut("startupProbe")?.as_object_mut()?;
    probe.insert("periodSeconds".to_owned(), budget.period.into());
    probe.insert("failureThreshold".to_owned(), budget.failures.into());
    Some(budget)
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
