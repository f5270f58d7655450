//! The volumes that are injected. Pure: a delivery and settings in.

use super::delivery::Delivery;
use super::sentinel::{Mebibytes, to_mib};
use crate::settings::SentinelSettings;
use serde::Serialize;
use trustbridge_domain::names::{serving_secret, token_sums_secret};

/// Names of the injected volumes. `tb-ca` is there where the settings name a ConfigMap.
pub(crate) const NAMES: [&str; 7] = [
    "tb-model",
    "tb-cipher",
    "tb-audit",
    "tb-tls",
    "tb-tokens",
    "tb-ca",
    "tb-api",
];
/// Mode of the files with key, sums and token, 0440: the sentinel reads them through the pod's group.
const SECRET_MODE: u32 = 0o440;
/// Mode of the files with certificates, 0644.
const PUBLIC_MODE: u32 = 0o644;
/// Entry of the Secret, and file, with the sums of accepted tokens.
const TOKENS_FILE: &str = "tokens";
/// Seconds after which the kubelet has long exchanged the token for the API server.
const TOKEN_SECONDS: u32 = 3600;
/// ConfigMap with the cluster's authority, which Kubernetes keeps in every namespace.
const CLUSTER_CA: &str = "kube-root-ca.crt";
/// MiB beside the model's files in the memory volume: FIFOs, signal, sockets.
const MODEL_SPARE: u64 = 16;
/// MiB beside the ciphertext: manifest, map of what has landed.
const CIPHER_SPARE: u64 = 64;
/// MiB of the audit log, its older files included.
const AUDIT: u64 = 256;

/// A volume: its name and one of the sources.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDir>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_map: Option<ConfigMap<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projected: Option<Projected>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir {
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<&'static str>,
    size_limit: Mebibytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
struct Secret {
    default_mode: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<[Item; 1]>,
    secret_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap<'a> {
    default_mode: u32,
    name: &'a str,
}

/// An entry and the file that it becomes.
#[derive(Serialize)]
struct Item {
    key: &'static str,
    path: &'static str,
}

/// The token for the API server, and whom to believe that it is the API server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Projected {
    default_mode: u32,
    sources: (TokenSource, CaSource),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenSource {
    service_account_token: Token,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    expiration_seconds: u32,
    path: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaSource {
    config_map: CaItems,
}

#[derive(Serialize)]
struct CaItems {
    items: [Item; 1],
    name: &'static str,
}

/// The volumes. Plaintext lies in `tb-model` alone, which is memory.
pub(crate) fn of<'a>(delivery: &Delivery, settings: &'a SentinelSettings) -> Vec<Volume<'a>> {
    let cipher = to_mib(delivery.plaintext_bytes + delivery.plaintext_bytes / 20) + CIPHER_SPARE;
    let model = to_mib(delivery.resident_bytes) + MODEL_SPARE;
    let mut volumes = Vec::with_capacity(NAMES.len());
    volumes.extend([
        empty("tb-model", Some("Memory"), model),
        empty("tb-cipher", None, cipher),
        empty("tb-audit", None, AUDIT),
        secret("tb-tls", serving_secret(&delivery.tunepod), None),
        // Of that Secret the sums alone: what else lies there is the operator's.
        secret(
            "tb-tokens",
            token_sums_secret(&delivery.tunepod),
            Some([same(TOKENS_FILE)]),
        ),
    ]);
    if let Some(name) = &settings.ca_config_map {
        let config_map = Some(ConfigMap {
            default_mode: PUBLIC_MODE,
            name,
        });
        volumes.push(Volume {
            name: "tb-ca",
            config_map,
            ..Volume::default()
        });
    }
    volumes.push(api());
    volumes
}

fn empty(name: &'static str, medium: Option<&'static str>, mebibytes: u64) -> Volume<'static> {
    let size_limit = Mebibytes(mebibytes);
    Volume {
        name,
        empty_dir: Some(EmptyDir { medium, size_limit }),
        ..Volume::default()
    }
}

fn secret(name: &'static str, secret_name: String, items: Option<[Item; 1]>) -> Volume<'static> {
    Volume {
        name,
        secret: Some(Secret {
            default_mode: SECRET_MODE,
            items,
            secret_name,
        }),
        ..Volume::default()
    }
}

/// What the sentinel says its heartbeat to the API server with: a token of the pod's own, which no other container gets.
/// Without an audience it is one for the API server, on every cluster.
fn api() -> Volume<'static> {
    let token = TokenSource {
        service_account_token: Token {
            expiration_seconds: TOKEN_SECONDS,
            path: "token",
        },
    };
    let authority = CaSource {
        config_map: CaItems {
            items: [same("ca.crt")],
            name: CLUSTER_CA,
        },
    };
    Volume {
        name: "tb-api",
        projected: Some(Projected {
            default_mode: SECRET_MODE,
            sources: (token, authority),
        }),
        ..Volume::default()
    }
}

const fn same(name: &'static str) -> Item {
    Item {
        key: name,
        path: name,
    }
}
