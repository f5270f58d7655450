//! The change that turns a pod as its author wrote it into a guarded one, as RFC 6902 operations. Pure.
//!
//! Only what is added is written; nothing of the pod passes through here, so nothing of it can be lost. Pods that
//! were guarded before, and may have been bent since, take the longer way of [`super::rebuild`]; tests hold the two
//! equal.

use super::delivery::{Delivery, Intent};
use super::pod::{Container, Pod};
use super::prepared::Prepared;
use super::{ADMIN_PORT, arguments, probe, sentinel};
use crate::settings::SentinelSettings;
use serde::Serialize;
use serde_json::{Value, json};
use trustbridge_api::labels;

/// User of sentinel and model server where the pod names none.
pub(crate) const DEFAULT_UID: i64 = 65532;
/// Least seconds between "please stop" and the kill: drain, last audit line, last counters.
pub(crate) const LEAST_GRACE: i64 = 60;

/// One operation.
#[derive(Debug, Serialize)]
struct Operation {
    op: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

fn add(path: impl Into<String>, value: Value) -> Operation {
    Operation {
        op: "add",
        path: path.into(),
        value: Some(value),
    }
}

/// The patch for a pod that carries nothing of ours yet, as JSON text.
pub(crate) fn of(
    pod: &Pod<'_>,
    intent: &Intent,
    delivery: &Delivery,
    prepared: &Prepared,
) -> Result<String, serde_json::Error> {
    let settings = prepared.settings();
    let Some((at, runtime)) = pod.main_container(&intent.runtime) else {
        // The policy refused such a pod before.
        return Ok("[]".to_owned());
    };
    let own = runtime.security_context.as_ref().and_then(|c| c.run_as_user);
    let uid = own.or_else(|| pod.spec.security_context.as_ref().and_then(|c| c.run_as_user));
    let container = prepared.container(delivery, uid.unwrap_or(DEFAULT_UID));
    let mut operations = Vec::with_capacity(20);
    mark(pod, &container.digest, &mut operations);
    let volumes = sentinel::volumes(delivery, settings);
    append(
        "/spec/volumes",
        pod.spec.volumes.is_some(),
        volumes,
        &mut operations,
    );
    if pod.spec.termination_grace_period_seconds.unwrap_or_default() < LEAST_GRACE {
        operations.push(add("/spec/terminationGracePeriodSeconds", LEAST_GRACE.into()));
    }
    let path = format!("/spec/containers/{at}");
    equip(runtime, &path, uid, &mut operations);
    instruct(runtime, &path, settings, &mut operations);
    let rest = serde_json::to_string(&operations)?;
    Ok(before_others(pod, &container.text, &rest))
}

/// The sentinel's own operation before `others`, a list that is not empty: its text is there already.
fn before_others(pod: &Pod<'_>, container: &str, others: &str) -> String {
    let others = others.strip_prefix('[').unwrap_or(others);
    match &pod.spec.init_containers {
        // First: mounts and FIFO must be there before any container of the user starts.
        Some(_) => {
            format!(r#"[{{"op":"add","path":"/spec/initContainers/0","value":{container}}},{others}"#)
        }
        None => format!(r#"[{{"op":"add","path":"/spec/initContainers","value":[{container}]}},{others}"#),
    }
}

/// The record of what was injected.
fn mark(pod: &Pod<'_>, digest: &str, operations: &mut Vec<Operation>) {
    if pod.metadata.annotations.is_some() {
        let key = labels::INJECTED_HASH.replace('/', "~1");
        operations.push(add(format!("/metadata/annotations/{key}"), digest.into()));
    } else {
        operations.push(add(
            "/metadata/annotations",
            json!({labels::INJECTED_HASH: digest}),
        ));
    }
}

/// Adds items to the end of a list, or the list.
fn append(path: &str, exists: bool, items: impl IntoIterator<Item = Value>, operations: &mut Vec<Operation>) {
    if exists {
        operations.extend(items.into_iter().map(|item| add(format!("{path}/-"), item)));
    } else {
        operations.push(add(path, items.into_iter().collect()));
    }
}

/// The model server's side: where the model is, how it is drained and probed, as whom it runs.
fn equip(runtime: &Container<'_>, path: &str, uid: Option<i64>, operations: &mut Vec<Operation>) {
    let environment = sentinel::runtime_environment();
    append(
        &format!("{path}/env"),
        runtime.env.is_some(),
        environment,
        operations,
    );
    let mounts = [sentinel::runtime_mount()];
    append(
        &format!("{path}/volumeMounts"),
        runtime.volume_mounts.is_some(),
        mounts,
        operations,
    );
    match &runtime.lifecycle {
        None => operations.push(add(format!("{path}/lifecycle"), json!({"preStop": drain()}))),
        Some(hooks) if hooks.pre_stop.is_none() => {
            operations.push(add(format!("{path}/lifecycle/preStop"), drain()));
        }
        Some(_) => {}
    }
    if uid.is_none() {
        // The FIFO is readable by its owner alone, so both sides run as one user.
        operations.push(match runtime.security_context {
            Some(_) => add(format!("{path}/securityContext/runAsUser"), DEFAULT_UID.into()),
            None => add(
                format!("{path}/securityContext"),
                json!({"runAsUser": DEFAULT_UID}),
            ),
        });
    }
    for (asked, (field, kind)) in probe::of(runtime).into_iter().zip(probe::KINDS) {
        let Some(asked) = asked else { continue };
        let name = runtime.name.as_str();
        if let Some(target) = &asked.http_get {
            let wanted = target.path.as_ref().map_or("/", |p| p.as_str());
            let handler = probe::handler(name, kind, Some(wanted));
            operations.push(add(format!("{path}/{field}/httpGet"), handler));
        } else if asked.tcp_socket.is_some() {
            operations.push(Operation {
                op: "remove",
                path: format!("{path}/{field}/tcpSocket"),
                value: None,
            });
            let handler = probe::handler(name, kind, None);
            operations.push(add(format!("{path}/{field}/httpGet"), handler));
        }
    }
}

/// Arguments that the model server needs in order to be metered.
fn instruct(
    runtime: &Container<'_>,
    path: &str,
    settings: &SentinelSettings,
    operations: &mut Vec<Operation>,
) {
    let image = runtime.image.as_ref().map_or("", |image| image.as_str());
    let has_command = runtime.command.as_ref().is_some_and(|words| !words.is_empty());
    let known = arguments::of(image, has_command, settings);
    let words: Vec<&str> = runtime
        .args
        .iter()
        .flatten()
        .map(super::pod::Text::as_str)
        .collect();
    if !known.is_empty() && !arguments::are_last(&words, known) {
        let known = known.iter().map(|word| Value::from(word.as_str()));
        append(&format!("{path}/args"), runtime.args.is_some(), known, operations);
    }
}

/// An image without a shell drains too: the kubelet asks the sentinel, which waits for the last answer.
pub(crate) fn drain() -> Value {
    json!({"httpGet": {"path": "/drain", "port": ADMIN_PORT, "scheme": "HTTP"}})
}
