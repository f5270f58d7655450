//! Protected namespaces hold decrypted weights. The rules select by the namespace's label, because requests such
//! as exec carry no labels of the pod.

use crate::inject::delivery::Delivery;
use crate::inject::violation::{Reason, Violation};
use crate::inject::{SENTINEL, environment};
use crate::review::{Request, Verdict};
use crate::settings::Creators;
use serde_json::Value;
use trustbridge_api::labels;

/// Whether a pod may be made in a protected namespace.
pub(crate) fn creation(request: &Request<'_, Value>, creators: &Creators) -> Verdict {
    let user = request.user_info.username.as_str();
    let namespace = request.namespace.as_str();
    let object = request.object.as_ref();
    if !creators.include(user) {
        return denied(&Violation::new(
            Reason::Creator,
            "userInfo.username",
            user,
            format!("only the operator makes pods in the protected namespace '{namespace}'"),
            "apply an Order in the organisation's own namespace; the operator makes its pods",
        ));
    }
    let label = object.and_then(|o| o.pointer("/metadata/labels")?.get(labels::INJECT));
    if label.and_then(Value::as_str) != Some(labels::INJECT_VALUE) {
        return denied(&Violation::new(
            Reason::NotLabelled,
            format!("metadata.labels[{}]", labels::INJECT),
            label.and_then(Value::as_str).unwrap_or_default(),
            format!("every pod of the protected namespace '{namespace}' carries the sentinel"),
            format!("set the label to '{}'", labels::INJECT_VALUE),
        ));
    }
    let first = object.and_then(|o| o.pointer("/spec/initContainers/0"));
    let is_ours = first.is_some_and(|c| {
        c.get("name").and_then(Value::as_str) == Some(SENTINEL)
            && c.get("restartPolicy").and_then(Value::as_str) == Some("Always")
    });
    if is_ours {
        return Verdict::Allowed;
    }
    denied(&Violation::new(
        Reason::NotFirst,
        "spec.initContainers[0]",
        first
            .and_then(|c| c.get("name"))
            .and_then(Value::as_str)
            .unwrap_or_default(),
        format!("after every mutation '{SENTINEL}' comes first, with restartPolicy 'Always'"),
        "see which other mutating webhook changed the pod: `kubectl get mutatingwebhookconfigurations`",
    ))
}

/// Whether the sentinel of a pod that passed [`creation`] is told what TunePod and ModelAsset say. A mutating webhook
/// that comes after ours may have told it something else, and policies cannot look objects up.
pub(crate) fn licence(pod: &Value, delivery: &Delivery) -> Verdict {
    let containers = pod.pointer("/spec/initContainers").and_then(Value::as_array);
    let mut guards = containers
        .into_iter()
        .flatten()
        .filter(|c| c.get("name").and_then(Value::as_str) == Some(SENTINEL));
    let environment = guards.next().and_then(|c| c.get("env")?.as_array());
    for (name, value) in environment::licensed(delivery) {
        let said: Vec<&str> = environment
            .into_iter()
            .flatten()
            .filter(|variable| variable.get("name").and_then(Value::as_str) == Some(name))
            .map(|variable| variable.get("value").and_then(Value::as_str).unwrap_or_default())
            .collect();
        if said != [value] {
            return denied(&Violation::new(
                Reason::NotAsLicensed,
                format!("spec.initContainers[{SENTINEL}].env[{name}].value"),
                said.join("', '"),
                format!("TunePod and ModelAsset say '{value}', once"),
                "see which other mutating webhook changed the pod: `kubectl get mutatingwebhookconfigurations`",
            ));
        }
    }
    Verdict::Allowed
}

/// Whether somebody may enter a pod of a protected namespace: never.
pub(crate) fn entry(request: &Request<'_, Value>, resource: &str, sub: &str) -> Verdict {
    let namespace = request.namespace.as_str();
    let own = namespace.strip_suffix("-protected").unwrap_or(namespace);
    denied(&Violation::new(
        Reason::NoEntry,
        "request.resource",
        format!("{resource}/{sub}"),
        format!(
            "nobody enters the pods of the protected namespace '{namespace}', because they hold decrypted weights"
        ),
        format!(
            "see its state with `kubectl describe tunepods -n {own}`, or call the model through its Service there"
        ),
    ))
}

fn denied(violation: &Violation) -> Verdict {
    Verdict::Denied(violation.to_string())
}
