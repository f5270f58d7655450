//! Probes of the model server. It listens on the pod's loopback or on a Unix socket, where the kubelet cannot reach
//! it: the sentinel asks in the kubelet's place, on its admin port, under `/app/<container>/<probe>`.
//!
//! The path that is asked for travels in the probe itself, so a pod that comes back says everything: nothing has to
//! be remembered between two calls.

use super::pod::{self, Container, PortRef, Probe};
use super::sentinel::Handler;
use super::violation::{Reason, Violation};

/// The probes of a container: its field, and the last part of the sentinel's path.
pub(crate) const KINDS: [(&str, &str); 3] = [
    ("startupProbe", "startupz"),
    ("readinessProbe", "readyz"),
    ("livenessProbe", "livez"),
];

/// The probes of `container` in the order of [`KINDS`].
pub(crate) fn of<'c, 'a>(container: &'c Container<'a>) -> [Option<&'c Probe<'a>>; 3] {
    [
        container.startup_probe.as_ref(),
        container.readiness_probe.as_ref(),
        container.liveness_probe.as_ref(),
    ]
}

/// Refuses the probes that the sentinel cannot make: gRPC, other ports and hosts than the model server's, TLS,
/// headers. What it cannot carry over it must not drop: the probe would then ask for something else.
pub(crate) fn look_at(
    container: &Container<'_>,
    path: &str,
    runtime_port: Option<i64>,
    found: &mut Vec<Violation>,
) {
    for (probe, (field, _)) in of(container).into_iter().zip(KINDS) {
        let Some(probe) = probe else { continue };
        if probe.grpc.is_some() {
            found.push(Violation::new(
                Reason::ProbeTarget,
                format!("{path}.{field}.grpc"),
                "",
                "the model server listens where the kubelet cannot reach it, and the sentinel asks in its place by HTTP alone",
                "use `httpGet` on the model server's port, `exec`, or no probe (the sentinel watches the model server)",
            ));
        }
        let handlers = [("httpGet", &probe.http_get), ("tcpSocket", &probe.tcp_socket)];
        for (handler, target) in handlers.into_iter().filter_map(|(h, t)| Some((h, t.as_ref()?))) {
            beyond_a_path(target, &format!("{path}.{field}.{handler}"), found);
            let Some(wanted) = runtime_port else { continue };
            if number(target, container) != Some(wanted) {
                found.push(Violation::new(
                    Reason::ProbeTarget,
                    format!("{path}.{field}.{handler}"),
                    target.port.as_ref().map(ToString::to_string).unwrap_or_default(),
                    format!("the model server listens on loopback, where the sentinel asks port {wanted} in the kubelet's place"),
                    format!("set the port to {wanted}, use `exec`, or remove the probe (the sentinel watches the model server)"),
                ));
            }
        }
    }
}

/// The sentinel sends `GET <path>` to the model server and nothing else.
fn beyond_a_path(target: &pod::Handler<'_>, path: &str, found: &mut Vec<Violation>) {
    let text = |field: &Option<pod::Text<'_>>| field.as_ref().map(|t| t.as_str().to_owned());
    let mut push = |field: &str, value: String, next: &str| {
        let rule = "the sentinel asks the model server in the kubelet's place, by plain HTTP, for a path and nothing more";
        found.push(Violation::new(
            Reason::ProbeTarget,
            format!("{path}.{field}"),
            value,
            rule,
            next,
        ));
    };
    if let Some(host) = text(&target.host).filter(|host| !host.is_empty()) {
        push(
            "host",
            host,
            "remove it: the model server listens in the pod itself",
        );
    }
    if let Some(scheme) = text(&target.scheme).filter(|scheme| !matches!(scheme.as_str(), "" | "HTTP")) {
        push(
            "scheme",
            scheme,
            "set it to 'HTTP': it does not leave the pod's loopback",
        );
    }
    let headers: Vec<&str> = target
        .http_headers
        .iter()
        .flatten()
        .map(|h| h.name.as_str())
        .collect();
    if !headers.is_empty() {
        push(
            "httpHeaders",
            headers.join(", "),
            "remove them, use `exec`, or remove the probe (the sentinel watches the model server)",
        );
    }
}

fn number(target: &pod::Handler<'_>, container: &Container<'_>) -> Option<i64> {
    match target.port.as_ref()? {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(name) => {
            let ports = container.ports.iter().flatten();
            let named = |port: &&pod::Port<'_>| port.name.as_ref().is_some_and(|n| n.as_str() == name);
            let port = ports.into_iter().find(named)?;
            Some(port.container_port)
        }
    }
}

/// The handler that asks the sentinel instead. `path` is what an `httpGet` asked for; none for a `tcpSocket`, of
/// which only the connection counts.
pub(crate) fn handler(container: &str, kind: &str, path: Option<&str>) -> Handler<'static> {
    let query = path.map(|p| format!("?path={}", encoded(p))).unwrap_or_default();
    Handler::to(format!("{}{kind}{query}", prefix(container)))
}

/// Start of the sentinel's paths for `container`.
pub(crate) fn prefix(container: &str) -> String {
    format!("/app/{container}/")
}

/// Percent-encoding of a query's value (RFC 3986 section 2): what is not unreserved or a slash.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_travels_in_the_probe() {
        let asked = handler("runtime", "readyz", Some("/health?full=1&x=ü")).to_value();
        assert_eq!(
            asked["path"],
            "/app/runtime/readyz?path=/health%3Ffull%3D1%26x%3D%C3%BC"
        );
        assert_eq!(asked["port"], 8001);
        assert_eq!(
            handler("runtime", "livez", None).to_value()["path"],
            "/app/runtime/livez"
        );
    }
}
