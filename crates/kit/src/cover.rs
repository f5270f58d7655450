//! Whether an object already is as we would apply it.
//!
//! Server-side apply of the same content changes nothing, but it is a request, and a controller at its
//! fixed point sends none. The server adds defaults and other writers add fields, so the question is
//! not equality: everything that *we* say must be there.

use serde_json::Value;

/// Whether everything that `desired` says holds in `actual`. Lists must have the same length, because
/// the lists that we apply (rules, ports, subjects) are ours alone; what an object holds beside ours is not looked at.
#[must_use]
pub fn covers(actual: &Value, desired: &Value) -> bool {
    match (actual, desired) {
        (Value::Object(have), Value::Object(want)) => want.iter().all(|(key, w)| match have.get(key) {
            Some(h) => covers(h, w),
            // The server drops what is empty: an empty object or list that is asked for is there by being absent.
            None => is_empty(w),
        }),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| covers(h, w))
        }
        (have, want) => have == want,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_and_foreign_fields_do_not_matter() {
        let want = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}});
        let have = json!({"metadata": {"uid": "x", "labels": {"a": "1", "b": "2"}},
                          "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "ClusterIP"}});
        assert!(covers(&have, &want));
    }

    #[test]
    fn what_was_changed_or_taken_away_is_noticed() {
        let want = json!({"spec": {"ports": [{"port": 80}], "x": 1}});
        assert!(!covers(
            &json!({"spec": {"ports": [{"port": 81}], "x": 1}}),
            &want
        ));
        assert!(!covers(
            &json!({"spec": {"ports": [{"port": 80}, {"port": 81}], "x": 1}}),
            &want
        ));
        assert!(!covers(&json!({"spec": {"ports": [{"port": 80}]}}), &want));
    }

    #[test]
    fn empty_things_may_be_absent() {
        assert!(covers(
            &json!({"spec": {}}),
            &json!({"spec": {"podSelector": {}, "ingress": []}})
        ));
        assert!(covers(&json!({}), &json!({"spec": {}})));
    }
}
