//! The container and volumes that are injected. Pure: a delivery and settings in, JSON out.
//!
//! Every field that the API server would default is written out, so that a pod that comes back with defaults
//! filled in is recognised as unchanged.

use super::delivery::Delivery;
use super::{
    ADMIN_PORT, AUDIT_DIR, CA_DIR, CIPHER_DIR, MODEL_DIR, MODEL_ROOT, PIPE_PATH, PUBLIC_PORT, READY_SIGNAL,
    SENTINEL, TLS_DIR, TOKENS_DIR,
};
use crate::settings::SentinelSettings;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trustbridge_domain::names::{serving_secret, token_sums_secret};

const MIB: u64 = 1 << 20;
/// Entry of the Secret, and file, with the sums of accepted tokens.
const TOKENS_FILE: &str = "tokens";
/// Download and verification that the start is given time for, in bytes a second.
const SLOWEST_START: u64 = 20_000_000;
/// Seconds between two start-up probes.
const STARTUP_PERIOD: u64 = 2;
/// Start-up probes on top of the transfer: licence, manifest, retries.
const STARTUP_PROBES: u64 = 150;

/// Names of the injected volumes that exist in every pod.
pub(crate) const VOLUMES: [&str; 6] = [
    "tb-model",
    "tb-cipher",
    "tb-audit",
    "tb-tls",
    "tb-tokens",
    "tb-ca",
];
/// Mode of the files with key and sums, 0440: the sentinel reads them through the pod's group.
const SECRET_MODE: u32 = 0o440;

/// The sentinel as a native sidecar that runs as user `uid`.
pub(crate) fn container(delivery: &Delivery, settings: &SentinelSettings, uid: i64) -> Value {
    let memory = format!("{}Mi", settings.memory_mi + to_mib(delivery.resident_bytes));
    json!({
        "name": SENTINEL,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["serve"],
        "restartPolicy": "Always",
        "ports": [
            {"name": "tb-public", "containerPort": PUBLIC_PORT, "protocol": "TCP"},
            {"name": "tb-admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "env": environment(delivery, settings),
        "resources": {
            "requests": {"cpu": format!("{}m", settings.cpu_milli), "memory": memory},
            "limits": {"memory": memory},
        },
        "volumeMounts": mounts(settings),
        "startupProbe": probe("/startupz", STARTUP_PERIOD, startup_failures(delivery.plaintext_bytes)),
        "readinessProbe": probe("/readyz", 2, 3),
        "livenessProbe": probe("/livez", 10, 6),
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": uid,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    })
}

/// The volumes. Plaintext lies in `tb-model` alone, which is memory.
pub(crate) fn volumes(delivery: &Delivery, settings: &SentinelSettings) -> Vec<Value> {
    let cipher = to_mib(delivery.plaintext_bytes + delivery.plaintext_bytes / 20) + 64;
    let model = to_mib(delivery.resident_bytes) + 16;
    let mut volumes = vec![
        json!({"name": "tb-model", "emptyDir": {"medium": "Memory", "sizeLimit": format!("{model}Mi")}}),
        json!({"name": "tb-cipher", "emptyDir": {"sizeLimit": format!("{cipher}Mi")}}),
        json!({"name": "tb-audit", "emptyDir": {"sizeLimit": "256Mi"}}),
        json!({"name": "tb-tls", "secret": {"secretName": serving_secret(&delivery.tunepod), "defaultMode": SECRET_MODE}}),
        // Of that Secret the sums alone: what else lies there is the operator's.
        json!({"name": "tb-tokens", "secret": {
            "secretName": token_sums_secret(&delivery.tunepod),
            "items": [{"key": TOKENS_FILE, "path": TOKENS_FILE}],
            "defaultMode": SECRET_MODE,
        }}),
    ];
    if let Some(name) = &settings.ca_config_map {
        volumes.push(json!({"name": "tb-ca", "configMap": {"name": name, "defaultMode": 420}}));
    }
    volumes
}

/// Environment of the model server: where the model will be.
pub(crate) fn runtime_environment() -> [Value; 3] {
    [
        variable("TB_PIPE_PATH", PIPE_PATH),
        variable("TB_MODEL_DIR", MODEL_DIR),
        variable("TB_READY_SIGNAL", READY_SIGNAL),
    ]
}

/// The model server's view of the model: it reads, and cannot change what the sentinel delivers.
pub(crate) fn runtime_mount() -> Value {
    json!({"name": "tb-model", "mountPath": MODEL_ROOT, "readOnly": true})
}

/// SHA-256 of a JSON value with sorted keys, lower-case hex.
pub(crate) fn digest(value: &Value) -> String {
    let mut text = String::with_capacity(4096);
    canonical(value, &mut text);
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (at, (key, inner)) in entries.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                quoted(key, text);
                text.push(':');
                canonical(inner, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, inner) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                canonical(inner, text);
            }
            text.push(']');
        }
        Value::String(inner) => quoted(inner, text),
        other => text.push_str(&other.to_string()),
    }
}

/// A JSON string; what needs no escape, nearly everything here, is copied.
fn quoted(inner: &str, text: &mut String) {
    if inner.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        text.push('"');
        text.push_str(inner);
        text.push('"');
    } else {
        text.push_str(&Value::from(inner).to_string());
    }
}

