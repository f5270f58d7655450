//! From what a pod asks for, and what the TunePod and the ModelAsset say, to what is delivered. Pure.

use super::pod::Pod;
use super::violation::{Reason, Violation};
use trustbridge_api::reference::Mode;
use trustbridge_api::{ModelAssetSpec, TunePodSpec, labels};
use trustbridge_domain::names;

/// How the weights reach the model server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handover {
    /// A FIFO for each weight file: no plaintext at rest, nothing held in memory.
    Fifo,
    /// Files in memory, for loaders that seek.
    RamFile,
}

impl Handover {
    /// The word in the annotation and in `TB_DELIVERY`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::RamFile => "ramfile",
        }
    }
}

/// What a pod asks for by its annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Namespace of the TunePod.
    pub(crate) tunepod_namespace: String,
    /// Name of the TunePod.
    pub(crate) tunepod: String,
    /// The asset; unset takes the TunePod's.
    pub(crate) asset: Option<String>,
    /// Container that serves the model.
    pub(crate) runtime: String,
    /// How the weights reach it.
    pub(crate) handover: Handover,
}

impl Intent {
    /// Reads the annotations of `pod`.
    pub(crate) fn of(pod: &Pod<'_>) -> Result<Self, Vec<Violation>> {
        let mut found = Vec::new();
        let tunepod = pod.annotation(labels::TUNEPOD).unwrap_or_default();
        let parts = tunepod
            .split_once('/')
            .filter(|(ns, name)| !ns.is_empty() && !name.is_empty());
        if parts.is_none_or(|(_, name)| name.contains('/')) {
            found.push(Violation::new(
                Reason::TunePodReference,
                format!("metadata.annotations[{}]", labels::TUNEPOD),
                tunepod,
                "it must be '<namespace>/<name>' of the TunePod that the pod belongs to",
                "let the operator make the pod (apply an Order), or remove the label `trustbridge.io/inject`",
            ));
        }
        let handover = match pod.annotation(labels::DELIVERY) {
            None | Some("fifo") => Handover::Fifo,
            Some("ramfile") => Handover::RamFile,
            Some(other) => {
                found.push(Violation::new(
                    Reason::Delivery,
                    format!("metadata.annotations[{}]", labels::DELIVERY),
                    other,
                    "it must be 'fifo' or 'ramfile'",
                    "set one of them or remove the annotation ('fifo' is the default)",
                ));
                Handover::Fifo
            }
        };
        match parts {
            Some((namespace, name)) if found.is_empty() => Ok(Self {
                tunepod_namespace: namespace.to_owned(),
                tunepod: name.to_owned(),
                asset: pod.annotation(labels::MODEL_ASSET).map(str::to_owned),
                runtime: runtime_of(pod).to_owned(),
                handover,
            }),
            _ => Err(found),
        }
    }
}

/// Name of the container that serves the model, where no annotation says another.
pub(crate) const RUNTIME: &str = "runtime";

/// Name of the container that serves the model.
pub(crate) fn runtime_of<'p>(pod: &'p Pod<'_>) -> &'p str {
    pod.annotation(labels::RUNTIME_CONTAINER).unwrap_or(RUNTIME)
}

/// What the sentinel of one pod delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// TunePod, whose Secrets hold certificate and accepted tokens.
    pub(crate) tunepod: String,
    /// Licence contract.
    pub(crate) contract_id: String,
    /// Asset.
    pub(crate) asset_id: String,
    /// Control plane.
    pub(crate) endpoint: String,
    /// Anchor of every later check.
    pub(crate) manifest_sha256: String,
    /// Bytes of the plaintext over all files.
    pub(crate) plaintext_bytes: u64,
    /// Bytes that lie in the memory volume.
    pub(crate) resident_bytes: u64,
    /// How the weights reach the model server.
    pub(crate) handover: Handover,
}

