//! Rules of a quote over objects that today's API server would not take any more, by another implementation of CEL.

use super::*;
use kube::CustomResourceExt;
use kube_cel::KubeCelExt;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

/// Messages of the rules of the whole object that refuse the change from `old` to `new`.
fn refusals(old: &Value, new: &Value) -> Vec<String> {
    let crd = serde_json::to_value(Quote::crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let rules = schema["x-kubernetes-validations"].as_array().unwrap();
    let mut context = Context::default().with_all();
    context.add_variable("self", new.clone()).unwrap();
    context.add_variable("oldSelf", old.clone()).unwrap();
    let refuses = |rule: &&Value| {
        let program = Program::compile(rule["rule"].as_str().unwrap()).unwrap();
        program.execute(&context).unwrap() != Cel::Bool(true)
    };
    let message = |rule: &Value| rule["message"].as_str().unwrap().to_owned();
    rules.iter().filter(refuses).map(message).collect()
}

fn quote(phase: &str, resolution: Option<Value>) -> Value {
    let mut quote = json!({"spec": {"offerRef": {"name": "studio"}, "mode": "protectedModel", "instances": 1}, "status": {"phase": phase}});
    if let Some(resolution) = resolution {
        quote["spec"]["resolution"] = resolution;
    }
    quote
}

/// What a person issued before drafts had digests is taken by an order, and expires, like any other.
#[test]
fn an_answer_of_a_version_without_digests_stands() {
    let answer = || Some(json!({"decision": "issue"}));
    for (from, to) in [
        ("NeedsHuman", "Issued"),
        ("Issued", "Accepted"),
        ("Issued", "Expired"),
    ] {
        assert_eq!(
            refusals(&quote(from, answer()), &quote(to, answer())),
            Vec::<String>::new(),
            "{from} to {to}"
        );
    }
}

#[test]
fn a_new_answer_names_its_draft() {
    let (asked, vague) = (quote("NeedsHuman", None), json!({"decision": "issue"}));
    let named = json!({"decision": "issue", "draftDigest": "0".repeat(64)});
    assert_eq!(
        refusals(&asked, &quote("NeedsHuman", Some(named.clone()))),
        Vec::<String>::new()
    );
    for old in [asked, quote("NeedsHuman", Some(named))] {
        let said = refusals(&old, &quote("NeedsHuman", Some(vague.clone())));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("draftDigest` must be set"), "{said:?}");
    }
}
