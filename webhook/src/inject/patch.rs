//! The change that turns a pod as its author wrote it into a guarded one, as RFC 6902 operations. Pure.
//!
//! Only what is added is written; nothing of the pod passes through here, so nothing of it can be lost. Pods that
//! were guarded before, and may have been bent since, take the longer way of [`super::rebuild`]; tests hold the two
//! equal.

use super::delivery::{Delivery, Intent};
use super::pod::{Container, Pod, Probe};
use super::sentinel::Handler;
use super::{arguments, environment, probe, sentinel, startup, volumes};
use crate::settings::SentinelSettings;
use serde::Serialize;
use trustbridge_api::labels;

/// User of sentinel and model server where the pod names none.
pub(crate) const DEFAULT_UID: i64 = 65532;
/// Least seconds between "please stop" and the kill: drain, last audit line, last counters.
pub(crate) const LEAST_GRACE: i64 = 60;
/// Bytes of a patch, about; it grows by itself.
const TEXT: usize = 10 << 10;

/// Operations, written one behind the other. Their paths hold nothing that JSON escapes: places and names of fields.
struct Operations(Vec<u8>);

/// Why a patch could not be written; memory does not fail, so it has no reason to happen.
type Written = Result<(), serde_json::Error>;

impl Operations {
    fn begin(&mut self, op: &str, path: &str) {
        let before: &[u8] = if self.0.is_empty() { b"[" } else { b"," };
        for part in [
            before,
            b"{\"op\":\"",
            op.as_bytes(),
            b"\",\"path\":\"",
            path.as_bytes(),
            b"\"",
        ] {
            self.0.extend_from_slice(part);
        }
    }

    fn add(&mut self, path: &str, value: &(impl Serialize + ?Sized)) -> Written {
        self.begin("add", path);
        self.0.extend_from_slice(b",\"value\":");
        serde_json::to_writer(&mut self.0, value)?;
        self.0.push(b'}');
        Ok(())
    }

    /// The same with a value that is JSON text already, in three parts.
    fn add_text(&mut self, path: &str, value: [&str; 3]) {
        self.begin("add", path);
        self.0.extend_from_slice(b",\"value\":");
        for part in value {
            self.0.extend_from_slice(part.as_bytes());
        }
        self.0.push(b'}');
    }

    fn remove(&mut self, path: &str) {
        self.begin("remove", path);
        self.0.push(b'}');
    }

    fn copy(&mut self, from: &str, path: &str) {
        self.begin("copy", path);
        for part in [b",\"from\":\"".as_slice(), from.as_bytes(), b"\"}"] {
            self.0.extend_from_slice(part);
        }
    }

    /// Adds items to the end of a list, or the list.
    fn append<T: Serialize>(&mut self, path: &str, exists: bool, items: &[T]) -> Written {
        if !exists {
            return self.add(path, items);
        }
        let end = format!("{path}/-");
        items.iter().try_for_each(|item| self.add(&end, item))
    }

    fn finish(mut self) -> Result<String, serde_json::Error> {
        if self.0.is_empty() {
            self.0.push(b'[');
        }
        self.0.push(b']');
        String::from_utf8(self.0).map_err(serde::ser::Error::custom)
    }
}

/// The patch for a pod that carries nothing of ours yet, as JSON text.
pub(crate) fn of(
    pod: &Pod<'_>,
    intent: &Intent,
    delivery: &Delivery,
    settings: &SentinelSettings,
) -> Result<String, serde_json::Error> {
    let mut operations = Operations(Vec::with_capacity(TEXT));
    let Some((at, runtime)) = pod.main_container(&intent.runtime) else {
        // The policy refused such a pod before.
        return operations.finish();
    };
    let own = runtime.security_context.as_ref().and_then(|c| c.run_as_user);
    let uid = own.or_else(|| pod.spec.security_context.as_ref().and_then(|c| c.run_as_user));
    let container = sentinel::container(delivery, settings, uid.unwrap_or(DEFAULT_UID))?;
    let seconds = settings.transfer_seconds(delivery.plaintext_bytes);
    let budget = startup::budget(
        runtime.startup_probe.as_ref().map(numbers),
        runtime.liveness_probe.as_ref().map(numbers),
        pod.annotation(startup::MARK),
        seconds,
    );
    mark(pod, &container.digest, budget.as_ref(), &mut operations)?;
    // First: mounts and FIFO must be there before any container of the user starts.
    match &pod.spec.init_containers {
        Some(_) => operations.add_text("/spec/initContainers/0", ["", &container.text, ""]),
        None => operations.add_text("/spec/initContainers", ["[", &container.text, "]"]),
    }
    let volumes = volumes::of(delivery, settings);
    operations.append("/spec/volumes", pod.spec.volumes.is_some(), &volumes)?;
    if pod.spec.termination_grace_period_seconds.unwrap_or_default() < LEAST_GRACE {
        operations.add("/spec/terminationGracePeriodSeconds", &LEAST_GRACE)?;
    }
    let path = format!("/spec/containers/{at}");
    equip(runtime, &path, uid, &mut operations)?;
    redirect(runtime, &path, &mut operations)?;
    if let Some(budget) = &budget {
        allow(runtime, &path, budget, &mut operations)?;
    }
    instruct(runtime, &path, settings, &mut operations)?;
    operations.finish()
}

