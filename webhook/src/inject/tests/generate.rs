//! Pods generated from the `OpenAPI` schema of Pod: every field that the schema knows, fields that it does not know, odd
//! containers, all kinds of volumes. The same seed gives the same pod.
//!
//! Two kinds: [`wild`] follows the schema alone, so its pods are anything; [`tame`] makes of such a pod one that the
//! injector must accept. [`valid`] takes only what the API server's validation accepts too, for the real one. This
//! file belongs to two test suites: the webhook's own, and T1.

#[path = "tame.rs"]
mod tame;

#[allow(unused_imports, reason = "T1 restricts what it sends")]
pub use tame::{restrict, tame};

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Map, Value, json};

/// `SplitMix64`: small, seedable, good enough to choose fields.
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn number(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// The schema of Pod with everything that it refers to.
pub struct Schema {
    root: Value,
}

impl Schema {
    /// The schema.
    pub fn of_pod() -> Self {
        let root = schemars::SchemaGenerator::default().into_root_schema_for::<Pod>();
        Self {
            root: root.to_value(),
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.and_then(|r| self.root.pointer(r.trim_start_matches('#'))) {
            Some(found) => self.resolved(found),
            None => schema,
        }
    }

    /// A pod that follows the schema, and now and then a field that it does not know.
    pub fn wild(&self, dice: &mut Dice) -> Value {
        let mut pod = self.value(&self.root, "", 0, false, dice);
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod
    }

    /// A pod that the API server's validation accepts, in a namespace with the standard "restricted" too.
    pub fn valid(&self, dice: &mut Dice) -> Value {
        let mut pod = self.value(&self.root, "", 0, true, dice);
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod
    }

    fn value(&self, schema: &Value, key: &str, depth: usize, is_valid: bool, dice: &mut Dice) -> Value {
        let schema = self.resolved(schema);
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|k| *k != "null")
                .unwrap_or(""),
            _ if schema.get("properties").is_some() => "object",
            _ => "",
        };
        match kind {
            "object" => self.object(schema, depth, is_valid, dice),
            "array" => {
                let count = dice.below(if depth < 4 { 4 } else { 2 });
                let item = schema.get("items").unwrap_or(&Value::Null);
                (0..count)
                    .map(|_| self.value(item, key, depth + 1, is_valid, dice))
                    .collect()
            }
            "boolean" => dice.chance(30).into(),
            "integer" => {
                (i64::try_from(dice.number(70_000)).unwrap() - if is_valid { -1 } else { 10 }).into()
            }
            "number" => 0.5.into(),
            "string" => text(schema, key, dice).into(),
            // Quantities, ports by number or name, and what has no type at all.
            _ => match dice.below(3) {
                0 => dice.below(9999).into(),
                _ => format!("{}{}", dice.pick(&["a", "1", "http"]), dice.below(9)).into(),
            },
        }
    }

    fn object(&self, schema: &Value, depth: usize, is_valid: bool, dice: &mut Dice) -> Value {
        let mut map = Map::new();
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let share = match depth {
            0 => 100,
            1 => 45,
            2 => 35,
            _ => 25,
        };
        for (name, inner) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if is_valid && !ACCEPTED.contains(&name.as_str()) {
                continue;
            }
            if depth < 9 && (required.contains(&name.as_str()) || dice.chance(share)) {
                map.insert(name.clone(), self.value(inner, name, depth + 1, is_valid, dice));
            }
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|s| s.is_object()) {
            for _ in 0..dice.below(3) {
                let name = format!(
                    "{}/{}",
                    dice.pick(&["example.com", "x.dev"]),
                    dice.pick(&["a", "b~c", "d.e"])
                );
                let name = if is_valid { name.replace('~', "-") } else { name };
                map.insert(name, self.value(inner, "", depth + 1, is_valid, dice));
            }
        }
        // A map of labels or the like knows every key already.
        let is_open = schema.get("additionalProperties").is_some();
        if !is_valid && !is_open && depth > 0 && dice.chance(8) {
            let unknown = [
                json!({"deep": [1, {"~/": null}]}),
                json!("ü\"\\"),
                json!([[], {}]),
                Value::Null,
            ];
            map.insert(
                format!("fieldOfTomorrow{}", dice.below(9)),
                unknown[dice.below(4)].clone(),
            );
        }
        map.into()
    }
}

/// Fields that stay in pods for the real API server; volumes, probes and security come from [`tame`].
const ACCEPTED: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
    "spec",
    "activeDeadlineSeconds",
    "containers",
    "initContainers",
    "enableServiceLinks",
    "hostname",
    "subdomain",
    "nodeSelector",
    "setHostnameAsFQDN",
    "terminationGracePeriodSeconds",
    "dnsPolicy",
    "name",
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "env",
    "value",
    "stdin",
    "tty",
    "workingDir",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullSecrets",
];

fn text(schema: &Value, key: &str, dice: &mut Dice) -> String {
    let number = dice.below(1000);
    let word = match (key, schema.get("format").and_then(Value::as_str)) {
        (_, Some("date-time")) => return "2026-01-01T00:00:00Z".to_owned(),
        (_, Some("byte")) => return "aGk=".to_owned(),
        ("dnsPolicy", _) => return dice.pick(&["ClusterFirst", "Default"]).to_owned(),
        ("imagePullPolicy", _) => return dice.pick(&["Always", "IfNotPresent", "Never"]).to_owned(),
        ("terminationMessagePolicy", _) => return dice.pick(&["File", "FallbackToLogsOnError"]).to_owned(),
        ("terminationMessagePath" | "mountPath" | "workingDir" | "path", _) => "/some/where",
        ("image", _) => "registry.example/image",
        ("value", _) => dice.pick(&["", "ünï", "\"q\" \\ ", "a=b,c", "tb-model"]),
        _ => dice.pick(&["a", "b-c", "tomorrow", "web"]),
    };
    match key {
        "value" => word.to_owned(),
        "" => format!("{word}{}", number % 7).replace('"', ""),
        _ => format!("{word}{number}"),
    }
}
