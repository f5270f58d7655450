//! Which pods may carry the sentinel. Pure: a pod in, what is wrong with it out.
//!
//! Bad pods are refused, never skipped: a pod that asked for the guard and silently got none would run without it.

use super::violation::Violation;
use super::{ADMIN_PORT, PREFIX, PUBLIC_PORT, RESERVED_PATHS};
use serde_json::Value;
use trustbridge_api::labels;

/// Annotation by which Azure Workload Identity adds a proxy container of its own.
const WORKLOAD_IDENTITY_PROXY: &str = "azure.workload.identity/inject-proxy-sidecar";

/// Everything in `pod` that must not be, apart from what the webhook added itself earlier.
/// `runtime` is the name of the container that serves the model.
pub(crate) fn violations(pod: &Value, runtime: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    shared_namespaces(pod, &mut found);
    volumes(pod, &mut found);
    root_user(pod.pointer("/spec/securityContext"), "spec", &mut found);
    for (list, container) in containers(pod) {
        let name = text(container, "name");
        let path = format!("spec.{list}[{name}]");
        identity(container, &path, &mut found);
        mounts(container, &path, &mut found);
        ports(container, &path, &mut found);
        if list == "containers" && name == runtime {
            probes(container, &path, &mut found);
        }
    }
    if !containers(pod).any(|(list, c)| list == "containers" && text(c, "name") == runtime) {
        found.push(Violation::new(
            format!("metadata.annotations[{}]", labels::RUNTIME_CONTAINER),
            runtime,
            "it must name the container of `spec.containers` that serves the model",
            "set the annotation to that container's name",
        ));
    }
    sidecar_of_others(pod, &mut found);
    found
}

/// Every container of the pod with the name of its list.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    ["initContainers", "containers"]
        .into_iter()
        .flat_map(move |list| {
            let items = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
            items
                .into_iter()
                .flatten()
                .map(move |container| (list, container))
        })
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn shared_namespaces(pod: &Value, found: &mut Vec<Violation>) {
    const RULES: [(&str, &str); 4] = [
        (
            "hostNetwork",
            "the loopback between sentinel and model server must not be the node's",
        ),
        (
            "hostPID",
            "the node's processes must not see the sentinel's memory and files",
        ),
        ("hostIPC", "the node's shared memory must not be the pod's"),
        (
            "shareProcessNamespace",
            "it opens the sentinel's memory, files and key to every container (KServe modelcars need it and cannot be used here)",
        ),
    ];
    for (field, rule) in RULES {
        if pod.pointer(&format!("/spec/{field}")) == Some(&Value::Bool(true)) {
            let next = format!("remove `{field}` or set it to false");
            found.push(Violation::new(format!("spec.{field}"), "true", rule, next));
        }
    }
}

fn volumes(pod: &Value, found: &mut Vec<Violation>) {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    for volume in volumes.into_iter().flatten() {
        let name = text(volume, "name");
        let path = format!("spec.volumes[{name}]");
        if volume.get("hostPath").is_some_and(|v| !v.is_null()) {
            let value = volume
                .pointer("/hostPath/path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            found.push(Violation::new(
                format!("{path}.hostPath"),
                value,
                "a protected pod must not touch the node's files, because plaintext could be written there",
                "use an emptyDir or a persistent volume claim",
            ));
        }
        reserved_name(name, &format!("{path}.name"), found);
    }
}

fn reserved_name(name: &str, field: &str, found: &mut Vec<Violation>) {
    if name.starts_with(PREFIX) {
        found.push(Violation::new(
            field,
            name,
            format!("names that start with '{PREFIX}' belong to what the webhook injects"),
            "choose another name",
        ));
    }
}

fn identity(container: &Value, path: &str, found: &mut Vec<Violation>) {
    reserved_name(text(container, "name"), &format!("{path}.name"), found);
    if container.pointer("/securityContext/privileged") == Some(&Value::Bool(true)) {
        found.push(Violation::new(
            format!("{path}.securityContext.privileged"),
            "true",
            "a privileged container can read every other container of the node",
            "remove `privileged`; GPUs are given by the limit `nvidia.com/gpu`",
        ));
    }
    root_user(container.get("securityContext"), path, found);
}

