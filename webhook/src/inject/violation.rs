//! A refusal that somebody can act on.

use std::fmt;

/// Declares [`Reason`] with its words, so that neither a word nor `Reason::ALL` can be forgotten.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why something is refused, as one word: the first of the message, and what `docs/reference/admission.md` explains.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

reasons! {
    /// The pod would share the node's network.
    HostNetwork,
    /// The pod would see the node's processes.
    HostPid,
    /// The pod would share the node's shared memory.
    HostIpc,
    /// The pod's containers would see each other's processes.
    SharedProcesses,
    /// A volume is a folder of the node.
    HostPath,
    /// A volume is of a kind that the restricted standard does not know.
    VolumeKind,
    /// A container of the user would get a token of the cluster.
    ServiceAccountToken,
    /// A name that belongs to what is injected.
    ReservedName,
    /// A variable that belongs to what is injected.
    ReservedEnv,
    /// Variables whose names nobody can see.
    EnvFrom,
    /// A volume of the sentinel in a container of the user.
    ReservedMount,
    /// A path of the sentinel in a container of the user.
    ReservedPath,
    /// A raw device in a container.
    BlockDevice,
    /// Mounts that would leave the container.
    MountPropagation,
    /// A privileged container.
    Privileged,
    /// A container that may gain rights.
    PrivilegeEscalation,
    /// An unmasked `/proc`.
    ProcMount,
    /// Capabilities beyond the restricted standard.
    Capabilities,
    /// A container that runs as root.
    RootUser,
    /// A pod for Windows.
    Windows,
    /// A port of the node.
    HostPort,
    /// A port of the sentinel.
    ReservedPort,
    /// A probe that cannot reach the model server.
    ProbeTarget,
    /// The container that serves the model is not there.
    RuntimeContainer,
    /// Another injector's root proxy.
    ForeignSidecar,
    /// A pod that would not start its model server again.
    RestartPolicy,
    /// A debug container.
    EphemeralContainer,
    /// A user who makes no protected pods.
    Creator,
    /// No TunePod is named.
    TunePodReference,
    /// A way of delivery that there is none of.
    Delivery,
    /// The pod is in another namespace than its TunePod's protected one.
    WrongNamespace,
    /// The TunePod does not exist.
    UnknownTunePod,
    /// The ModelAsset does not exist.
    UnknownAsset,
    /// The TunePod was ordered with another asset.
    WrongAsset,
    /// The TunePod has no licensed model.
    NotProtected,
    /// The pod is none that can be read.
    Unreadable,
    /// A live order is not deleted.
    LiveOrder,
    /// A pod of a protected namespace that asks for no sentinel.
    NotLabelled,
    /// The sentinel is not the first init container any more.
    NotFirst,
    /// The sentinel is told something else than TunePod and ModelAsset say.
    NotAsLicensed,
    /// Nobody enters a protected pod.
    NoEntry,
}

/// One thing that is wrong with an object: which field, which value, which rule, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The word for it.
    pub(crate) reason: Reason,
    /// Path of the field, as in `kubectl explain`.
    pub(crate) field: String,
    /// Its value.
    pub(crate) value: String,
    /// The rule that it breaks, with the reason.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) next: String,
}

impl Violation {
    /// A violation of `rule` by `value` in `field`.
    pub(crate) fn new(
        reason: Reason,
        field: impl Into<String>,
        value: impl Into<String>,
        rule: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            field: field.into(),
            value: value.into(),
            rule: rule.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}` is '{}', but {}; {}",
            self.reason.as_str(),
            self.field,
            self.value,
            self.rule,
            self.next
        )
    }
}

/// All violations in one text, so that nobody has to find them one try at a time.
pub(crate) fn describe(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(". ")
}
