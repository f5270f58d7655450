//! A client inside the cluster: a pod that makes one call and ends.

use crate::wait;
use crate::world::World;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use trustbridge_api::labels;

/// Image of the doubles; it has the client.
const IMAGE: &str = "localhost/trustbridge-double:dev";
/// How long a call may take, the start of its pod included.
const LIMIT: Duration = Duration::from_mins(1);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Who calls a model, and with what: as a buyer's own pod would, which mounts the token and the authority.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Namespace of the pod that calls.
    pub namespace: String,
    /// Secret of that namespace with the token (`token`); nobody shows one otherwise.
    pub token: Option<String>,
}

/// Where the pod of a caller finds its authority and its token.
const CA_FILE: &str = "/access/ca/ca.crt";
const TOKEN_FILE: &str = "/access/token/token";

impl Caller {
    fn volumes(&self) -> Vec<(&'static str, Value)> {
        let token = |secret: &String| {
            (
                "token",
                json!({"name": "token", "secret": {"secretName": secret}}),
            )
        };
        let ca = (
            "ca",
            json!({"name": "ca", "configMap": {"name": labels::ACCESS_CA}}),
        );
        [ca].into_iter().chain(self.token.as_ref().map(token)).collect()
    }
}

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The exit status of the client.
    pub exit: i32,
    /// What it printed.
    pub output: String,
}

/// Runs the client with these arguments in that namespace.
pub async fn run(world: &World, namespace: &str, arguments: &[&str]) -> Result<Answer> {
    let api: Api<Pod> = Api::namespaced(world.client().await?, namespace);
    let name = name();
    made(&api, &name, &pod(&name, arguments, &[])?).await
}

async fn made(api: &Api<Pod>, name: &str, pod: &Pod) -> Result<Answer> {
    api.create(&PostParams::default(), pod)
        .await
        .context("cannot make the probe pod")?;
    let answer = finished(api, name).await;
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    // The namespace goes in the end; a pod that cannot be deleted spoils no answer.
    let _ = api.delete(name, &now).await;
    answer
}

/// A pod of that namespace that stays until it is taken away, or for ten minutes: a neighbour.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Its UID, by which its processes are found on the node.
    pub uid: String,
    api: Api<Pod>,
}

impl Neighbour {
    /// Starts one and waits until it runs.
    pub async fn start(world: &World, namespace: &str) -> Result<Self> {
        let api: Api<Pod> = Api::namespaced(world.client().await?, namespace);
        let name = format!(
            "neighbour-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut pod = pod(&name, &["sleep"], &[])?;
        if let Some(spec) = &mut pod.spec {
            spec.active_deadline_seconds = Some(600);
        }
        api.create(&PostParams::default(), &pod).await?;
        let runs = |pod: &Pod| {
            pod.status
                .as_ref()
                .is_some_and(|s| s.phase.as_deref() == Some("Running"))
        };
        let pod = wait::until(&api, &name, "Running", LIMIT, runs).await?;
        let uid = pod.metadata.uid.context("a pod has a UID")?;
        Ok(Self { name, uid, api })
    }

    /// Takes it away.
    pub async fn end(&self) -> Result<()> {
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        self.api.delete(&self.name, &now).await?;
        Ok(())
    }
}

/// Sends one GET; answers status and body. No answer at all is an error.
pub async fn get(world: &World, caller: &Caller, url: &str) -> Result<(u16, Value)> {
    http(world, caller, &["http", "GET", url, "--timeout-seconds", "20"]).await
}

/// Sends one POST; answers status and body. No answer at all is an error.
pub async fn post(world: &World, caller: &Caller, url: &str, body: &str) -> Result<(u16, Value)> {
    http(
        world,
        caller,
        &["http", "POST", url, "--data", body, "--timeout-seconds", "20"],
    )
    .await
}

/// Connects; answers `open`, `refused`, `timeout` or `unreachable`.
pub async fn tcp(world: &World, namespace: &str, target: &str) -> Result<String> {
    let line = line(&run(world, namespace, &["tcp", target, "--timeout-seconds", "3"]).await?)?;
    line.get("result")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .context("the client printed no result")
}

async fn http(world: &World, caller: &Caller, arguments: &[&str]) -> Result<(u16, Value)> {
    let mut arguments = arguments.to_vec();
    arguments.extend(["--ca", CA_FILE]);
    if caller.token.is_some() {
        arguments.extend(["--bearer-file", TOKEN_FILE]);
    }
    let api: Api<Pod> = Api::namespaced(world.client().await?, &caller.namespace);
    let name = name();
    let pod = pod(&name, &arguments, &caller.volumes())?;
    let mut line = line(&made(&api, &name, &pod).await?)?;
    let status = line
        .get("status")
        .and_then(Value::as_u64)
        .and_then(|status| u16::try_from(status).ok());
    let status = status.with_context(|| format!("no answer: {line}"))?;
    Ok((status, line.get_mut("body").map(Value::take).unwrap_or_default()))
}

fn line(answer: &Answer) -> Result<Value> {
    let mut lines = answer
        .output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .next_back()
        .with_context(|| format!("the client printed no JSON: {}", answer.output))
}

async fn finished(api: &Api<Pod>, name: &str) -> Result<Answer> {
    let ended = |pod: &Pod| exit_code(pod).is_some();
    let pod = wait::until(api, name, "finished", LIMIT, ended).await?;
    let output = api.logs(name, &LogParams::default()).await?;
    Ok(Answer {
        exit: exit_code(&pod).context("it has ended")?,
        output,
    })
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    Some(statuses.first()?.state.as_ref()?.terminated.as_ref()?.exit_code)
}

fn name() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("probe-{}-{number}", std::process::id())
}

/// A pod of the client, with these volumes below `/access` by their names.
fn pod(name: &str, arguments: &[&str], volumes: &[(&str, Value)]) -> Result<Pod> {
    let mount = |name: &str| json!({"name": name, "mountPath": format!("/access/{name}"), "readOnly": true});
    let mounts: Vec<Value> = volumes.iter().map(|(name, _)| mount(name)).collect();
    let volumes: Vec<&Value> = volumes.iter().map(|(_, volume)| volume).collect();
    let restricted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    let words: Vec<&str> = ["probe"].into_iter().chain(arguments.iter().copied()).collect();
    let pod = json!({
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "probe"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": LIMIT.as_secs(),
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "args": words,
                "securityContext": restricted,
                "volumeMounts": mounts,
            }],
            "volumes": volumes,
        },
    });
    Ok(serde_json::from_value(pod)?)
}
