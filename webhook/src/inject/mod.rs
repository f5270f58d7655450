//! Injection of the sentinel into pods labelled `trustbridge.io/inject: "true"`.
//!
//! [`policy`] says which pods may be guarded, [`delivery`] what is delivered to one, [`sentinel`] what that looks
//! like in a pod, [`patch`] the change. All four are pure; [`admit`] joins them.

pub(crate) mod delivery;
pub(crate) mod patch;
pub(crate) mod policy;
pub(crate) mod sentinel;
pub(crate) mod violation;

#[cfg(test)]
mod tests;

use crate::review::Verdict;
use crate::settings::{Creators, SentinelSettings};
use delivery::{Delivery, Intent};
use serde_json::Value;
use violation::{Violation, describe};

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
/// Paths under which no container of the user mounts anything.
pub(crate) const RESERVED_PATHS: [&str; 4] = [
    MODEL_ROOT,
    "/var/lib/trustbridge",
    "/var/log/trustbridge",
    "/etc/trustbridge",
];

/// First half: what can be said without asking the API server. The intent, or the refusal.
pub(crate) fn examine(pod: &Value, user: &str, creators: &Creators) -> Result<Intent, Verdict> {
    let runtime = delivery::runtime_of(pod);
    let mut found = policy::violations(&patch::stripped(pod, runtime), runtime);
    if !creators.include(user) {
        found.push(Violation::new(
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

/// Second half: the patch for a pod that passed [`examine`] and whose delivery is known.
pub(crate) fn admit(
    pod: &Value,
    intent: &Intent,
    delivery: &Delivery,
    settings: &SentinelSettings,
) -> Verdict {
    let patch = patch::difference(pod, &patch::guarded(pod, &intent.runtime, delivery, settings));
    if patch.is_empty() {
        Verdict::Allowed
    } else {
        Verdict::Patched(patch)
    }
}
