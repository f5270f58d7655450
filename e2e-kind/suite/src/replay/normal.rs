//! Answers of two servers made comparable: what must differ is replaced by the order in which it appeared first.

use super::Said;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a run met so far.
#[derive(Debug, Default)]
pub struct Normal {
    met: BTreeMap<String, String>,
}

impl Normal {
    /// An answer: `code`, the body, and the owners where the server keeps them elsewhere than in the object.
    #[must_use]
    pub fn said(&mut self, code: u16, body: &Value, owners: Option<Vec<String>>) -> Said {
        let owners = owners.unwrap_or_else(|| managers(body));
        let body = match body.get("kind").and_then(Value::as_str) {
            Some("Status") => status(body),
            _ if body.get("items").is_some() => self.list(body),
            _ => self.object(body),
        };
        Said { code, body, owners }
    }

    /// The events of a watch.
    #[must_use]
    pub fn watched(&mut self, events: &[Value]) -> Said {
        let told = events.iter().map(|event| {
            let object = self.object(event.get("object").unwrap_or(&Value::Null));
            json!({"type": event.get("type"), "object": object})
        });
        Said {
            code: 0,
            body: told.collect(),
            owners: Vec::new(),
        }
    }

    fn list(&mut self, body: &Value) -> Value {
        let items = body.get("items").and_then(Value::as_array);
        let mut items: Vec<Value> = items
            .into_iter()
            .flatten()
            .map(|item| self.object(item))
            .collect();
        items.sort_by_key(|item| item.pointer("/metadata/name").map(Value::to_string));
        Value::Array(items)
    }

    fn object(&mut self, object: &Value) -> Value {
        let mut object = object.as_object().cloned().unwrap_or_default();
        object.retain(|name, _| name != "apiVersion" && name != "kind");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            self.metadata(metadata);
        }
        Value::Object(object)
    }

    fn metadata(&mut self, metadata: &mut Map<String, Value>) {
        metadata.retain(|name, value| {
            let is_empty = value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
                || value.is_null();
            name != "managedFields" && name != "selfLink" && !is_empty
        });
        let made = [
            ("uid", "uid"),
            ("resourceVersion", "version"),
            ("namespace", "place"),
        ];
        for (name, word) in made {
            if let Some(Value::String(text)) = metadata.get_mut(name) {
                *text = self.nth(word, text);
            }
        }
        // What was made of a part of a name ends as the server pleased.
        let prefix = metadata.get("generateName").and_then(Value::as_str);
        if let Some(prefix) = prefix.map(str::to_owned)
            && let Some(Value::String(name)) = metadata.get_mut("name")
            && name.starts_with(&prefix)
        {
            *name = format!("{prefix}{}", self.nth("name", name));
        }
        for name in ["creationTimestamp", "deletionTimestamp"] {
            if let Some(value) = metadata.get_mut(name) {
                *value = "TIME".into();
            }
        }
        for owner in owner_references(metadata) {
            if let Some(Value::String(uid)) = owner.get_mut("uid") {
                *uid = self.nth("uid", uid);
            }
        }
    }

    fn nth(&mut self, word: &str, text: &str) -> String {
        let count = self.met.keys().filter(|known| known.starts_with(word)).count();
        let known = self.met.entry(format!("{word} {text}"));
        known.or_insert_with(|| format!("{word} {count}")).clone()
    }
}

fn owner_references(metadata: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let all = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut);
    all.into_iter().flatten()
}

/// A refusal by its reason and the fields that it names; the word that something is gone.
fn status(body: &Value) -> Value {
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    let mut fields: Vec<String> = causes
        .into_iter()
        .flatten()
        .map(|cause| {
            let of = |name: &str| cause.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}", of("reason"), of("field"))
        })
        .collect();
    fields.sort();
    fields.dedup();
    json!({"status": body.get("status"), "reason": body.get("reason"), "fields": fields})
}

/// The managers of an object, as its metadata lists them. Of one that went with this answer nobody is any more.
fn managers(object: &Value) -> Vec<String> {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    if metadata.get("deletionTimestamp").is_some() && metadata.get("finalizers").is_none() {
        return Vec::new();
    }
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let mut all: Vec<String> = entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let of = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            owner(
                of("manager"),
                of("operation") == "Apply",
                of("subresource") == "status",
            )
        })
        .collect();
    all.sort();
    all
}

/// A manager as it is compared.
#[must_use]
pub fn owner(name: &str, is_apply: bool, is_status: bool) -> String {
    let verb = if is_apply { "applies" } else { "updates" };
    let part = if is_status { " the status" } else { "" };
    format!("{name} {verb}{part}")
}
