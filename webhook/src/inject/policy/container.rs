//! What one container must not be.

use super::reserved_name;
use crate::inject::pod::{Container, Security};
use crate::inject::violation::{Reason, Violation};
use crate::inject::{ADMIN_PORT, PREFIX, PUBLIC_PORT, RESERVED_PATHS};

/// Start of every variable of the contract.
const ENV_PREFIX: &str = "TB_";
/// The one capability that the standard "restricted" lets a container add.
const CAPABILITY: &str = "NET_BIND_SERVICE";

/// Looks at everything but its probes.
pub(super) fn look_at(container: &Container<'_>, path: &str, found: &mut Vec<Violation>) {
    reserved_name(container.name.as_str(), &format!("{path}.name"), found);
    if let Some(context) = &container.security_context {
        security(context, path, found);
        root_user(context, path, found);
        windows(context, path, found);
    }
    environment(container, path, found);
    mounts(container, path, found);
    ports(container, path, found);
}

fn security(context: &Security<'_>, path: &str, found: &mut Vec<Violation>) {
    let mut push = |reason, field: &str, value: &str, rule: &str, next: &str| {
        let field = format!("{path}.securityContext.{field}");
        found.push(Violation::new(reason, field, value, rule, next));
    };
    if context.privileged == Some(true) {
        push(
            Reason::Privileged,
            "privileged",
            "true",
            "a privileged container can read every other container of the node",
            "remove `privileged`; GPUs are given by the limit `nvidia.com/gpu`",
        );
    }
    if context.allow_privilege_escalation == Some(true) {
        push(
            Reason::PrivilegeEscalation,
            "allowPrivilegeEscalation",
            "true",
            "a container of a protected pod must not gain rights",
            "set it to false",
        );
    }
    if let Some(mount) = context.proc_mount.as_ref().filter(|m| m.as_str() != "Default") {
        push(
            Reason::ProcMount,
            "procMount",
            mount.as_str(),
            "an unmasked /proc shows what the runtime hides",
            "set it to 'Default' or remove it",
        );
    }
    let added = context.capabilities.iter().flat_map(|c| c.add.iter().flatten());
    for capability in added.filter(|c| c.as_str() != CAPABILITY) {
        push(
            Reason::Capabilities,
            "capabilities.add",
            capability.as_str(),
            "capabilities such as SYS_PTRACE open the sentinel's memory",
            "remove it; 'NET_BIND_SERVICE' alone may be added",
        );
    }
}

/// Root reads every file of the pod's volumes, whoever it belongs to.
pub(super) fn root_user(context: &Security<'_>, path: &str, found: &mut Vec<Violation>) {
    if context.run_as_user == Some(0) {
        found.push(Violation::new(
            Reason::RootUser,
            format!("{path}.securityContext.runAsUser"),
            "0",
            "a protected pod runs without root",
            "set it to the image's own user, for example 65532",
        ));
    }
}

/// Windows containers cannot be guarded.
pub(super) fn windows(context: &Security<'_>, path: &str, found: &mut Vec<Violation>) {
    if context.windows_options.is_some() {
        found.push(Violation::new(
            Reason::Windows,
            format!("{path}.securityContext.windowsOptions"),
            "",
            "FIFOs, memory volumes and Landlock are Linux's",
            "remove it",
        ));
    }
}

fn environment(container: &Container<'_>, path: &str, found: &mut Vec<Violation>) {
    for variable in container.env.iter().flatten() {
        let name = variable.name.as_str();
        if name.starts_with(ENV_PREFIX) {
            found.push(Violation::new(
                Reason::ReservedEnv,
                format!("{path}.env[{name}].name"),
                name,
                format!("variables that start with '{ENV_PREFIX}' are set by the webhook alone"),
                "remove it or choose another name",
            ));
        }
    }
    if container.env_from.as_ref().is_some_and(|list| !list.is_empty()) {
        found.push(Violation::new(
            Reason::EnvFrom,
            format!("{path}.envFrom"),
            "",
            format!(
                "nobody can see which variables it brings, and those with '{ENV_PREFIX}' are the webhook's"
            ),
            "list each variable under `env`",
        ));
    }
}

fn mounts(container: &Container<'_>, path: &str, found: &mut Vec<Violation>) {
    for mount in container.volume_mounts.iter().flatten() {
        let (name, target) = (mount.name.as_str(), mount.mount_path.as_str());
        if name.starts_with(PREFIX) {
            found.push(Violation::new(
                Reason::ReservedMount,
                format!("{path}.volumeMounts[{name}]"),
                target,
                "the volumes of the webhook are mounted by the webhook alone, and ciphertext and audit by the sentinel alone",
                "remove the mount; the model's directory is mounted into the runtime container by itself",
            ));
        } else if RESERVED_PATHS.iter().any(|reserved| is_within(target, reserved)) {
            found.push(Violation::new(
                Reason::ReservedPath,
                format!("{path}.volumeMounts[{name}].mountPath"),
                target,
                format!("the paths {} are the sentinel's", RESERVED_PATHS.join(", ")),
                "mount it elsewhere",
            ));
        }
        if let Some(way) = mount.mount_propagation.as_ref().filter(|w| w.as_str() != "None") {
            found.push(Violation::new(
                Reason::MountPropagation,
                format!("{path}.volumeMounts[{name}].mountPropagation"),
                way.as_str(),
                "mounts of a protected pod stay in their container",
                "remove it",
            ));
        }
    }
    for device in container.volume_devices.iter().flatten() {
        found.push(Violation::new(
            Reason::BlockDevice,
            format!("{path}.volumeDevices[{}]", device.name.as_str()),
            "",
            "a raw device is a disk on which plaintext could be written past every file system",
            "mount a volume with a file system",
        ));
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

fn ports(container: &Container<'_>, path: &str, found: &mut Vec<Violation>) {
    for port in container.ports.iter().flatten() {
        if let Some(host) = port.host_port.filter(|p| *p != 0) {
            found.push(Violation::new(
                Reason::HostPort,
                format!("{path}.ports[].hostPort"),
                host.to_string(),
                "a protected pod is reached through its Service alone",
                "remove `hostPort`",
            ));
        }
        if [i64::from(PUBLIC_PORT), i64::from(ADMIN_PORT)].contains(&port.container_port) {
            found.push(Violation::new(
                Reason::ReservedPort,
                format!("{path}.ports[].containerPort"),
                port.container_port.to_string(),
                format!("ports {PUBLIC_PORT} and {ADMIN_PORT} of the pod are the sentinel's"),
                "let the container listen elsewhere; the model server belongs on 127.0.0.1:8081",
            ));
        }
        let name = port.name.as_ref().map_or("", |n| n.as_str());
        reserved_name(name, &format!("{path}.ports[].name"), found);
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
