//! What a write says of the object that it is meant for, and what the server says of the write. Pure.

use super::Refusal;
use super::fields::{Manager, Path};
use super::kinds::has_generation;
use super::store::{Key, metadata};
use serde_json::{Value, json};

/// The very object, or the very version, that a write is meant for.
pub(super) struct Expected {
    fields: [(&'static str, Option<Value>); 2],
    /// It says a version, and that is empty.
    is_blank: bool,
}

/// Takes what a write expects out of it, and where it goes, which its path says.
pub(super) fn expectations(mut said: Value) -> (Value, Expected) {
    let fields = metadata(&mut said);
    let is_blank = fields.get("resourceVersion").is_some_and(|value| value == "");
    let named = ["uid", "resourceVersion"].map(|field| {
        let value = fields.remove(field).filter(|value| value != "");
        (field, value)
    });
    for field in ["name", "namespace", "managedFields"] {
        fields.remove(field);
    }
    let expected = Expected {
        fields: named,
        is_blank,
    };
    (said, expected)
}

impl Expected {
    pub(super) fn is_something(&self) -> bool {
        self.fields.iter().any(|(_, value)| value.is_some())
    }

    pub(super) fn has_version(&self) -> bool {
        let [_, (_, version)] = &self.fields;
        version.is_some()
    }

    /// Whether it says a version that is none: of a kind with rules that is no way to write.
    pub(super) const fn is_blank(&self) -> bool {
        self.is_blank
    }

    pub(super) fn check(&self, key: &Key, live: &Value) -> Result<(), Refusal> {
        for (field, value) in &self.fields {
            let there = live.pointer(&format!("/metadata/{field}"));
            if value.is_some() && there != value.as_ref() {
                let message =
                    format!("Operation cannot be fulfilled on {key}: {field} is not the one that was named");
                return Err(Refusal::new(409, "Conflict", message));
            }
        }
        Ok(())
    }
}

/// A conflict: fields that others own.
pub(super) fn taken(key: &Key, conflicts: &[(Manager, Path)]) -> Refusal {
    let causes = conflicts.iter().map(|(owner, path)| {
        json!({"reason": "FieldManagerConflict", "message": format!("conflict with \"{}\"", owner.name),
            "field": path.to_string()})
    });
    let message = format!("Apply failed with {} conflicts on {key}", conflicts.len());
    Refusal::new(409, "Conflict", message).because(causes.collect())
}

/// The object as a replacement makes it: what the server sets stays, and so does what the path does not reach.
pub(super) fn replaced(before: &Value, said: &Value, is_status: bool) -> Value {
    let mut new = if is_status { before.clone() } else { said.clone() };
    let from = if is_status { said } else { before };
    match (new.as_object_mut(), from.get("status")) {
        (Some(map), Some(status)) => {
            map.insert("status".to_owned(), status.clone());
        }
        (Some(map), None) => {
            map.remove("status");
        }
        _ => {}
    }
    let kept = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for field in kept {
        let there = before.pointer(&format!("/metadata/{field}"));
        match there {
            Some(value) => metadata(&mut new).insert(field.to_owned(), value.clone()),
            None => metadata(&mut new).remove(field),
        };
    }
    new
}

/// RFC 7386: what is null goes, objects are merged, everything else is replaced.
pub(super) fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (field, value) in patch {
        if let Some(map) = into.as_object_mut() {
            if value.is_null() {
                map.remove(field);
            } else {
                merge(map.entry(field.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

/// What is leaving takes no new finalizers.
pub(super) fn new_finalizers(before: &Value, new: &Value) -> Option<Value> {
    let of = |object: &Value| {
        let list = object.pointer("/metadata/finalizers").and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let known = of(before);
    let is_leaving = before.pointer("/metadata/deletionTimestamp").is_some();
    let is_new = is_leaving && of(new).iter().any(|one| !known.contains(one));
    let message = "no new finalizers can be added if the object is being deleted";
    is_new
        .then(|| json!({"reason": "FieldValueForbidden", "field": "metadata.finalizers", "message": message}))
}

/// A replacement that does not say what it replaces.
pub(super) fn without_version(key: &Key) -> Refusal {
    let (field, rule) = ("metadata.resourceVersion", "must be specified for an update");
    let cause = json!({"reason": "FieldValueInvalid", "field": field, "message": rule});
    Refusal::new(422, "Invalid", format!("{key}: {field}: {rule}")).because(vec![cause])
}

/// The generation goes on when something outside metadata and status did.
pub(super) fn count_generation(key: &Key, before: &Value, new: &mut Value) {
    let wanted = |object: &Value| {
        let mut wanted = object.as_object().cloned().unwrap_or_default();
        wanted.retain(|field, _| field != "metadata" && field != "status");
        wanted
    };
    let generation = before.pointer("/metadata/generation").and_then(Value::as_i64);
    if let Some(generation) = generation.filter(|_| has_generation(&key.plural)) {
        let moved = i64::from(wanted(new) != wanted(before));
        metadata(new).insert("generation".to_owned(), json!(generation + moved));
    }
}
