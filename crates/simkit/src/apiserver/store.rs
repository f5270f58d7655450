//! The objects, and what happens to them.

use super::path::Path;
use super::{Refusal, apply};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Plural and group. Examples: `tunepods.trustbridge.io`, `pods`.
    pub plural: String,
    /// `None` for what lies in none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.plural, self.name),
            None => write!(f, "{} {}", self.plural, self.name),
        }
    }
}

/// An object, and what each manager applied last: by manager, and whether to the status.
struct Held {
    object: Value,
    applied: BTreeMap<(String, bool), Map<String, Value>>,
}

/// All objects.
#[derive(Default)]
pub(super) struct Store {
    pub(super) now: Timestamp,
    objects: BTreeMap<Key, Held>,
    /// The last `resourceVersion`.
    version: u64,
    /// UIDs given.
    uids: u64,
}

impl Store {
    pub(super) fn get(&self, key: &Key) -> Result<Value, Refusal> {
        self.objects
            .get(key)
            .map(|held| held.object.clone())
            .ok_or_else(|| absent(key))
    }

    pub(super) fn all(&self, plural: &str) -> Vec<Value> {
        let of_kind = self.objects.iter().filter(|(key, _)| key.plural == plural);
        of_kind.map(|(_, held)| held.object.clone()).collect()
    }

    pub(super) fn everything(&self) -> BTreeMap<Key, Value> {
        let pairs = self.objects.iter();
        pairs
            .map(|(key, held)| (key.clone(), held.object.clone()))
            .collect()
    }