fn numbers(probe: &Probe<'_>) -> startup::Numbers {
    startup::Numbers {
        period: probe.period_seconds,
        failures: probe.failure_threshold,
    }
}

/// The record of what was injected.
fn mark(
    pod: &Pod<'_>,
    digest: &str,
    budget: Option<&startup::Budget>,
    operations: &mut Operations,
) -> Written {
    if pod.metadata.annotations.is_none() {
        operations.add("/metadata/annotations", &serde_json::Map::new())?;
    }
    let path = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
    operations.add(&path(labels::INJECTED_HASH), digest)?;
    match budget {
        Some(budget) => operations.add(&path(startup::MARK), &budget.mark),
        None => Ok(()),
    }
}

/// The model server's side: where the model is, how it is drained, as whom it runs.
fn equip(runtime: &Container<'_>, path: &str, uid: Option<i64>, operations: &mut Operations) -> Written {
    operations.append(
        &format!("{path}/env"),
        runtime.env.is_some(),
        &environment::of_runtime(),
    )?;
    operations.append(
        &format!("{path}/volumeMounts"),
        runtime.volume_mounts.is_some(),
        &[sentinel::runtime_mount()],
    )?;
    match &runtime.lifecycle {
        None => operations.add(&format!("{path}/lifecycle"), &Hooks::draining())?,
        Some(hooks) if hooks.pre_stop.is_none() => {
            operations.add(&format!("{path}/lifecycle/preStop"), &drain())?;
        }
        Some(_) => {}
    }
    // The FIFO is readable by its owner alone, so both sides run as one user.
    match (uid, &runtime.security_context) {
        (Some(_), _) => Ok(()),
        (None, Some(_)) => operations.add(&format!("{path}/securityContext/runAsUser"), &DEFAULT_UID),
        (None, None) => operations.add(&format!("{path}/securityContext"), &User::default()),
    }
}

/// The sentinel is asked in the model server's place.
fn redirect(runtime: &Container<'_>, path: &str, operations: &mut Operations) -> Written {
    for (asked, (field, kind)) in probe::of(runtime).into_iter().zip(probe::KINDS) {
        let Some(asked) = asked else { continue };
        let name = runtime.name.as_str();
        let target = format!("{path}/{field}/httpGet");
        if let Some(own) = &asked.http_get {
            let wanted = own.path.as_ref().map_or("/", |p| p.as_str());
            operations.add(&target, &probe::handler(name, kind, Some(wanted)))?;
        } else if asked.tcp_socket.is_some() {
            operations.remove(&format!("{path}/{field}/tcpSocket"));
            operations.add(&target, &probe::handler(name, kind, None))?;
        }
    }
    Ok(())
}

/// The start-up probe lets the weights arrive. It follows [`redirect`]: what is copied asks the sentinel already.
fn allow(
    runtime: &Container<'_>,
    path: &str,
    budget: &startup::Budget,
    operations: &mut Operations,
) -> Written {
    let target = format!("{path}/startupProbe");
    let before = if budget.from_liveness {
        operations.copy(&format!("{path}/livenessProbe"), &target);
        &runtime.liveness_probe
    } else {
        &runtime.startup_probe
    };
    let before = before.as_ref().map(numbers).unwrap_or_default();
    if before.period != Some(budget.period) {
        operations.add(&format!("{target}/periodSeconds"), &budget.period)?;
    }
    if before.failures == Some(budget.failures) {
        return Ok(());
    }
    operations.add(&format!("{target}/failureThreshold"), &budget.failures)
}

/// Arguments that the model server needs in order to be metered.
fn instruct(
    runtime: &Container<'_>,
    path: &str,
    settings: &SentinelSettings,
    operations: &mut Operations,
) -> Written {
    let image = runtime.image.as_ref().map_or("", |image| image.as_str());
    let has_command = runtime.command.as_ref().is_some_and(|words| !words.is_empty());
    let known = arguments::of(image, has_command, settings);
    let words: Vec<&str> = runtime
        .args
        .iter()
        .flatten()
        .map(super::pod::Text::as_str)
        .collect();
    if known.is_empty() || arguments::are_last(&words, known) {
        return Ok(());
    }
    operations.append(&format!("{path}/args"), runtime.args.is_some(), known)
}

/// Hooks of a container that has none of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hooks {
    pre_stop: Drain,
}

impl Hooks {
    fn draining() -> Self {
        Self { pre_stop: drain() }
    }
}

/// An image without a shell drains too: the kubelet asks the sentinel, which waits for the last answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drain {
    http_get: Handler<'static>,
}

/// The hook.
pub(crate) fn drain() -> Drain {
    Drain {
        http_get: Handler::to("/drain"),
    }
}

/// Security context of a container that has none of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    run_as_user: i64,
}

impl Default for User {
    fn default() -> Self {
        Self {
            run_as_user: DEFAULT_UID,
        }
    }
}
