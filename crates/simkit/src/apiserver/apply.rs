//! Server-side apply, forced: what a manager said before and does not say any more goes, what it says stands.

use serde_json::{Map, Value};

/// Lists whose members belong to managers each, and what tells members apart.
const MERGED: [(&str, By); 2] = [("finalizers", By::Value), ("ownerReferences", By::Field("uid"))];

/// What tells the members of a list apart.
#[derive(Clone, Copy)]
enum By {
    Value,
    Field(&'static str),
}

/// Changes `live` from what a manager said `before` to what it says `now`.
pub(super) fn apply(
    live: &mut Map<String, Value>,
    before: Option<&Map<String, Value>>,
    now: &Map<String, Value>,
) {
    for (key, old) in before.into_iter().flatten() {
        if !now.contains_key(key) {
            give_up(live, key, old);
        }
    }
    for (key, new) in now {
        let old = before.and_then(|before| before.get(key));
        match (live.get_mut(key), new) {
            (Some(Value::Object(there)), Value::Object(new)) => {
                apply(there, old.and_then(Value::as_object), new);
            }
            (Some(Value::Array(there)), Value::Array(new)) if merged(key).is_some() => {
                take_out(there, key, old);
                for member in new {
                    if !there.iter().any(|one| same(key, one, member)) {
                        there.push(member.clone());
                    }
                }
            }
            _ => {
                live.insert(key.clone(), new.clone());
            }
        }
    }
}

/// Takes away what a manager said at `key`; what others said below it stays.
fn give_up(live: &mut Map<String, Value>, key: &str, old: &Value) {
    let is_empty = match (live.get_mut(key), old) {
        (Some(Value::Object(there)), Value::Object(old)) => {
            for (key, old) in old {
                give_up(there, key, old);
            }
            there.is_empty()
        }
        (Some(Value::Array(there)), Value::Array(_)) if merged(key).is_some() => {
            take_out(there, key, Some(old));
            there.is_empty()
        }
        _ => true,
    };
    if is_empty {
        live.remove(key);
    }
}

fn take_out(there: &mut Vec<Value>, key: &str, old: Option<&Value>) {
    let old = old
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    there.retain(|one| !old.iter().any(|member| same(key, one, member)));
}

fn merged(key: &str) -> Option<By> {
    MERGED.iter().find(|(name, _)| *name == key).map(|(_, by)| *by)
}

fn same(key: &str, one: &Value, other: &Value) -> bool {
    match merged(key) {
        Some(By::Field(field)) => one.get(field) == other.get(field),
        _ => one == other,
    }
}