    pub(super) fn list(&self, path: &Path) -> Value {
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, held)| {
                key.plural == path.key.plural
                    && (path.key.namespace.is_none() || key.namespace == path.key.namespace)
                    && path.fields.fits_fields(&held.object)
                    && path.labels.fits_labels(&held.object)
            })
            .map(|(_, held)| held.object.clone())
            .collect();
        json!({
            "kind": "List", "apiVersion": path.api_version,
            "metadata": {"resourceVersion": self.version.to_string()}, "items": items,
        })
    }

    /// A new object without status, as a client makes it.
    pub(super) fn create(&mut self, collection: &Key, mut object: Value) -> Result<Value, Refusal> {
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let key = Key {
            name: name.unwrap_or_default().to_owned(),
            ..collection.clone()
        };
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        if namespace.is_some() && namespace != key.namespace.as_deref() {
            let message = "the namespace of the object does not match the namespace of the request";
            return Err(Refusal::new(400, "BadRequest", message));
        }
        self.seed(&key, object)
    }

    pub(super) fn seed(&mut self, key: &Key, mut object: Value) -> Result<Value, Refusal> {
        if key.name.is_empty() {
            let message = format!("{key}: metadata.name: Required value");
            return Err(Refusal::new(422, "Invalid", message));
        }
        if self.objects.contains_key(key) {
            return Err(Refusal::new(
                409,
                "AlreadyExists",
                format!("{key} already exists"),
            ));
        }
        self.uids += 1;
        self.version += 1;
        let uid = format!("00000000-0000-4000-8000-{:012x}", self.uids);
        let now = self.now.to_string();
        let metadata = metadata(&mut object);
        if let Some(namespace) = &key.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        for (field, value) in [
            ("uid", json!(uid)),
            ("generation", json!(1)),
            ("creationTimestamp", json!(now)),
            ("resourceVersion", json!(self.version.to_string())),
        ] {
            metadata.insert(field.to_owned(), value);
        }
        let held = Held {
            object: object.clone(),
            applied: BTreeMap::new(),
        };
        self.objects.insert(key.clone(), held);
        Ok(object)
    }

    /// HTTP status and the object as it is then.
    pub(super) fn apply(
        &mut self,
        key: &Key,
        is_status: bool,
        mut said: Value,
        manager: &str,
    ) -> Result<(u16, Value), Refusal> {
        let expected = ["uid", "resourceVersion"].map(|field| {
            let value = metadata(&mut said).remove(field);
            (field, value)
        });
        for field in ["name", "namespace"] {
            metadata(&mut said).remove(field);
        }
        let slot = (manager.to_owned(), is_status);
        if !self.objects.contains_key(key) {
            if is_status {
                return Err(absent(key));
            }
            if expected.iter().any(|(_, value)| value.is_some()) {
                let message = format!("{key}: the object was named by UID or version, and there is none");
                return Err(Refusal::new(409, "Conflict", message));
            }
            let applied = of_subresource(&said, false);
            if let Some(map) = said.as_object_mut() {
                map.remove("status");
            }
            metadata(&mut said).insert("name".to_owned(), json!(key.name));
            let made = self.seed(key, said)?;
            if let Some(held) = self.objects.get_mut(key) {
                held.applied.insert(slot, applied);
            }
            return Ok((201, made));
        }
        let held = self.objects.get_mut(key).ok_or_else(|| absent(key))?;
        for (field, value) in expected {
            let live = held.object.pointer(&format!("/metadata/{field}"));
            if value.is_some() && live != value.as_ref() {
                let message =
                    format!("Operation cannot be fulfilled on {key}: {field} is not the one that was named");
                return Err(Refusal::new(409, "Conflict", message));
            }
        }
        let said = of_subresource(&said, is_status);
        let before = held.object.clone();
        if let Some(live) = held.object.as_object_mut() {
            apply::apply(live, held.applied.get(&slot), &said);
        }
        held.applied.insert(slot, said);
        self.touched(key, &before);
        Ok((200, self.get(key).unwrap_or(before)))
    }

    /// The version goes on when something changed, the generation when something outside metadata and status did; an
    /// object that waited for its last finalizer goes.
    fn touched(&mut self, key: &Key, before: &Value) {
        let Some(held) = self.objects.get_mut(key) else {
            return;
        };
        if held.object == *before {
            return;
        }
        self.version += 1;
        let wanted = |object: &Value| {
            let mut wanted = object.as_object().cloned().unwrap_or_default();
            wanted.retain(|field, _| field != "metadata" && field != "status");
            wanted
        };
        let generation = before.pointer("/metadata/generation").and_then(Value::as_i64);
        let moved = i64::from(wanted(&held.object) != wanted(before));
        let metadata = metadata(&mut held.object);
        metadata.insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        metadata.insert("generation".to_owned(), json!(generation.unwrap_or(1) + moved));
        let is_leaving = metadata.contains_key("deletionTimestamp");
        let is_held = metadata
            .get("finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        if is_leaving && !is_held && !waits_for_kubelet(key) {
            self.objects.remove(key);
        }
    }

    pub(super) fn delete(&mut self, key: &Key, preconditions: &Value) -> Result<Value, Refusal> {
        let now = self.now;
        let held = self.objects.get_mut(key).ok_or_else(|| absent(key))?;
        for field in ["uid", "resourceVersion"] {
            let wanted = preconditions.get(field).filter(|value| !value.is_null());
            if wanted.is_some() && wanted != held.object.pointer(&format!("/metadata/{field}")) {
                let message = format!(
                    "Operation cannot be fulfilled on {key}: the {field} in the precondition differs"
                );
                return Err(Refusal::new(409, "Conflict", message));
            }
        }
        let before = held.object.clone();
        let grace = before
            .pointer("/spec/terminationGracePeriodSeconds")
            .and_then(Value::as_i64);
        let grace = if waits_for_kubelet(key) {
            grace.unwrap_or(30)
        } else {
            0
        };
        let metadata = metadata(&mut held.object);
        let is_held = metadata
            .get("finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        if !is_held && !waits_for_kubelet(key) {
            self.objects.remove(key);
            return Ok(before);
        }
        if !metadata.contains_key("deletionTimestamp") {
            let at = now
                .saturating_add(SignedDuration::from_secs(grace))
                .unwrap_or(now);
            metadata.insert("deletionTimestamp".to_owned(), json!(at.to_string()));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            self.touched(key, &before);
        }
        self.get(key).or(Ok(before))
    }

    pub(super) fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
        let held = self.objects.get_mut(key).ok_or_else(|| absent(key))?;
        let before = held.object.clone();
        change(&mut held.object);
        self.touched(key, &before);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    pub(super) fn collect_garbage(&mut self) {
        let uid = |held: &Held| held.object.pointer("/metadata/uid").cloned().unwrap_or_default();
        let living: BTreeSet<String> = self.objects.values().map(|held| uid(held).to_string()).collect();
        let orphans: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, held)| {
                let owners = held
                    .object
                    .pointer("/metadata/ownerReferences")
                    .and_then(Value::as_array);
                owners.is_some_and(|owners| {
                    let is_gone = |owner: &Value| {
                        owner
                            .get("uid")
                            .is_none_or(|uid| !living.contains(&uid.to_string()))
                    };
                    !owners.is_empty() && owners.iter().all(is_gone)
                })
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in orphans {
            // Deleted as everybody deletes: finalizers hold it.
            let _ = self.delete(&key, &Value::Null);
        }
    }
}

/// Pods are not gone before kubelet says so.
fn waits_for_kubelet(key: &Key) -> bool {
    key.plural == "pods"
}

fn absent(key: &Key) -> Refusal {
    Refusal::new(404, "NotFound", format!("{key} not found"))
}

/// The metadata, made where it is missing.
fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    match object.get_mut("metadata") {
        Some(Value::Object(map)) => map,
        _ => unreachable!("it was made a line above"),
    }
}

/// What an apply may touch: the status by the status subresource, everything else by the object itself.
fn of_subresource(said: &Value, is_status: bool) -> Map<String, Value> {
    let mut said = said.as_object().cloned().unwrap_or_default();
    said.retain(|field, _| match field.as_str() {
        "status" => is_status,
        "apiVersion" | "kind" => false,
        _ => !is_status,
    });
    said
}
