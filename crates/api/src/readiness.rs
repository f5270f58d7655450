//! When an instance counts as ready: the lines of an offer's definition, and what was found of each.

use crate::reference::Mode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What checks a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// `byoWorkspace`: SSH lets each of the order's keys in, and nothing else.
    SshAccess,
    /// `byoWorkspace`: the GPU driver answers in the workspace, for every GPU that was sold.
    GpuHealthy,
    /// `byoWorkspace`: a container engine answers in the workspace and sees the GPUs.
    ContainerEngine,
    /// `byoWorkspace`: what is on the allow-list is reached, and what is not is not.
    OutboundAllowlist,
    /// `protectedModel`: the sentinel delivered every file, its digest verified.
    AssetDelivered,
    /// `protectedModel`: the model server says that it is healthy.
    RuntimeHealthy,
    /// `protectedModel`: port 8000 answers over TLS.
    PortAnswers,
    /// `protectedModel`: port 8000 accepts the TunePod's token, and refuses nobody's.
    TokenAccepted,
}

impl Probe {
    /// Every probe.
    pub const ALL: &'static [Self] = &[
        Self::SshAccess,
        Self::GpuHealthy,
        Self::ContainerEngine,
        Self::OutboundAllowlist,
        Self::AssetDelivered,
        Self::RuntimeHealthy,
        Self::PortAnswers,
        Self::TokenAccepted,
    ];

    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SshAccess => "sshAccess",
            Self::GpuHealthy => "gpuHealthy",
            Self::ContainerEngine => "containerEngine",
            Self::OutboundAllowlist => "outboundAllowlist",
            Self::AssetDelivered => "assetDelivered",
            Self::RuntimeHealthy => "runtimeHealthy",
            Self::PortAnswers => "portAnswers",
            Self::TokenAccepted => "tokenAccepted",
        }
    }

    /// The mode in which there is something to check.
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self {
            Self::SshAccess | Self::GpuHealthy | Self::ContainerEngine | Self::OutboundAllowlist => {
                Mode::ByoWorkspace
            }
            Self::AssetDelivered | Self::RuntimeHealthy | Self::PortAnswers | Self::TokenAccepted => {
                Mode::ProtectedModel
            }
        }
    }
}

/// A line of the definition of ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessLine {
    /// Its id. Example: `port-answers`.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// What it says, for people. Example: `Port 8000 answers /health`.
    #[schemars(length(min = 1, max = 256))]
    pub text: String,
    /// What checks it: `sshAccess`, `gpuHealthy`, `containerEngine`, `outboundAllowlist` in a workspace;
    /// `assetDelivered`, `runtimeHealthy`, `portAnswers`, `tokenAccepted` with a protected model. An offer with a line
    /// that names none is not sold: nobody could ever say that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// Whether a line holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Met {
    /// It was checked and holds.
    True,
    /// It was checked and does not hold.
    False,
    /// It was not checked, or could not be. That is never taken for a yes.
    #[default]
    Unknown,
}

impl Met {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A line of the definition of ready, and what was found of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessState {
    /// The line's id. Example: `ssh-access`.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// What it says, for people. Example: `SSH access works with provided keys`.
    #[schemars(length(max = 256))]
    pub text: String,
    /// `True`, `False` or `Unknown`; only `True` counts.
    pub met: Met,
    /// One word of the reference page of reasons. Example: `ProbeUnavailable`.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// What was found, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When this was found first; checks that find the same write nothing.
    pub checked_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_api() {
        for probe in Probe::ALL {
            assert_eq!(serde_json::to_value(probe).unwrap(), probe.as_str());
        }
        for met in [Met::True, Met::False, Met::Unknown] {
            assert_eq!(serde_json::to_value(met).unwrap(), met.as_str());
        }
    }

    #[test]
    fn a_line_of_a_former_version_keeps_its_digest() {
        let line = ReadinessLine {
            id: "a".to_owned(),
            text: "b".to_owned(),
            probe: None,
        };
        assert_eq!(
            serde_json::to_value(line).unwrap(),
            serde_json::json!({"id": "a", "text": "b"})
        );
    }
}
