//! A pod as the rules read it: borrowed from the request, and no more of it than they need.
//!
//! What is not named here is skipped while it is parsed and never written back, so no field can be lost, not even
//! one that is newer than this program. `null` and "absent" are one thing, as for the API server.

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Text of the request, copied only where JSON escapes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A field that the API server may leave out or send as `null`.
pub(crate) type Field<T> = Option<T>;
/// Labels or annotations.
pub(crate) type Marks<'a> = BTreeMap<Text<'a>, Text<'a>>;

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod<'a> {
    #[serde(borrow)]
    pub(crate) metadata: Metadata<'a>,
    #[serde(borrow)]
    pub(crate) spec: Spec<'a>,
}

/// Metadata of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub(crate) labels: Field<Marks<'a>>,
    #[serde(borrow)]
    pub(crate) annotations: Field<Marks<'a>>,
}

/// Spec of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec<'a> {
    pub(crate) host_network: Field<bool>,
    #[serde(rename = "hostPID")]
    pub(crate) host_pid: Field<bool>,
    #[serde(rename = "hostIPC")]
    pub(crate) host_ipc: Field<bool>,
    pub(crate) share_process_namespace: Field<bool>,
    #[serde(borrow)]
    pub(crate) restart_policy: Field<Text<'a>>,
    pub(crate) automount_service_account_token: Field<bool>,
    pub(crate) termination_grace_period_seconds: Field<i64>,
    #[serde(borrow)]
    pub(crate) os: Field<Os<'a>>,
    #[serde(borrow)]
    pub(crate) security_context: Field<Security<'a>>,
    #[serde(borrow)]
    pub(crate) volumes: Field<Vec<Volume<'a>>>,
    #[serde(borrow)]
    pub(crate) init_containers: Field<Vec<Container<'a>>>,
    #[serde(borrow)]
    pub(crate) containers: Field<Vec<Container<'a>>>,
    pub(crate) ephemeral_containers: Field<Vec<IgnoredAny>>,
}

/// Operating system of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Os<'a> {
    #[serde(borrow)]
    pub(crate) name: Field<Text<'a>>,
}

/// Security context of a pod or a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Security<'a> {
    pub(crate) privileged: Field<bool>,
    pub(crate) allow_privilege_escalation: Field<bool>,
    pub(crate) run_as_user: Field<i64>,
    #[serde(borrow)]
    pub(crate) proc_mount: Field<Text<'a>>,
    #[serde(borrow)]
    pub(crate) capabilities: Field<Capabilities<'a>>,
    pub(crate) windows_options: Field<IgnoredAny>,
}

/// Capabilities of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Capabilities<'a> {
    #[serde(borrow)]
    pub(crate) add: Field<Vec<Text<'a>>>,
}

/// A container of either list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) env: Field<Vec<Named<'a>>>,
    pub(crate) env_from: Field<Vec<IgnoredAny>>,
    #[serde(borrow)]
    pub(crate) ports: Field<Vec<Port<'a>>>,
    #[serde(borrow)]
    pub(crate) volume_mounts: Field<Vec<Mount<'a>>>,
    #[serde(borrow)]
    pub(crate) volume_devices: Field<Vec<Named<'a>>>,
    #[serde(borrow)]
    pub(crate) security_context: Field<Security<'a>>,
    #[serde(borrow)]
    pub(crate) image: Field<Text<'a>>,
    pub(crate) command: Field<Vec<IgnoredAny>>,
    #[serde(borrow)]
    pub(crate) args: Field<Vec<Text<'a>>>,
    pub(crate) lifecycle: Field<Lifecycle>,
    #[serde(borrow)]
    pub(crate) startup_probe: Field<Probe<'a>>,
    #[serde(borrow)]
    pub(crate) readiness_probe: Field<Probe<'a>>,
    #[serde(borrow)]
    pub(crate) liveness_probe: Field<Probe<'a>>,
}

/// Anything of which the name is enough.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

/// A port of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
pub(crate) struct Port<'a> {
    #[serde(borrow)]
    pub(crate) name: Field<Text<'a>>,
    pub(crate) container_port: i64,
    pub(crate) host_port: Field<i64>,
}

