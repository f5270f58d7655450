//! Logs by seed, over a kind that exists for them alone: what several managers, users and a garbage collector could do
//! to two objects in any order.

use super::log::{Log, Step};
use serde_json::{Value, json};

/// Group of the kind.
pub const GROUP: &str = "replay.trustbridge.io";
/// Requests of a log, beside the last two.
const STEPS: usize = 40;
/// Phases of the kind's state machine, and `Never`, which is none of them.
const PHASES: [&str; 4] = ["New", "Open", "Done", "Never"];

/// The kind: a default, a field that never changes, a rule between fields, a state machine, a list that is merged by
/// name and one that is not, a field to select by.
#[must_use]
pub fn crd() -> Value {
    let machine = "self == oldSelf || (oldSelf == 'New' && self in ['Open', 'Done']) || (oldSelf == 'Open' && self in ['Done'])";
    let integer = json!({"type": "integer"});
    let spec = json!({
        "type": "object",
        "properties": {
            "a": integer,
            "limit": {"type": "integer", "default": 5},
            "b": {"type": "object", "properties": {"x": integer, "y": integer, "z": integer}},
            "color": {"type": "string", "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "the color never changes"}]},
            "list": {"type": "array", "items": integer},
            "parts": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": integer}},
            },
        },
        "x-kubernetes-validations": [{
            "rule": "!has(self.b) || !has(self.b.x) || self.b.x <= self.limit",
            "message": "x is at most the limit", "fieldPath": ".b.x",
        }],
    });
    let status = json!({"type": "object", "properties": {
        "n": integer,
        "phase": {"type": "string", "x-kubernetes-validations": [{"rule": machine, "message": "the state machine"}]},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}

/// The log of a seed.
#[must_use]
pub fn log(seed: u64) -> Log {
    let mut maker = Maker {
        random: seed,
        steps: Vec::new(),
        touched: [Vec::new(), Vec::new()],
    };
    maker.push(
        None,
        "GET",
        String::new(),
        "?labelSelector=log%3D$id",
        Value::Null,
    );
    for _ in 0..STEPS {
        maker.step();
    }
    let end = thing("end-$id", &json!({"a": 0}));
    maker.push(None, "POST", String::new(), "?fieldManager=one", end);
    let watch = "?watch=true&resourceVersion=$version:0;&labelSelector=log%3D$id";
    maker.push(None, "WATCH", String::new(), watch, Value::Null);
    Log {
        id: format!("seed-{seed}"),
        steps: maker.steps,
    }
}

fn collection() -> String {
    format!("/apis/{GROUP}/v1/namespaces/$ns/things")
}

/// Sets a field of an object, or of its metadata.
fn set(object: &mut Value, place: &str, field: &str, value: impl Into<Value>) {
    if let Some(map) = object.pointer_mut(place).and_then(Value::as_object_mut) {
        map.insert(field.to_owned(), value.into());
    }
}

fn thing(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Thing",
        "metadata": {"name": name, "labels": {"log": "$id"}}, "spec": spec,
    })
}

struct Maker {
    random: u64,
    steps: Vec<Step>,
    /// Steps that asked about each of the two objects.
    touched: [Vec<usize>; 2],
}

impl Maker {
    /// splitmix64: the same seed, the same log.
    fn draw(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (below.max(1) as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.draw(many) == 0
    }

    fn push(&mut self, object: Option<usize>, method: &str, name: String, rest: &str, body: Value) {
        if let Some(touched) = object.and_then(|object| self.touched.get_mut(object)) {
            touched.push(self.steps.len());
        }
        let name = if name.is_empty() { name } else { format!("/{name}") };
        let path = format!("{}{name}{rest}", collection());
        self.steps.push(Step::new(method, path, body));
    }

    /// A word about an earlier answer on that object: mostly the last one.
    fn earlier(&mut self, object: usize, word: &str) -> Option<String> {
        let touched = self.touched.get(object)?.len();
        let back = if self.one_in(3) { self.draw(touched) } else { 0 };
        let step = self.touched.get(object)?.iter().rev().nth(back)?;
        Some(format!("${word}:{step};"))
    }

    fn manager(&mut self) -> &'static str {
        ["one", "two", "three"].get(self.draw(3)).unwrap_or(&"one")
    }

    fn step(&mut self) {
        let object = self.draw(2);
        let name = format!("{}-$id", ["a", "b"].get(object).unwrap_or(&"a"));
        match self.draw(20) {
            0..=7 => {
                let force = if self.one_in(2) { "&force=true" } else { "" };
                let rest = format!("?fieldManager={}{force}", self.manager());
                let body = self.object(&name);
                self.push(Some(object), "PATCH", name, &rest, body);
            }
            8..=11 => self.status(object, &name),
            12..=13 => {
                let mut body = self.object(&name);
                if let Some(version) = self.earlier(object, "version") {
                    set(&mut body, "/metadata", "resourceVersion", version);
                }
                let rest = format!("?fieldManager={}", self.manager());
                self.push(Some(object), "PUT", name, &rest, body);
            }
            14 => {
                let mut body = self.object(&name);
                if self.one_in(3) {
                    let made = json!({"generateName": "made-$id-", "labels": {"log": "$id"}});
                    set(&mut body, "", "metadata", made);
                }
                let rest = format!("?fieldManager={}", self.manager());
                self.push(None, "POST", String::new(), &rest, body);
            }
            15..=16 => {
                let uid = self.earlier(object, "uid").filter(|_| self.one_in(2));
                let body = uid.map_or(Value::Null, |uid| json!({"preconditions": {"uid": uid}}));
                self.push(None, "DELETE", name, "", body);
            }
            17 => {
                let rest = [
                    "?labelSelector=log%3D$id",
                    "?labelSelector=log%3D$id&fieldSelector=spec.color%3Dred",
                    "?labelSelector=log%3D$id%2Cextra%21%3D1",
                ];
                let rest = rest.get(self.draw(3)).unwrap_or(&"");
                self.push(None, "GET", String::new(), rest, Value::Null);
            }
            _ => self.push(Some(object), "GET", name, "", Value::Null),
        }
    }

    fn status(&mut self, object: usize, name: &str) {
        let phase = PHASES.get(self.draw(4)).unwrap_or(&"New");
        let mut body = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Thing", "metadata": {"name": name},
            "status": {"phase": phase, "n": self.draw(2)},
        });
        if let Some(version) = self.earlier(object, "version").filter(|_| self.one_in(2)) {
            set(&mut body, "/metadata", "resourceVersion", version);
        }
        let force = if self.one_in(3) { "" } else { "&force=true" };
        let rest = format!("/status?fieldManager={}{force}", self.manager());
        self.push(Some(object), "PATCH", name.to_owned(), &rest, body);
    }

    /// What somebody wants of that object.
    fn object(&mut self, name: &str) -> Value {
        let mut spec = json!({"a": self.draw(3)});
        if self.one_in(2) {
            let fields = ["x", "y", "z"].map(|field| (field, self.draw(8), self.one_in(2)));
            let chosen = fields.into_iter().filter(|(.., is_in)| *is_in);
            let b: serde_json::Map<String, Value> = chosen
                .map(|(field, number, _)| (field.to_owned(), number.into()))
                .collect();
            if !b.is_empty() {
                set(&mut spec, "", "b", b);
            }
        }
        if self.one_in(3) {
            let color = ["red", "blue"].get(self.draw(2)).copied();
            set(&mut spec, "", "color", color);
        }
        if self.one_in(4) {
            set(&mut spec, "", "list", json!([self.draw(3), self.draw(3)]));
        }
        if self.one_in(3) {
            let part = ["p", "q"].get(self.draw(2)).copied();
            set(&mut spec, "", "parts", json!([{"name": part, "n": self.draw(3)}]));
        }
        let mut body = thing(name, &spec);
        if self.one_in(4) {
            let extra = ["1", "2"].get(self.draw(2)).copied();
            set(&mut body, "/metadata/labels", "extra", extra);
        }
        if self.one_in(3) {
            let finalizer = ["replay.trustbridge.io/a", "replay.trustbridge.io/b"].get(self.draw(2));
            set(&mut body, "/metadata", "finalizers", json!([finalizer]));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::memory;
    use std::collections::BTreeMap;

    #[test]
    fn logs_of_seeds_meet_every_kind_of_answer() {
        let mut met: BTreeMap<String, usize> = BTreeMap::new();
        for seed in 0..60 {
            for said in memory::play(&log(seed), &[crd()]).unwrap() {
                let reason = said.body["reason"].as_str().unwrap_or("done").to_owned();
                *met.entry(format!("{} {reason}", said.code)).or_default() += 1;
                let leaving = said.body["metadata"]["deletionTimestamp"].is_string();
                *met.entry("leaving".to_owned()).or_default() += usize::from(leaving);
            }
        }
        for word in [
            "200 done",
            "201 done",
            "404 NotFound",
            "409 AlreadyExists",
            "409 Conflict",
            "422 Invalid",
            "leaving",
        ] {
            assert!(met.get(word).is_some_and(|count| *count > 20), "{word}: {met:?}");
        }
    }

    #[test]
    fn a_seed_is_a_log() {
        let text = |seed| serde_json::to_string(&log(seed)).unwrap();
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}
