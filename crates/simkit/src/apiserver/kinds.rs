//! What the schemas of custom kinds say: defaults, lists that are merged, rules.

use super::Refusal;
use super::cel::Rule;
use super::fields::Shape;
use super::store::Key;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Kinds by plural and group. One that is not here is known by its metadata alone.
#[derive(Default)]
pub(super) struct Kinds {
    schemas: BTreeMap<String, Value>,
    rules: BTreeMap<String, Rule>,
    /// Of every object, whatever its kind.
    plain: Value,
}

/// Built-in kinds whose objects have no `metadata.generation`.
const WITHOUT_GENERATION: [&str; 9] = [
    "configmaps",
    "namespaces",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "services",
    "leases.coordination.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
];

/// Whether objects of that kind count how often what is wanted changed.
pub(super) fn has_generation(plural: &str) -> bool {
    !WITHOUT_GENERATION.contains(&plural)
}

fn metadata() -> Value {
    json!({"properties": {
        "finalizers": {"x-kubernetes-list-type": "set"},
        "ownerReferences": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]},
    }})
}

impl Kinds {
    pub(super) fn new() -> Self {
        Self {
            plain: json!({"properties": {"metadata": metadata()}}),
            ..Self::default()
        }
    }

    /// Takes the schema of a `CustomResourceDefinition` in; answers its rules that are not kept here, with why.
    pub(super) fn install(&mut self, crd: &Value) -> Vec<String> {
        let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let plural = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
        let mut schema = schema.cloned().unwrap_or_default();
        let mut left_out = Vec::new();
        self.read_rules(&plural, &schema, &mut left_out);
        if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            fields.insert("metadata".to_owned(), metadata());
        }
        self.schemas.insert(plural, schema);
        left_out
    }

    fn read_rules(&mut self, plural: &str, schema: &Value, left_out: &mut Vec<String>) {
        for text in rules(schema).map(|(text, _)| text) {
            match Rule::read(text) {
                Ok(rule) => {
                    self.rules.insert(text.to_owned(), rule);
                }
                Err(why) => left_out.push(format!("{plural}: {text}: {why}")),
            }
        }
        let below = [
            schema.get("items"),
            schema
                .get("additionalProperties")
                .filter(|below| below.is_object()),
        ];
        let fields = schema.get("properties").and_then(Value::as_object);
        let fields = fields.into_iter().flat_map(Map::values);
        for below in below.into_iter().flatten().chain(fields) {
            self.read_rules(plural, below, left_out);
        }
    }

    /// Whether the schema of that kind is known.
    pub(super) fn has(&self, plural: &str) -> bool {
        self.schemas.contains_key(plural)
    }

    pub(super) fn shape(&self, plural: &str) -> Shape<'_> {
        Shape(Some(self.schemas.get(plural).unwrap_or(&self.plain)))
    }

    /// Sets what nobody said and the schema gives.
    pub(super) fn complete(&self, plural: &str, object: &mut Value) {
        if let Some(schema) = self.schemas.get(plural) {
            complete(object, schema);
        }
        // Of kinds without a schema here, what the operator's objects would be read back with.
        if let Some(map) = object.as_object_mut().filter(|_| plural == "secrets") {
            map.entry("type").or_insert_with(|| "Opaque".into());
        }
    }

    /// Refuses what a rule refuses, and what is `wrong` besides.
    pub(super) fn check(
        &self,
        key: &Key,
        new: &Value,
        old: Option<&Value>,
        mut wrong: Vec<Value>,
    ) -> Result<(), Refusal> {
        let mut causes = Vec::new();
        if let Some(schema) = self.schemas.get(&key.plural) {
            self.judge(schema, "", new, old, &mut causes);
        }
        wrong.extend(causes.into_iter().map(
            |(field, message)| json!({"reason": "FieldValueInvalid", "field": field, "message": message}),
        ));
        if wrong.is_empty() {
            return Ok(());
        }
        let message = format!("{key} is invalid: {}", Value::Array(wrong.clone()));
        Err(Refusal::new(422, "Invalid", message).because(wrong))
    }

    fn judge(
        &self,
        schema: &Value,
        path: &str,
        new: &Value,
        old: Option<&Value>,
        causes: &mut Vec<(String, String)>,
    ) {
        for (text, rule) in rules(schema) {
            let Some(read) = self.rules.get(text) else {
                continue;
            };
            if (old.is_some() || !read.is_transition()) && !read.holds(new, old) {
                let of = |word: &str| rule.get(word).and_then(Value::as_str).unwrap_or_default();
                let field = format!("{path}{}", of("fieldPath"));
                causes.push((field.trim_start_matches('.').to_owned(), of("message").to_owned()));
            }
        }
        let shape = Shape(Some(schema));
        match new {
            Value::Object(map) => {
                for (name, new) in map {
                    if let Shape(Some(schema)) = shape.field(name) {
                        let old = old.and_then(|old| old.get(name));
                        self.judge(schema, &format!("{path}.{name}"), new, old, causes);
                    }
                }
            }
            Value::Array(list) => {
                let Some(schema) = schema.get("items") else {
                    return;
                };
                for (number, new) in list.iter().enumerate() {
                    // Rules that compare a member with what it was are not allowed but in keyed lists; here are none.
                    self.judge(schema, &format!("{path}[{number}]"), new, None, causes);
                }
            }
            _ => {}
        }
    }
}

/// Each rule that stands at this place of a schema, with its text.
fn rules(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .filter_map(|rule| Some((rule.get("rule")?.as_str()?, rule)))
}

fn complete(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            let fields = schema.get("properties").and_then(Value::as_object);
            for (name, schema) in fields.into_iter().flatten() {
                if let Some(default) = schema.get("default").filter(|_| !map.contains_key(name)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                if let Shape(Some(schema)) = Shape(Some(schema)).field(name) {
                    complete(value, schema);
                }
            }
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                for one in list {
                    complete(one, schema);
                }
            }
        }
        _ => {}
    }
}