fn root_user(context: Option<&Value>, path: &str, found: &mut Vec<Violation>) {
    if context.and_then(|c| c.get("runAsUser")) == Some(&Value::from(0)) {
        found.push(Violation::new(
            format!("{path}.securityContext.runAsUser"),
            "0",
            "a protected pod runs without root",
            "set it to the image's own user, for example 65532",
        ));
    }
}

fn mounts(container: &Value, path: &str, found: &mut Vec<Violation>) {
    let mounts = container.get("volumeMounts").and_then(Value::as_array);
    for mount in mounts.into_iter().flatten() {
        let name = text(mount, "name");
        let target = text(mount, "mountPath");
        if name.starts_with(PREFIX) {
            found.push(Violation::new(
                format!("{path}.volumeMounts[{name}]"),
                target,
                "the volumes of the webhook are mounted by the webhook alone, and ciphertext and audit by the sentinel alone",
                "remove the mount; the model's directory is mounted into the runtime container by itself",
            ));
        } else if RESERVED_PATHS.iter().any(|reserved| is_within(target, reserved)) {
            found.push(Violation::new(
                format!("{path}.volumeMounts[{name}].mountPath"),
                target,
                format!("the paths {} are the sentinel's", RESERVED_PATHS.join(", ")),
                "mount it elsewhere",
            ));
        }
    }
}

/// Whether `path` is `root` or lies below it, whatever slashes and dots it is written with.
fn is_within(path: &str, root: &str) -> bool {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let normal = format!("/{}", parts.join("/"));
    normal == root
        || normal
            .strip_prefix(root)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn ports(container: &Value, path: &str, found: &mut Vec<Violation>) {
    let ports = container.get("ports").and_then(Value::as_array);
    for port in ports.into_iter().flatten() {
        if let Some(host) = port.get("hostPort").and_then(Value::as_i64).filter(|p| *p != 0) {
            found.push(Violation::new(
                format!("{path}.ports[].hostPort"),
                host.to_string(),
                "a protected pod is reached through its Service alone",
                "remove `hostPort`",
            ));
        }
        let number = port
            .get("containerPort")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        if [i64::from(PUBLIC_PORT), i64::from(ADMIN_PORT)].contains(&number) {
            found.push(Violation::new(
                format!("{path}.ports[].containerPort"),
                number.to_string(),
                format!("ports {PUBLIC_PORT} and {ADMIN_PORT} of the pod are the sentinel's"),
                "let the container listen elsewhere; the model server belongs on 127.0.0.1:8081",
            ));
        }
    }
}

/// The model server listens on the pod's loopback, where the kubelet cannot reach it: such a probe would never
/// succeed. The sentinel watches it instead and is ready only while it is healthy.
fn probes(container: &Value, path: &str, found: &mut Vec<Violation>) {
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        for handler in ["httpGet", "tcpSocket", "grpc"] {
            if container
                .pointer(&format!("/{probe}/{handler}"))
                .is_some_and(|v| !v.is_null())
            {
                found.push(Violation::new(
                    format!("{path}.{probe}.{handler}"),
                    container
                        .pointer(&format!("/{probe}/{handler}/port"))
                        .map(|port| port.to_string().trim_matches('"').to_owned())
                        .unwrap_or_default(),
                    "the model server listens on loopback, which the kubelet cannot reach",
                    "remove the probe (the sentinel watches the model server) or use an `exec` probe",
                ));
            }
        }
    }
}

fn sidecar_of_others(pod: &Value, found: &mut Vec<Violation>) {
    let annotations = pod.pointer("/metadata/annotations");
    let value = annotations
        .and_then(|a| a.get(WORKLOAD_IDENTITY_PROXY))
        .and_then(Value::as_str);
    if let Some(value) = value.filter(|v| *v != "false") {
        found.push(Violation::new(
            format!("metadata.annotations[{WORKLOAD_IDENTITY_PROXY}]"),
            value,
            "the proxy that it adds runs as root and redirects the pod's traffic",
            "remove the annotation; workload identity works without the proxy",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn paths_are_compared_as_the_kernel_resolves_them() {
        for inside in [
            "/dev/shm/tb",
            "/dev/shm/tb/",
            "//dev/shm/./tb/model",
            "/dev/x/../shm/tb/a",
        ] {
            assert!(is_within(inside, "/dev/shm/tb"), "{inside}");
        }
        for outside in ["/dev/shm", "/dev/shm/tbx", "/dev/shm/tb/..", "/"] {
            assert!(!is_within(outside, "/dev/shm/tb"), "{outside}");
        }
    }
}
