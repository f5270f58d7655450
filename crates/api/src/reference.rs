//! Small types that several kinds share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to an object by name: in the same namespace, or cluster-scoped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameRef {
    /// Name of the object. Example: `studio-gen-1gpu`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl NameRef {
    /// A reference to `name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// An entry of a Secret or a ConfigMap of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object. Example: `tp-order-1-0-token`, `trustbridge-access-ca`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the entry. Example: `token`, `ca.crt`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// How to call a model: with the token, over TLS, trusting the authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Base URL inside the cluster. Example: `https://tp-order-1-0.tb-acme.svc:8000`.
    pub url: String,
    /// Secret with the bearer token, in this namespace; members of the organisation may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<KeyRef>,
    /// ConfigMap with the certificate authorities to trust, in this namespace (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<KeyRef>,
}

/// The product mode. The two are never mixed in one TunePod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// SSH in, bring your own code and data.
    ByoWorkspace,
    /// Encrypted weights; called and fine-tuned, never copied.
    #[default]
    ProtectedModel,
}

impl Mode {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByoWorkspace => "byoWorkspace",
            Self::ProtectedModel => "protectedModel",
        }
    }
}

/// The model server's container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSpec {
    /// Image of the model server. Unset: the seller's default runtime. Example: `vllm/vllm-openai:v0.33.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Arguments of the image's entrypoint. Unset: the seller's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub args: Vec<String>,
    /// Memory of the model server, a Kubernetes quantity. Unset: the seller's default. Example: `64Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub memory: Option<String>,
}
