//! The container that is injected. Pure: a delivery and settings in, JSON text out.
//!
//! Every field that the API server would default is written out, so that a pod that comes back with defaults
//! filled in is recognised as unchanged. The members of each type stand in the order of their names in JSON, so what
//! serde writes is the canonical form: one pass gives the text and what the digest is made of.

use super::delivery::Delivery;
use super::{
    ADMIN_PORT, API_DIR, AUDIT_DIR, CA_DIR, CIPHER_DIR, MODEL_ROOT, PUBLIC_PORT, SENTINEL, TLS_DIR,
    TOKENS_DIR, environment,
};
use crate::settings::SentinelSettings;
use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

const MIB: u64 = 1 << 20;
/// Seconds between two start-up probes.
const STARTUP_PERIOD: u64 = 2;
/// Start-up probes on top of the transfer: licence, manifest, retries.
const STARTUP_PROBES: u64 = 150;
/// Bytes of the container's text, about; it grows by itself where settings are long.
const TEXT: usize = 6 << 10;

/// The sentinel's container in one pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Injected {
    /// As JSON, members sorted.
    pub(crate) text: String,
    /// SHA-256 of the text, lower-case hex, for the pod's mark.
    pub(crate) digest: String,
}

/// The sentinel as a native sidecar that runs as user `uid`.
pub(crate) fn container(
    delivery: &Delivery,
    settings: &SentinelSettings,
    uid: i64,
) -> Result<Injected, serde_json::Error> {
    let mut text = Vec::with_capacity(TEXT);
    serde_json::to_writer(&mut text, &Container::of(delivery, settings, uid))?;
    let digest = HEXLOWER.encode(&Sha256::digest(&text));
    let text = String::from_utf8(text).map_err(serde::ser::Error::custom)?;
    Ok(Injected { text, digest })
}

/// The same as a value, and its digest.
pub(crate) fn container_value(
    delivery: &Delivery,
    settings: &SentinelSettings,
    uid: i64,
) -> Result<(Value, String), serde_json::Error> {
    let Injected { text, digest } = container(delivery, settings, uid)?;
    Ok((serde_json::from_str(&text)?, digest))
}

/// A container; no member is missing that the API server would default.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    args: [&'static str; 1],
    env: Vec<environment::Variable<'a>>,
    image: &'a str,
    image_pull_policy: &'a str,
    liveness_probe: Probe,
    name: &'static str,
    ports: [Port; 2],
    readiness_probe: Probe,
    resources: Resources,
    restart_policy: &'static str,
    security_context: SecurityContext,
    startup_probe: Probe,
    termination_message_path: &'static str,
    termination_message_policy: &'static str,
    volume_mounts: Vec<Mount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
struct Port {
    container_port: u16,
    name: &'static str,
    protocol: &'static str,
}

#[derive(Serialize)]
struct Resources {
    limits: Limits,
    requests: Requests,
}

#[derive(Serialize)]
struct Limits {
    memory: Mebibytes,
}

#[derive(Serialize)]
struct Requests {
    cpu: Millicores,
    memory: Mebibytes,
}

/// A quantity of memory, written `512Mi`.
#[derive(Clone, Copy)]
pub(crate) struct Mebibytes(pub(crate) u64);

impl Serialize for Mebibytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}Mi", self.0))
    }
}

/// A quantity of CPU, written `250m`.
#[derive(Clone, Copy)]
struct Millicores(u64);

impl Serialize for Millicores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}m", self.0))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    allow_privilege_escalation: bool,
    capabilities: Capabilities,
    read_only_root_filesystem: bool,
    run_as_non_root: bool,
    run_as_user: i64,
    seccomp_profile: SeccompProfile,
}

#[derive(Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Serialize)]
struct SeccompProfile {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// A mount in the sentinel or in the model server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
pub(crate) struct Mount {
    mount_path: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    failure_threshold: u64,
    http_get: Handler<'static>,
    period_seconds: u64,
    success_threshold: u64,
    timeout_seconds: u64,
}

/// An HTTP question to the sentinel's admin port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Handler<'a> {
    path: Cow<'a, str>,
    port: u16,
    scheme: &'static str,
}

impl<'a> Handler<'a> {
    /// The question for `path`.
    pub(crate) fn to(path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            path: path.into(),
            port: ADMIN_PORT,
            scheme: "HTTP",
        }
    }

    /// The same as a value.
    pub(crate) fn to_value(&self) -> Value {
        json!({"path": self.path, "port": self.port, "scheme": self.scheme})
    }
}