/// Compares the intent with the pod's namespace and with the two objects that it names.
pub(crate) fn resolve(
    intent: &Intent,
    namespace: &str,
    tunepod: Option<&TunePodSpec>,
    asset: Option<(&str, Option<&ModelAssetSpec>)>,
) -> Result<Delivery, Vec<Violation>> {
    let expected = names::org_of_namespace(&intent.tunepod_namespace).map(names::protected_namespace);
    if expected.as_deref() != Some(namespace) {
        return Err(vec![Violation::new(
            Reason::WrongNamespace,
            "metadata.namespace",
            namespace,
            format!(
                "the pods of TunePod '{}/{}' belong in its organisation's protected namespace '{}', where nobody can enter them",
                intent.tunepod_namespace,
                intent.tunepod,
                expected.as_deref().unwrap_or("tb-<org>-protected")
            ),
            "let the operator make the pod (apply an Order)",
        )]);
    }
    let found = tunepod.ok_or_else(|| unknown_tunepod(intent))?;
    let (Mode::ProtectedModel, Some(contract_id), Some(reference)) =
        (found.mode, &found.contract_id, &found.model_asset_ref)
    else {
        return Err(vec![Violation::new(
            Reason::NotProtected,
            format!("metadata.annotations[{}]", labels::TUNEPOD),
            format!("{}/{}", intent.tunepod_namespace, intent.tunepod),
            "that TunePod has the mode 'byoWorkspace' and no licensed model",
            "remove the label `trustbridge.io/inject` from the pod",
        )]);
    };
    if let Some(asked) = intent.asset.as_ref().filter(|asked| **asked != reference.name) {
        return Err(vec![Violation::new(
            Reason::WrongAsset,
            format!("metadata.annotations[{}]", labels::MODEL_ASSET),
            asked,
            format!("the TunePod was ordered with the ModelAsset '{}'", reference.name),
            "set the annotation to that asset or remove it",
        )]);
    }
    let spec = asset
        .filter(|(name, _)| *name == reference.name)
        .and_then(|(_, spec)| spec);
    let spec = spec.ok_or_else(|| unknown_asset(&reference.name))?;
    Ok(deliver(intent, contract_id, &reference.name, spec))
}

fn unknown_tunepod(intent: &Intent) -> Vec<Violation> {
    vec![Violation::new(
        Reason::UnknownTunePod,
        format!("metadata.annotations[{}]", labels::TUNEPOD),
        format!("{}/{}", intent.tunepod_namespace, intent.tunepod),
        "there is no such TunePod",
        format!("see `kubectl get tunepods -n {}`", intent.tunepod_namespace),
    )]
}

fn unknown_asset(name: &str) -> Vec<Violation> {
    vec![Violation::new(
        Reason::UnknownAsset,
        "spec.modelAssetRef.name of the TunePod",
        name,
        "there is no such ModelAsset",
        "see `kubectl get modelassets`; the provider registers an asset with `trustbridge register`",
    )]
}

fn deliver(intent: &Intent, contract_id: &str, asset_id: &str, spec: &ModelAssetSpec) -> Delivery {
    let handover = intent.handover;
    let plaintext_bytes = u64::try_from(spec.plaintext_bytes).unwrap_or_default();
    let small: u64 = spec
        .files
        .iter()
        .filter(|file| !file.path.ends_with(".safetensors"))
        .map(|file| u64::try_from(file.plaintext_bytes).unwrap_or_default())
        .sum();
    let resident_bytes = match handover {
        Handover::Fifo => small,
        Handover::RamFile => plaintext_bytes,
    };
    Delivery {
        tunepod: intent.tunepod.clone(),
        contract_id: contract_id.to_owned(),
        asset_id: asset_id.to_owned(),
        endpoint: spec.endpoint.clone(),
        manifest_sha256: spec.manifest_sha256.clone(),
        plaintext_bytes,
        resident_bytes,
        handover,
    }
}