const fn to_mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

const fn startup_failures(bytes: u64) -> u64 {
    bytes.div_ceil(SLOWEST_START * STARTUP_PERIOD) + STARTUP_PROBES
}

fn probe(path: &str, period: u64, failures: u64) -> Value {
    json!({
        "httpGet": {"path": path, "port": ADMIN_PORT, "scheme": "HTTP"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "successThreshold": 1,
        "timeoutSeconds": 2,
    })
}

fn mounts(settings: &SentinelSettings) -> Vec<Value> {
    let mut mounts = vec![
        json!({"name": "tb-model", "mountPath": MODEL_ROOT}),
        json!({"name": "tb-cipher", "mountPath": CIPHER_DIR}),
        json!({"name": "tb-audit", "mountPath": AUDIT_DIR}),
        json!({"name": "tb-tls", "mountPath": TLS_DIR, "readOnly": true}),
        json!({"name": "tb-tokens", "mountPath": TOKENS_DIR, "readOnly": true}),
    ];
    if settings.ca_config_map.is_some() {
        mounts.push(json!({"name": "tb-ca", "mountPath": CA_DIR, "readOnly": true}));
    }
    mounts
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// What the sentinel is told of the licence: the variables that differ from pod to pod. Where the licence is asked for
/// and what anchors every later check stands in TunePod and ModelAsset, where no policy can look.
pub(crate) fn licensed(delivery: &Delivery) -> [(&'static str, &str); 5] {
    [
        ("TB_CONTRACT_ID", &delivery.contract_id),
        ("TB_ASSET_ID", &delivery.asset_id),
        ("TB_EDC_ENDPOINT", &delivery.endpoint),
        ("TB_MANIFEST_SHA256", &delivery.manifest_sha256),
        ("TB_DELIVERY", delivery.handover.as_str()),
    ]
}

fn environment(delivery: &Delivery, settings: &SentinelSettings) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let mut env: Vec<Value> = licensed(delivery)
        .iter()
        .map(|(name, value)| variable(name, value))
        .collect();
    env.extend([
        variable("TB_TARGET_DIR", CIPHER_DIR),
        variable("TB_PIPE_PATH", PIPE_PATH),
        variable("TB_MODEL_DIR", MODEL_DIR),
        variable("TB_READY_SIGNAL", READY_SIGNAL),
        variable("TB_RUNTIME_URL", &settings.runtime_url),
        variable("TB_PUBLIC_ADDR", &format!("0.0.0.0:{PUBLIC_PORT}")),
        variable("TB_ADMIN_ADDR", &format!("0.0.0.0:{ADMIN_PORT}")),
        variable("TB_AUDIT_PATH", &format!("{AUDIT_DIR}/audit.jsonl")),
        variable("TB_TLS_CERT_PATH", &format!("{TLS_DIR}/tls.crt")),
        variable("TB_TLS_KEY_PATH", &format!("{TLS_DIR}/tls.key")),
        variable("TB_TOKENS_PATH", &format!("{TOKENS_DIR}/{TOKENS_FILE}")),
        variable("TB_LOG_LEVEL", &settings.log_level),
        field("TB_NODE_NAME", "spec.nodeName"),
        field("TB_POD_NAME", "metadata.name"),
        field("TB_POD_NAMESPACE", "metadata.namespace"),
        field("TB_POD_UID", "metadata.uid"),
    ]);
    if !settings.proxy_allow.is_empty() {
        env.push(variable("TB_PROXY_ALLOW", &settings.proxy_allow.join(",")));
    }
    if settings.ca_config_map.is_some() {
        env.push(variable("TB_CA_PATH", &format!("{CA_DIR}/ca.crt")));
    }
    for extra in &settings.extra_env {
        // What the webhook sets is the contract; an extra variable may add to it, not bend it.
        if !env
            .iter()
            .any(|set| set.get("name").and_then(Value::as_str) == Some(extra.name.as_str()))
        {
            env.push(variable(&extra.name, &extra.value));
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_given_time_for_the_transfer() {
        assert_eq!(startup_failures(0), 150);
        // 400 GB at 20 MB/s is 20,000 s: 10,000 probes.
        assert_eq!(startup_failures(400_000_000_000), 10_150);
    }

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_keys() {
        let a = json!({"a": [1, {"x": null, "y": "z"}], "b": true});
        let b: Value = serde_json::from_str(r#"{"b":true,"a":[1,{"y":"z","x":null}]}"#).unwrap();
        assert_eq!(digest(&a), digest(&b));
        assert_ne!(digest(&a), digest(&json!({"a": [1], "b": true})));
    }
}
