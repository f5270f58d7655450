//! Labels, annotations and finalizers that two parts must agree on.

/// Opt-in label of pods that get the sentinel; its value is [`INJECT_VALUE`].
pub const INJECT: &str = "trustbridge.io/inject";
/// The one value of [`INJECT`] that opts in.
pub const INJECT_VALUE: &str = "true";
/// Label of namespaces in which nobody may exec, attach, port-forward or debug.
pub const PROTECTED: &str = "trustbridge.io/protected";
/// Label that names the buyer organisation of a namespace or object.
pub const ORG: &str = "trustbridge.io/org";
/// Label (name) and annotation (`namespace/name`) of the TunePod that a pod belongs to.
pub const TUNEPOD: &str = "trustbridge.io/tunepod";
/// Label that names the order of an object.
pub const ORDER: &str = "trustbridge.io/order";
/// Annotation of a pod: the ModelAsset that is delivered to it.
pub const MODEL_ASSET: &str = "trustbridge.io/model-asset";
/// Annotation of a pod: the container that serves the model.
pub const RUNTIME_CONTAINER: &str = "trustbridge.io/runtime-container";
/// Annotation of a pod: `fifo` or `ramfile`.
pub const DELIVERY: &str = "trustbridge.io/delivery";
/// Annotation written by the webhook: hash of what it injected.
pub const INJECTED_HASH: &str = "trustbridge.io/injected-spec-sha256";
/// Finalizer of a TunePod: its pod, node pool and records are ended before it goes.
pub const TUNEPOD_CLEANUP: &str = "trustbridge.io/tunepod-cleanup";
/// `app.kubernetes.io/managed-by`.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`] on everything that the operator makes.
pub const OPERATOR: &str = "trustbridge-operator";
/// ConfigMap with the extra certificate authorities (`ca.crt`) of control plane and blob store.
pub const CA_CONFIG_MAP: &str = "trustbridge-ca";
/// Annotation of an Order, and by it of its TunePods: any new value asks for a new bearer token.
pub const ROTATE_TOKEN: &str = "trustbridge.io/rotate-token";
/// ConfigMap (`ca.crt`) of each organisation's own namespace, and Secret of the operator's: the authority of port 8000.
pub const ACCESS_CA: &str = "trustbridge-access-ca";
/// ServiceAccount of TunePod pods.
pub const TUNEPOD_SERVICE_ACCOUNT: &str = "tunepod";