/// A mount of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of the API")]
pub(crate) struct Mount<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) mount_path: Text<'a>,
    #[serde(borrow)]
    pub(crate) mount_propagation: Field<Text<'a>>,
}

/// Hooks of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Lifecycle {
    pub(crate) pre_stop: Field<IgnoredAny>,
}

/// A probe.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Probe<'a> {
    #[serde(borrow)]
    pub(crate) http_get: Field<Handler<'a>>,
    #[serde(borrow)]
    pub(crate) tcp_socket: Field<Handler<'a>>,
    #[serde(borrow)]
    pub(crate) grpc: Field<Handler<'a>>,
    pub(crate) period_seconds: Field<i64>,
    pub(crate) failure_threshold: Field<i64>,
}

/// Where a probe goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Handler<'a> {
    #[serde(borrow)]
    pub(crate) path: Field<Text<'a>>,
    #[serde(borrow)]
    pub(crate) port: Field<PortRef<'a>>,
    #[serde(borrow)]
    pub(crate) host: Field<Text<'a>>,
    #[serde(borrow)]
    pub(crate) scheme: Field<Text<'a>>,
    #[serde(borrow)]
    pub(crate) http_headers: Field<Vec<Named<'a>>>,
}

/// A port by number or by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum PortRef<'a> {
    /// By number.
    Number(i64),
    /// By the name of a container's port.
    Name(#[serde(borrow)] Cow<'a, str>),
}

impl fmt::Display for PortRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A volume: its name, the kinds of source that it names, and of those the two that are looked into.
#[derive(Debug, Default)]
pub(crate) struct Volume<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) kinds: Vec<Cow<'a, str>>,
    pub(crate) host_path: Field<HostPath<'a>>,
    pub(crate) projected: Field<Projected>,
}

/// A path of the node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HostPath<'a> {
    #[serde(borrow)]
    pub(crate) path: Text<'a>,
}

/// What a projected volume brings together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Projected {
    pub(crate) sources: Field<Vec<Projection>>,
}

/// One source of a projected volume.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Projection {
    pub(crate) service_account_token: Field<IgnoredAny>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Volume<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Volume<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Volume<'de>, A::Error> {
                let mut volume = Volume::default();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    let is_set = match key.as_ref() {
                        "name" => {
                            volume.name = map.next_value()?;
                            false
                        }
                        "hostPath" => {
                            volume.host_path = map.next_value()?;
                            volume.host_path.is_some()
                        }
                        "projected" => {
                            volume.projected = map.next_value()?;
                            volume.projected.is_some()
                        }
                        _ => map.next_value::<Field<IgnoredAny>>()?.is_some(),
                    };
                    if is_set {
                        volume.kinds.push(key);
                    }
                }
                Ok(volume)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// The list of containers that a container stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// `spec.initContainers`.
    Init,
    /// `spec.containers`.
    Main,
}

impl List {
    /// Name of the field.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
        }
    }
}

impl<'a> Pod<'a> {
    /// A label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        mark(self.metadata.labels.as_ref(), name)
    }

    /// An annotation.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        mark(self.metadata.annotations.as_ref(), name)
    }

    /// Every container with the list that it stands in.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = (List, &Container<'a>)> {
        let init = self.spec.init_containers.iter().flatten();
        let main = self.spec.containers.iter().flatten();
        init.map(|c| (List::Init, c)).chain(main.map(|c| (List::Main, c)))
    }

    /// The container of `spec.containers` with that name, and its place.
    pub(crate) fn main_container(&self, name: &str) -> Option<(usize, &Container<'a>)> {
        let containers = self.spec.containers.as_deref().unwrap_or_default();
        containers
            .iter()
            .enumerate()
            .find(|(_, c)| c.name.as_str() == name)
    }
}

fn mark<'m>(marks: Option<&'m Marks<'_>>, name: &str) -> Option<&'m str> {
    let marks = marks?;
    marks
        .iter()
        .find(|(key, _)| key.as_str() == name)
        .map(|(_, value)| value.as_str())
}
