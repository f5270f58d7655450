//! What the rules of a definition say of an object, by another implementation of CEL. The real API server is asked the
//! same in T1.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::KubeCelExt;
use kube_cel::cel::objects::Key;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Messages of the rules of the object, its spec and its status that refuse `new`, made where there is no `old`, else
/// changed from it. Rules of what is deeper are not asked.
pub fn refusals(crd: &CustomResourceDefinition, old: Option<&Value>, new: &Value) -> Vec<String> {
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut said = Vec::new();
    for (place, at) in [
        ("", ""),
        ("/properties/spec", "/spec"),
        ("/properties/status", "/status"),
    ] {
        let Some(new) = new.pointer(at) else { continue };
        let old = old.and_then(|old| old.pointer(at));
        let rules = schema.pointer(&format!("{place}/x-kubernetes-validations"));
        for rule in rules.and_then(Value::as_array).into_iter().flatten() {
            if is_refused(rule["rule"].as_str().unwrap(), old, new) {
                said.push(rule["message"].as_str().unwrap().to_owned());
            }
        }
    }
    said
}

fn is_refused(rule: &str, old: Option<&Value>, new: &Value) -> bool {
    let mut context = Context::default().with_all();
    context.add_variable_from_value("self", cel(new));
    match old {
        Some(old) => context.add_variable_from_value("oldSelf", cel(old)),
        // A rule of a change is not asked at the creation.
        None if rule.contains("oldSelf") => return false,
        None => {}
    }
    let program = Program::compile(rule).unwrap();
    let verdict = program.execute(&context);
    verdict.unwrap_or_else(|error| panic!("{rule}: {error}")) != Cel::Bool(true)
}

/// Whole numbers are signed in a schema.
fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(it) => Cel::Bool(*it),
        Value::Number(it) => Cel::Int(it.as_i64().unwrap()),
        Value::String(it) => Cel::String(Arc::new(it.clone())),
        Value::Array(all) => Cel::List(Arc::new(all.iter().map(cel).collect())),
        Value::Object(fields) => {
            let pair = |(name, value): (&String, &Value)| (Key::from(name.as_str()), cel(value));
            Cel::from(fields.iter().map(pair).collect::<HashMap<Key, Cel>>())
        }
    }
}
