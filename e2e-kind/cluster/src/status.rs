//! Whether the cluster is up, and which of its programs run.

use std::fs;

use serde::Serialize;

use crate::journal::{self, Entry};
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::netns::Place;
use crate::record::{Backend, Record};

/// One program of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its process id, as the journal has it.
    pub pid: i32,
    /// Whether that process still is this program.
    pub running: bool,
}

/// The state of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `up`, `degraded`, `partial` or `down`.
    pub state: &'static str,
    /// The record of the last `up` that finished.
    pub record: Option<Record>,
    /// For the host's shell.
    pub kubeconfig: std::path::PathBuf,
    /// Programs of a local cluster.
    pub programs: Vec<Program>,
    /// Whether the API server says it is ready.
    pub api_ready: bool,
}

impl Status {
    /// Whether everything runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == "up"
    }
}

/// The state of the local cluster.
#[must_use]
pub fn local(layout: &Layout) -> Status {
    let entries = journal::read(&layout.journal()).unwrap_or_default();
    let programs = programs(&entries, |pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    });
    let record = Record::read(layout).filter(|record| record.backend == Backend::Local);
    let api_ready =
        Place::Node.path().exists() && Kubectl::inside(layout).run(&["get", "--raw", "/readyz"]).is_ok();
    let all_run = !programs.is_empty() && programs.iter().all(|program| program.running);
    let state = judge(!entries.is_empty(), record.is_some(), all_run && api_ready);
    Status {
        state,
        record,
        kubeconfig: layout.kubeconfig(),
        programs,
        api_ready,
    }
}

/// The state of a kind or external cluster.
#[must_use]
pub fn remote(layout: &Layout, kubectl: &Kubectl) -> Status {
    let record = Record::read(layout);
    let api_ready = kubectl.run(&["get", "--raw", "/readyz"]).is_ok();
    let state = judge(record.is_some(), record.is_some(), api_ready);
    Status {
        state,
        record,
        kubeconfig: layout.kubeconfig(),
        programs: Vec::new(),
        api_ready,
    }
}

fn judge(begun: bool, finished: bool, healthy: bool) -> &'static str {
    match (begun, finished, healthy) {
        (false, _, _) => "down",
        (true, false, _) => "partial",
        (true, true, true) => "up",
        (true, true, false) => "degraded",
    }
}

/// A process id is only believed when the command line names the program.
fn programs(entries: &[Entry], command_line: impl Fn(i32) -> String) -> Vec<Program> {
    let started = entries.iter().filter_map(|entry| match entry {
        Entry::Started { name, pid } => Some((name, *pid)),
        _ => None,
    });
    started
        .map(|(name, pid)| Program {
            name: name.clone(),
            pid,
            running: command_line(pid).contains(name.as_str()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_process_id_is_not_believed() {
        let entries = [
            Entry::Started {
                name: "etcd".into(),
                pid: 7,
            },
            Entry::Started {
                name: "kubelet".into(),
                pid: 8,
            },
        ];
        let found = programs(&entries, |pid| {
            if pid == 7 {
                "/b/etcd\0--data-dir".into()
            } else {
                "/bin/vi".into()
            }
        });
        assert!(found[0].running && !found[1].running);
    }

    #[test]
    fn a_cluster_without_its_record_is_partial() {
        assert_eq!(judge(false, false, false), "down");
        assert_eq!(judge(true, false, true), "partial");
        assert_eq!(judge(true, true, false), "degraded");
        assert_eq!(judge(true, true, true), "up");
    }
}
