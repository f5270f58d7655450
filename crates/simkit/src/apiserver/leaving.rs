//! How objects go: deletion with preconditions and finalizers, and what belongs to nobody any more.

use super::Refusal;
use super::kinds::has_generation;
use super::store::{Held, Key, Store, absent, metadata};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Store {
    /// The object that is leaving, or the word that it is gone.
    pub(super) fn delete(&mut self, key: &Key, preconditions: &Value) -> Result<Value, Refusal> {
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        for field in ["uid", "resourceVersion"] {
            let wanted = preconditions.get(field).filter(|value| !value.is_null());
            if wanted.is_some() && wanted != held.object.pointer(&format!("/metadata/{field}")) {
                let message = format!(
                    "Operation cannot be fulfilled on {key}: the {field} in the precondition differs"
                );
                return Err(Refusal::new(409, "Conflict", message));
            }
        }
        let before = Arc::clone(&held.object);
        if !is_held(&before) && !waits_for_kubelet(key) {
            self.remove(key);
            let (plural, group) = key.plural.split_once('.').unwrap_or((&key.plural, ""));
            let uid = before.pointer("/metadata/uid");
            let details = json!({"name": key.name, "group": group, "kind": plural, "uid": uid});
            return Ok(
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
            );
        }
        if before.pointer("/metadata/deletionTimestamp").is_none() {
            let grace = before.pointer("/spec/terminationGracePeriodSeconds");
            let grace = grace.and_then(Value::as_i64).unwrap_or(30);
            let grace = if waits_for_kubelet(key) { grace } else { 0 };
            let at = self.now.saturating_add(SignedDuration::from_secs(grace));
            let mut leaving = before.as_ref().clone();
            let fields = metadata(&mut leaving);
            fields.insert(
                "deletionTimestamp".to_owned(),
                json!(at.unwrap_or(self.now).to_string()),
            );
            fields.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
            let generation = fields.get("generation").and_then(Value::as_i64);
            if let Some(generation) = generation.filter(|_| has_generation(&key.plural)) {
                fields.insert("generation".to_owned(), json!(generation + 1));
            }
            self.put(key, leaving);
        }
        self.get(key)
    }

    /// Whether nothing keeps an object any more that is leaving.
    pub(super) fn may_go(key: &Key, object: &Value) -> bool {
        object.pointer("/metadata/deletionTimestamp").is_some() && !is_held(object) && !waits_for_kubelet(key)
    }

    pub(super) fn collect_garbage(&mut self) {
        let uid = |held: &Held| held.object.pointer("/metadata/uid").cloned().unwrap_or_default();
        let living: BTreeSet<String> = self.objects.values().map(|held| uid(held).to_string()).collect();
        let is_gone = |owner: &Value| {
            owner
                .get("uid")
                .is_none_or(|uid| !living.contains(&uid.to_string()))
        };
        let is_orphan = |held: &Held| {
            let owners = held.object.pointer("/metadata/ownerReferences");
            let owners = owners.and_then(Value::as_array);
            owners.is_some_and(|owners| !owners.is_empty() && owners.iter().all(is_gone))
        };
        let orphans: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, held)| is_orphan(held))
            .map(|(key, _)| key.clone())
            .collect();
        for key in orphans {
            // Deleted as everybody deletes: finalizers hold it.
            let _ = self.delete(&key, &Value::Null);
        }
    }
}

fn is_held(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|list| !list.is_empty())
}

/// Pods are not gone before kubelet says so.
fn waits_for_kubelet(key: &Key) -> bool {
    key.plural == "pods"
}
