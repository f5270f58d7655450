//! Which writes are the same: who wrote what kind of object, under a name of which shape, to say what.

use crate::audit_log::Event;
use serde_json::Value;
use std::fmt::Write as _;

/// Length of the hash that ends a generated name.
const HASH: usize = 10;

/// What a write is, apart from when it was made and in which organisation.
#[must_use]
pub fn shape(event: &Event, org: &str) -> String {
    let object = event.object();
    let mut text = format!("{} {}", event.verb, object.resource);
    for part in [&object.subresource].into_iter().filter(|part| !part.is_empty()) {
        let _ = write!(text, "/{part}");
    }
    let named = event
        .request_object
        .as_ref()
        .and_then(|body| body.pointer("/metadata/name"))
        .and_then(Value::as_str);
    let name = if object.name.is_empty() {
        named.unwrap_or_default()
    } else {
        &object.name
    };
    let place = if object.namespace.is_empty() {
        String::new()
    } else {
        format!("{}/", masked(&object.namespace, org))
    };
    // An event's name ends in a number that is new each time.
    let name = if object.resource == "events" {
        name.split('.').next().unwrap_or_default()
    } else {
        name
    };
    let _ = write!(text, " {place}{}", masked(name, org));
    if object.api_group == trustbridge_api::GROUP {
        let _ = write!(
            text,
            " {}",
            event.request_object.as_ref().map(said).unwrap_or_default()
        );
    }
    text.trim_end().to_owned()
}

/// A name with the organisation and a generated hash left out.
fn masked(name: &str, org: &str) -> String {
    let mut text = name.replace(org, "ORG");
    if let Some((stem, end)) = text.rsplit_once('-') {
        let is_hash = end.len() == HASH
            && end
                .bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        if is_hash && end != "protected" {
            text = format!("{stem}-HASH");
        }
    }
    text
}

/// What the written object says: phase, pool state, conditions, intervals, steps; no times, no words.
fn said(body: &Value) -> String {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let list = |pointer: &str| {
        body.pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut parts = Vec::new();
    parts.extend(text("/status/phase").map(|phase| format!("phase={phase}")));
    parts.extend(text("/status/nodePool/state").map(|state| format!("pool={state}")));
    for condition in list("/status/conditions") {
        let word = |name: &str| {
            condition
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        parts.push(format!("{}={}:{}", word("type"), word("status"), word("reason")));
    }
    for interval in list("/status/intervals") {
        parts.push(
            if interval.get("to").is_some_and(|to| !to.is_null()) {
                "closed"
            } else {
                "open"
            }
            .to_owned(),
        );
    }
    let steps = list("/status/terminationSteps");
    parts.extend(
        steps
            .last()
            .and_then(|step| step.get("step"))
            .and_then(Value::as_str)
            .map(|step| format!("step={step}")),
    );
    let finalizers = list("/metadata/finalizers");
    parts.extend((!finalizers.is_empty()).then(|| "finalizer".to_owned()));
    parts.extend(
        body.pointer("/spec/termination")
            .filter(|t| !t.is_null())
            .map(|_| "termination".to_owned()),
    );
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, body: &Value) -> Event {
        serde_json::from_value(json!({
            "verb": "patch", "user": {"username": "op"},
            "objectRef": {"resource": "quotes", "namespace": "tb-c7", "name": name, "apiGroup": "trustbridge.io", "subresource": "status"},
            "requestObject": body,
        }))
        .unwrap()
    }

    #[test]
    fn two_organisations_write_the_same() {
        let body = json!({"status": {"phase": "Issued", "conditions": [{"type": "Ready", "status": "False", "reason": "Busy", "message": "at 12:00"}]}});
        let write = event("order-1-abcdefgh23", &body);
        assert_eq!(
            shape(&write, "c7"),
            "patch quotes/status tb-ORG/order-1-HASH phase=Issued,Ready=False:Busy"
        );
    }

    #[test]
    fn what_is_said_tells_writes_apart() {
        let one = event("q", &json!({"status": {"phase": "Issued"}}));
        let other = event("q", &json!({"status": {"phase": "Accepted"}}));
        assert_ne!(shape(&one, "c7"), shape(&other, "c7"));
    }
}