impl<'a> Container<'a> {
    fn of(delivery: &'a Delivery, settings: &'a SentinelSettings, uid: i64) -> Self {
        let memory = Mebibytes(settings.memory_mi + to_mib(delivery.resident_bytes));
        let start = startup_failures(delivery.plaintext_bytes, settings.least_bandwidth.get());
        Self {
            args: ["serve"],
            env: environment::of(delivery, settings),
            image: &settings.image,
            image_pull_policy: &settings.image_pull_policy,
            liveness_probe: probe("/livez", 10, 6),
            name: SENTINEL,
            ports: [port("tb-public", PUBLIC_PORT), port("tb-admin", ADMIN_PORT)],
            readiness_probe: probe("/readyz", 2, 3),
            resources: Resources {
                limits: Limits { memory },
                requests: Requests {
                    cpu: Millicores(settings.cpu_milli),
                    memory,
                },
            },
            restart_policy: "Always",
            security_context: SecurityContext {
                allow_privilege_escalation: false,
                capabilities: Capabilities { drop: ["ALL"] },
                read_only_root_filesystem: true,
                run_as_non_root: true,
                run_as_user: uid,
                seccomp_profile: SeccompProfile {
                    kind: "RuntimeDefault",
                },
            },
            startup_probe: probe("/startupz", STARTUP_PERIOD, start),
            termination_message_path: "/dev/termination-log",
            termination_message_policy: "File",
            volume_mounts: mounts(settings),
        }
    }
}

const fn port(name: &'static str, container_port: u16) -> Port {
    Port {
        container_port,
        name,
        protocol: "TCP",
    }
}

fn probe(path: &'static str, period_seconds: u64, failure_threshold: u64) -> Probe {
    Probe {
        failure_threshold,
        http_get: Handler::to(path),
        period_seconds,
        success_threshold: 1,
        timeout_seconds: 2,
    }
}

/// So many MiB that all bytes fit in.
pub(crate) const fn to_mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

const fn startup_failures(bytes: u64, least_bandwidth: u64) -> u64 {
    bytes.div_ceil(least_bandwidth.saturating_mul(STARTUP_PERIOD)) + STARTUP_PROBES
}

/// The model server's view of the model: it reads, and cannot change what the sentinel delivers.
pub(crate) const fn runtime_mount() -> Mount {
    read("tb-model", MODEL_ROOT)
}

const fn read(name: &'static str, mount_path: &'static str) -> Mount {
    Mount {
        mount_path,
        name,
        read_only: true,
    }
}

const fn write(name: &'static str, mount_path: &'static str) -> Mount {
    Mount {
        mount_path,
        name,
        read_only: false,
    }
}

fn mounts(settings: &SentinelSettings) -> Vec<Mount> {
    let mut mounts = Vec::with_capacity(7);
    mounts.extend([
        write("tb-model", MODEL_ROOT),
        write("tb-cipher", CIPHER_DIR),
        write("tb-audit", AUDIT_DIR),
        read("tb-tls", TLS_DIR),
        read("tb-tokens", TOKENS_DIR),
        read("tb-api", API_DIR),
    ]);
    if settings.ca_config_map.is_some() {
        mounts.push(read("tb-ca", CA_DIR));
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::delivery::Handover;

    #[test]
    fn the_start_is_given_time_for_the_transfer() {
        assert_eq!(startup_failures(0, 20_000_000), 150);
        // 400 GB at 20 MB/s is 20,000 s: 10,000 probes.
        assert_eq!(startup_failures(400_000_000_000, 20_000_000), 10_150);
    }

    /// Members sorted at every depth, no space: what the digest is of, by another way.
    fn canonical(value: &Value) -> String {
        let joined = |parts: Vec<String>| parts.join(",");
        match value {
            Value::Object(map) => {
                let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
                let members = sorted
                    .into_iter()
                    .map(|(key, inner)| format!("{}:{}", json!(key), canonical(inner)));
                format!("{{{}}}", joined(members.collect()))
            }
            Value::Array(items) => format!("[{}]", joined(items.iter().map(canonical).collect())),
            other => other.to_string(),
        }
    }

    #[test]
    fn the_text_is_the_canonical_form_and_the_digest_is_of_it() {
        let delivery = Delivery {
            tunepod: "t".to_owned(),
            contract_id: "a \"quoted\" \\ contract, \u{fc}\n".to_owned(),
            asset_id: "a".to_owned(),
            endpoint: "https://control.example".to_owned(),
            manifest_sha256: "ab".repeat(32),
            plaintext_bytes: 1 << 40,
            resident_bytes: 1 << 21,
            handover: Handover::RamFile,
        };
        for settings in [
            json!({"image": "s"}),
            json!({"image": "s", "caConfigMap": "c", "proxyAllow": ["/a", "/b"], "leastBandwidth": 1,
                "extraEnv": [{"name": "X", "value": "\u{0}"}, {"name": "TB_LEASE", "value": "mine"}]}),
        ] {
            let settings: SentinelSettings = serde_json::from_value(settings).unwrap();
            let made = container(&delivery, &settings, 7).unwrap();
            let (value, digest) = container_value(&delivery, &settings, 7).unwrap();
            assert_eq!(made.text, canonical(&value));
            assert_eq!((made.digest.as_str(), made.digest.len()), (digest.as_str(), 64));
            let sum = HEXLOWER.encode(&Sha256::digest(canonical(&value).as_bytes()));
            assert_eq!(made.digest, sum);
            let lease = value["env"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|v| v["name"] == "TB_LEASE");
            assert_eq!(lease.count(), 1);
        }
    }
}
