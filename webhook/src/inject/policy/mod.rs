//! Which pods may carry the sentinel. Pure: a pod in, what is wrong with it out.
//!
//! Bad pods are refused, never skipped: a pod that asked for the guard and silently got none would run without it.
//! [`container`] looks at each container, this module at the pod around them.

mod container;

use super::pod::{List, Pod, Volume};
use super::violation::{Reason, Violation};
use super::{PREFIX, probe};
use trustbridge_api::labels;

/// Annotation by which Azure Workload Identity adds a proxy container of its own.
const WORKLOAD_IDENTITY_PROXY: &str = "azure.workload.identity/inject-proxy-sidecar";
/// Volume sources of the Pod Security Standard "restricted".
const VOLUME_KINDS: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Everything in `pod` that must not be, apart from what the webhook added itself earlier. `runtime` is the name
/// of the container that serves the model, `runtime_port` where it listens (none: on a Unix socket).
pub(crate) fn violations(pod: &Pod<'_>, runtime: &str, runtime_port: Option<i64>) -> Vec<Violation> {
    let mut found = Vec::new();
    shared_namespaces(pod, &mut found);
    whole_pod(pod, &mut found);
    for volume in pod.spec.volumes.iter().flatten() {
        look_at_volume(volume, &mut found);
    }
    for (list, one) in pod.all_containers() {
        let path = format!("spec.{}[{}]", list.as_str(), one.name.as_str());
        container::look_at(one, &path, &mut found);
        if list == List::Main && one.name.as_str() == runtime {
            probe::look_at(one, &path, runtime_port, &mut found);
        }
    }
    if pod.main_container(runtime).is_none() {
        found.push(Violation::new(
            Reason::RuntimeContainer,
            format!("metadata.annotations[{}]", labels::RUNTIME_CONTAINER),
            runtime,
            "it must name the container of `spec.containers` that serves the model",
            "set the annotation to that container's name",
        ));
    }
    found
}

fn shared_namespaces(pod: &Pod<'_>, found: &mut Vec<Violation>) {
    let spec = &pod.spec;
    let rules = [
        (
            spec.host_network,
            Reason::HostNetwork,
            "hostNetwork",
            "the loopback between sentinel and model server must not be the node's",
        ),
        (
            spec.host_pid,
            Reason::HostPid,
            "hostPID",
            "the node's processes must not see the sentinel's memory and files",
        ),
        (
            spec.host_ipc,
            Reason::HostIpc,
            "hostIPC",
            "the node's shared memory must not be the pod's",
        ),
        (
            spec.share_process_namespace,
            Reason::SharedProcesses,
            "shareProcessNamespace",
            "it opens the sentinel's memory, files and key to every container (KServe modelcars need it and cannot be used here)",
        ),
    ];
    for (value, reason, field, rule) in rules {
        if value == Some(true) {
            let next = format!("remove `{field}` or set it to false");
            found.push(Violation::new(
                reason,
                format!("spec.{field}"),
                "true",
                rule,
                next,
            ));
        }
    }
}

fn whole_pod(pod: &Pod<'_>, found: &mut Vec<Violation>) {
    let spec = &pod.spec;
    if let Some(context) = &spec.security_context {
        container::root_user(context, "spec", found);
        container::windows(context, "spec", found);
    }
    if let Some(name) = spec.os.as_ref().and_then(|os| os.name.as_ref())
        && name.as_str() != "linux"
    {
        found.push(Violation::new(
            Reason::Windows,
            "spec.os.name",
            name.as_str(),
            "FIFOs, memory volumes and Landlock are Linux's",
            "set it to 'linux' or remove it",
        ));
    }
    if let Some(policy) = spec.restart_policy.as_ref().map(super::pod::Text::as_str)
        && policy != "Always"
    {
        found.push(Violation::new(
            Reason::RestartPolicy,
            "spec.restartPolicy",
            policy,
            "a model server that ends must start again and be served its weights anew",
            "set it to 'Always' or remove it",
        ));
    }
    if spec.automount_service_account_token == Some(true) {
        token("spec.automountServiceAccountToken", "true", found);
    }
    if spec
        .ephemeral_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        found.push(Violation::new(
            Reason::EphemeralContainer,
            "spec.ephemeralContainers",
            "",
            "a debug container would see the model server's files and memory",
            "remove it",
        ));
    }
    if let Some(value) = pod.annotation(WORKLOAD_IDENTITY_PROXY).filter(|v| *v != "false") {
        found.push(Violation::new(
            Reason::ForeignSidecar,
            format!("metadata.annotations[{WORKLOAD_IDENTITY_PROXY}]"),
            value,
            "the proxy that it adds runs as root and redirects the pod's traffic",
            "remove the annotation; workload identity works without the proxy",
        ));
    }
}

fn look_at_volume(volume: &Volume<'_>, found: &mut Vec<Violation>) {
    let name = volume.name.as_str();
    let path = format!("spec.volumes[{name}]");
    if let Some(host) = &volume.host_path {
        found.push(Violation::new(
            Reason::HostPath,
            format!("{path}.hostPath"),
            host.path.as_str(),
            "a protected pod must not touch the node's files, because plaintext could be written there",
            "use an emptyDir or a persistent volume claim",
        ));
    }
    let known = |kind: &str| kind == "hostPath" || VOLUME_KINDS.contains(&kind);
    for kind in volume.kinds.iter().filter(|kind| !known(kind)) {
        found.push(Violation::new(
            Reason::VolumeKind,
            format!("{path}.{kind}"),
            "",
            format!(
                "the Pod Security Standard 'restricted' knows {} alone",
                VOLUME_KINDS.join(", ")
            ),
            "use one of those",
        ));
    }
    let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    if sources
        .into_iter()
        .any(|source| source.service_account_token.is_some())
    {
        token(
            &format!("{path}.projected.sources[].serviceAccountToken"),
            "",
            found,
        );
    }
    reserved_name(name, &format!("{path}.name"), found);
}

fn token(field: &str, value: &str, found: &mut Vec<Violation>) {
    found.push(Violation::new(
        Reason::ServiceAccountToken,
        field,
        value,
        "no container beside the sentinel gets a token of the cluster",
        "set `spec.automountServiceAccountToken` to false and project no token",
    ));
}

fn reserved_name(name: &str, field: &str, found: &mut Vec<Violation>) {
    if name.starts_with(PREFIX) {
        found.push(Violation::new(
            Reason::ReservedName,
            field,
            name,
            format!("names that start with '{PREFIX}' belong to what the webhook injects"),
            "choose another name",
        ));
    }
}
