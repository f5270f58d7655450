//! The termination message: what the kubelet puts into the pod's status, and the operator reads there.

use std::io;
use std::path::Path;

use serde::Serialize;
use trustbridge_domain::sentinel::{Cause, State};

/// The kubelet keeps this much of a termination message.
const REPORT_BYTES: usize = 4096;

#[derive(Serialize)]
struct Report<'a> {
    state: &'a str,
    reason: &'a str,
    message: &'a str,
    cause: &'a str,
}

/// The reason of settings that cannot be used.
pub(crate) const SETTINGS: &str = "settings";

/// Whose turn it is, in one word: the provider's, the publisher's, the buyer's, the operator's, or nobody's but time's.
pub(crate) fn cause(state: State, reason: &str) -> &'static str {
    match state {
        State::Suspended(Cause::Denied) => "Denied",
        State::Suspended(Cause::Integrity) => "Integrity",
        State::Suspended(Cause::Billing) => "Billing",
        _ if reason == SETTINGS => "Settings",
        _ => "Unavailable",
    }
}

/// The kubelet puts this into the pod's status when the container ends; the operator reads it there.
pub(crate) fn write_report(path: &Path, state: State, reason: &str, message: &str) -> io::Result<()> {
    let short: String = message.chars().take(REPORT_BYTES / 4).collect();
    let report = Report {
        state: state.as_str(),
        reason,
        message: &short,
        cause: cause(state, reason),
    };
    std::fs::write(path, serde_json::to_vec(&report)?)
}

#[cfg(test)]
mod tests {
    use super::{cause, write_report};
    use trustbridge_domain::sentinel::{Cause, Offer, State};

    #[test]
    fn a_report_fits_and_tells_state_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("termination-log");
        let state = State::Suspended(Cause::Denied);
        write_report(&path, state, "contract_unknown", &"é".repeat(9000)).unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert!(bytes.len() <= 4096);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["state"], "Suspended");
        assert_eq!(json["reason"], "contract_unknown");
        assert_eq!(json["cause"], "Denied");
    }

    #[test]
    fn every_end_has_one_cause() {
        let suspended = State::Suspended;
        for (state, reason, word) in [
            (suspended(Cause::Denied), "denied", "Denied"),
            (suspended(Cause::Integrity), "delivery", "Integrity"),
            (suspended(Cause::Billing), "metering_not_active", "Billing"),
            (suspended(Cause::Expired), "license_expired", "Unavailable"),
            (State::Hydrate(Offer::Open), "hydration", "Unavailable"),
            (State::Boot, "settings", "Settings"),
        ] {
            assert_eq!(cause(state, reason), word, "{reason}");
        }
    }
}
