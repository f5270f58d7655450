//! The variables that are injected, in the order in which the kubelet reads them. Pure.

use super::delivery::Delivery;
use super::{CIPHER_DIR, MODEL_DIR, PIPE_PATH, READY_SIGNAL};
use crate::settings::SentinelSettings;
use serde::Serialize;
use std::borrow::Cow;

/// An environment variable with a value, or with a field of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom {
    field_ref: FieldRef,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldRef {
    api_version: &'static str,
    field_path: &'static str,
}

/// Environment of the model server: where the model will be.
pub(crate) const fn of_runtime() -> [Variable<'static>; 3] {
    [
        fixed("TB_PIPE_PATH", PIPE_PATH),
        fixed("TB_MODEL_DIR", MODEL_DIR),
        fixed("TB_READY_SIGNAL", READY_SIGNAL),
    ]
}

const fn fixed<'a>(name: &'a str, value: &'a str) -> Variable<'a> {
    Variable {
        name,
        value: Some(Cow::Borrowed(value)),
        value_from: None,
    }
}

const fn field(name: &'static str, field_path: &'static str) -> Variable<'static> {
    let field_ref = FieldRef {
        api_version: "v1",
        field_path,
    };
    Variable {
        name,
        value: None,
        value_from: Some(ValueFrom { field_ref }),
    }
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

/// What is the same in every sentinel. `$(...)` is the kubelet's to fill in, from variables that come before.
const SAME: [Variable<'static>; 18] = [
    fixed("TB_TARGET_DIR", CIPHER_DIR),
    fixed("TB_PIPE_PATH", PIPE_PATH),
    fixed("TB_MODEL_DIR", MODEL_DIR),
    fixed("TB_READY_SIGNAL", READY_SIGNAL),
    fixed("TB_PUBLIC_ADDR", "0.0.0.0:8000"),
    fixed("TB_ADMIN_ADDR", "0.0.0.0:8001"),
    fixed("TB_AUDIT_PATH", "/var/log/trustbridge/audit.jsonl"),
    fixed("TB_TLS_CERT_PATH", "/etc/trustbridge/tls/tls.crt"),
    fixed("TB_TLS_KEY_PATH", "/etc/trustbridge/tls/tls.key"),
    fixed("TB_TOKENS_PATH", "/etc/trustbridge/tokens/tokens"),
    field("TB_NODE_NAME", "spec.nodeName"),
    field("TB_POD_NAME", "metadata.name"),
    field("TB_POD_NAMESPACE", "metadata.namespace"),
    field("TB_POD_UID", "metadata.uid"),
    // The operator calls the pod of a TunePod like the TunePod.
    fixed("TB_LEASE", "$(TB_POD_NAMESPACE)/tp-$(TB_POD_NAME)-heartbeat"),
    fixed("TB_API_TOKEN_PATH", "/etc/trustbridge/api/token"),
    fixed("TB_API_CA_PATH", "/etc/trustbridge/api/ca.crt"),
    fixed("TB_CA_PATH", "/etc/trustbridge/ca/ca.crt"),
];

/// Environment of the sentinel.
pub(crate) fn of<'a>(delivery: &'a Delivery, settings: &'a SentinelSettings) -> Vec<Variable<'a>> {
    let mut env = Vec::with_capacity(28 + settings.extra_env.len());
    env.extend(licensed(delivery).map(|(name, value)| fixed(name, value)));
    env.push(fixed("TB_RUNTIME_URL", &settings.runtime_url));
    env.push(fixed("TB_LOG_LEVEL", &settings.log_level));
    let has_ca = settings.ca_config_map.is_some();
    env.extend(
        SAME.into_iter()
            .filter(|same| has_ca || same.name != "TB_CA_PATH"),
    );
    if !settings.proxy_allow.is_empty() {
        env.push(Variable {
            value: Some(Cow::Owned(settings.proxy_allow.join(","))),
            ..fixed("TB_PROXY_ALLOW", "")
        });
    }
    for extra in &settings.extra_env {
        // What the webhook sets is the contract; an extra variable may add to it, not bend it.
        if !env.iter().any(|set| set.name == extra.name) {
            env.push(fixed(&extra.name, &extra.value));
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::{ADMIN_PORT, API_DIR, AUDIT_DIR, CA_DIR, PUBLIC_PORT, TLS_DIR, TOKENS_DIR};

    #[test]
    fn addresses_and_paths_are_those_of_ports_and_mounts() {
        let said = |name: &str| SAME.iter().find(|v| v.name == name).and_then(|v| v.value.clone());
        for (name, value) in [
            ("TB_PUBLIC_ADDR", format!("0.0.0.0:{PUBLIC_PORT}")),
            ("TB_ADMIN_ADDR", format!("0.0.0.0:{ADMIN_PORT}")),
            ("TB_AUDIT_PATH", format!("{AUDIT_DIR}/audit.jsonl")),
            ("TB_TLS_CERT_PATH", format!("{TLS_DIR}/tls.crt")),
            ("TB_TLS_KEY_PATH", format!("{TLS_DIR}/tls.key")),
            ("TB_TOKENS_PATH", format!("{TOKENS_DIR}/tokens")),
            ("TB_API_TOKEN_PATH", format!("{API_DIR}/token")),
            ("TB_API_CA_PATH", format!("{API_DIR}/ca.crt")),
            ("TB_CA_PATH", format!("{CA_DIR}/ca.crt")),
        ] {
            assert_eq!(said(name).as_deref(), Some(value.as_str()), "{name}");
        }
        let lease = trustbridge_domain::names::heartbeat_lease("$(TB_POD_NAME)");
        assert_eq!(said("TB_LEASE").unwrap(), format!("$(TB_POD_NAMESPACE)/{lease}"));
    }
}
