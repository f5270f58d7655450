//! The termination message: what the kubelet puts into the pod's status, and the operator reads there.

use std::io;
use std::path::Path;

use serde::Serialize;
use trustbridge_domain::sentinel::State;

/// The kubelet keeps this much of a termination message.
const REPORT_BYTES: usize = 4096;

#[derive(Serialize)]
struct Report<'a> {
    state: &'a str,
    reason: &'a str,
    message: &'a str,
}

/// The kubelet puts this into the pod's status when the container ends; the operator reads it there.
pub(crate) fn write_report(path: &Path, state: State, reason: &str, message: &str) -> io::Result<()> {
    let short: String = message.chars().take(REPORT_BYTES / 4).collect();
    let report = Report {
        state: state.as_str(),
        reason,
        message: &short,
    };
    std::fs::write(path, serde_json::to_vec(&report)?)
}

#[cfg(test)]
mod tests {
    use super::write_report;
    use trustbridge_domain::sentinel::{Cause, State};

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
    }
}
