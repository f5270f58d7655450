//! Injection of the sentinel into pods labelled `trustbridge.io/inject: "true"`.
//!
//! | Module | Part |
//! |---|---|
//! | [`pod`] | the pod as the rules read it |
//! | [`policy`], [`violation`] | which pods may be guarded, and the refusal |
//! | [`delivery`] | what is delivered to one |
//! | [`sentinel`], [`environment`], [`volumes`], [`probe`], [`startup`], [`arguments`] | what that looks like in a pod |
//! | [`patch`] | the change of a pod as its author wrote it |
//! | [`rebuild`] | the change of a pod that was guarded before |
//!
//! All of it is pure. The contract, rule by rule, with the test of each: `docs/reference/admission.md`.

pub(crate) mod arguments;
pub(crate) mod delivery;
pub(crate) mod environment;
pub(crate) mod patch;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod probe;
pub(crate) mod rebuild;
pub(crate) mod sentinel;
pub(crate) mod startup;
pub(crate) mod violation;
pub(crate) mod volumes;

#[cfg(test)]
mod tests;

use crate::review::Verdict;
use crate::settings::{Creators, SentinelSettings};
use delivery::{Delivery, Intent};
use pod::Pod;
use serde::Deserialize;
use serde_json::Value;
use trustbridge_api::labels;
use violation::{Reason, Violation, describe};

/// Name of the injected container.
pub(crate) const SENTINEL: &str = "tb-sentinel";
/// Start of every injected name.
pub(crate) const PREFIX: &str = "tb-";
/// Port that clients call.
pub(crate) const PUBLIC_PORT: u16 = 8000;
/// Port of kubelet and operator.
pub(crate) const ADMIN_PORT: u16 = 8001;
/// Mount of the memory volume, in sentinel and model server alike.
pub(crate) const MODEL_ROOT: &str = "/dev/shm/tb";
/// Directory with the model's files.
pub(crate) const MODEL_DIR: &str = "/dev/shm/tb/model";
/// FIFO of a single-file asset.
pub(crate) const PIPE_PATH: &str = "/dev/shm/tb/model-pipe";
/// File that says that the FIFOs are being written.
pub(crate) const READY_SIGNAL: &str = "/dev/shm/tb/ready.signal";
/// Ciphertext, seen by the sentinel alone.
pub(crate) const CIPHER_DIR: &str = "/var/lib/trustbridge/cipher";
/// Audit log, seen by the sentinel alone.
pub(crate) const AUDIT_DIR: &str = "/var/log/trustbridge";
/// Extra certificate authorities.
pub(crate) const CA_DIR: &str = "/etc/trustbridge/ca";
/// Certificate and key of the public port, seen by the sentinel alone.
pub(crate) const TLS_DIR: &str = "/etc/trustbridge/tls";
/// Token and authority for the API server, seen by the sentinel alone.
pub(crate) const API_DIR: &str = "/etc/trustbridge/api";
/// Sums of the accepted tokens, seen by the sentinel alone.
pub(crate) const TOKENS_DIR: &str = "/etc/trustbridge/tokens";
/// Paths under which no container of the user mounts anything.
pub(crate) const RESERVED_PATHS: [&str; 4] = [
    MODEL_ROOT,
    "/var/lib/trustbridge",
    "/var/log/trustbridge",
    "/etc/trustbridge",
];

/// Whether an earlier call left its mark, or somebody claims so.
pub(crate) fn was_guarded(pod: &Pod<'_>) -> bool {
    pod.annotation(labels::INJECTED_HASH).is_some()
}

/// First half: what can be said without asking the API server. The intent, or the refusal.
pub(crate) fn examine(
    pod: &Pod<'_>,
    user: &str,
    creators: &Creators,
    settings: &SentinelSettings,
) -> Result<Intent, Verdict> {
    let runtime = delivery::runtime_of(pod);
    let mut found = policy::violations(pod, runtime, settings.runtime_port());
    if !creators.include(user) {
        found.push(Violation::new(
            Reason::Creator,
            "userInfo.username",
            user,
            "pods with the sentinel are made by the operator alone, because whoever writes the pod chooses the program that reads the weights",
            "apply an Order; the operator makes its pods",
        ));
    }
    match Intent::of(pod) {
        Ok(intent) if found.is_empty() => Ok(intent),
        Ok(_) => Err(Verdict::Denied(describe(&found))),
        Err(more) => {
            found.extend(more);
            Err(Verdict::Denied(describe(&found)))
        }
    }
}

/// The same for a pod that carries the mark: its author's part is judged, what carries our names is not.
pub(crate) fn examine_again(
    pod: &Value,
    user: &str,
    creators: &Creators,
    settings: &SentinelSettings,
) -> Result<Intent, Verdict> {
    let annotations = pod.pointer("/metadata/annotations");
    let runtime = annotations
        .and_then(|a| a.get(labels::RUNTIME_CONTAINER)?.as_str())
        .unwrap_or(delivery::RUNTIME);
    let stripped = rebuild::stripped(pod, runtime).map_err(|e| unreadable(&e))?;
    let view = Pod::deserialize(&stripped).map_err(|e| unreadable(&e))?;
    examine(&view, user, creators, settings)
}

/// Second half: the patch for a pod that passed [`examine`] and whose delivery is known.
pub(crate) fn admit(
    pod: &Pod<'_>,
    intent: &Intent,
    delivery: &Delivery,
    settings: &SentinelSettings,
) -> Verdict {
    patch::of(pod, intent, delivery, settings).map_or_else(|e| unreadable(&e), Verdict::Patched)
}

/// Second half for a pod that passed [`examine_again`].
pub(crate) fn admit_again(
    pod: &Value,
    intent: &Intent,
    delivery: &Delivery,
    settings: &SentinelSettings,
) -> Verdict {
    let guarded = match rebuild::guarded(pod, &intent.runtime, delivery, settings) {
        Ok(guarded) => guarded,
        Err(error) => return unreadable(&error),
    };
    let patch = rebuild::difference(pod, &guarded);
    if patch.is_empty() {
        return Verdict::Allowed;
    }
    serde_json::to_string(&patch).map_or_else(|e| unreadable(&e), Verdict::Patched)
}

/// The refusal of a pod that is none. The API server sends no such thing.
pub(crate) fn unreadable(error: &serde_json::Error) -> Verdict {
    let rule = format!("it cannot be read as a pod: {error}");
    let violation = Violation::new(Reason::Unreadable, "object", "", rule, "correct the pod");
    Verdict::Denied(violation.to_string())
}
