//! Which processes are ours, and ending them in an order in which none is started again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::layout::Layout;
use crate::netns::Place;

/// The programs that this harness starts and that these start in turn, in the order in which they must end:
/// first what starts pods, then the pods' shims, then what they answer to.
const ENDING_ORDER: [&[&str]; 5] = [
    &[
        "kube-controller-manager",
        "kube-scheduler",
        "tb-cluster",
        "kubectl",
        "ctr",
        "setsid",
        "nsenter",
    ],
    &["kubelet", "kube-proxy", "tb-netpol"],
    &["containerd-shim-runc-v2", "runc"],
    &["containerd"],
    &["kube-apiserver", "etcd"],
];

/// One process of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    pub(super) command: Vec<String>,
    namespace: Option<u64>,
}

impl Process {
    /// The program's file name and its first arguments, for people.
    pub(super) fn describe(&self) -> String {
        let shown: String = self.command.join(" ").chars().take(120).collect();
        format!("process {}: {shown}", self.pid)
    }

    /// Its place in [`ENDING_ORDER`], when its command line says that it is a program of this cluster.
    fn rank(&self, state: &Path) -> Option<usize> {
        let program = Path::new(self.command.first()?).file_name()?.to_str()?;
        let below = format!("{}/", state.display());
        let whole = state.display().to_string();
        if !self
            .command
            .iter()
            .any(|part| part.contains(&below) || *part == whole)
        {
            return None;
        }
        ENDING_ORDER.iter().position(|names| names.contains(&program))
    }
}

/// Ends everything that is ours; an error says what still lives, so the caller asks again.
pub(super) fn end_all(layout: &Layout, pods: &[PathBuf]) -> Result<()> {
    let all = scan();
    let doomed = plan(&all, layout.state(), &our_namespaces(pods), &spared(&all));
    for process in &doomed {
        // The process table is a moment old: the command line is looked at again before each signal.
        if command_line(process.pid).is_some_and(|now| now == process.command) {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
    }
    match doomed.first() {
        None => Ok(()),
        Some(process) => bail!("still there: {}", process.describe()),
    }
}

/// What is ours among all processes, in the order in which it is to end.
pub(super) fn ours(layout: &Layout, pods: &[PathBuf]) -> Vec<Process> {
    let all = scan();
    plan(&all, layout.state(), &our_namespaces(pods), &BTreeSet::new())
}

/// Pure part: programs of the cluster by rank, children of shims just before them, then whoever stands in our namespaces.
fn plan(all: &[Process], state: &Path, namespaces: &BTreeSet<u64>, spared: &BTreeSet<i32>) -> Vec<Process> {
    let ranks: BTreeMap<i32, usize> = all
        .iter()
        .filter_map(|process| Some((process.pid, process.rank(state)?)))
        .collect();
    let shims: BTreeSet<i32> = ranks
        .iter()
        .filter(|(_, rank)| **rank == 2)
        .map(|(pid, _)| *pid)
        .collect();
    let contained = descendants(all, &shims);
    let mut chosen: Vec<(usize, &Process)> = Vec::new();
    for process in all.iter().filter(|process| !spared.contains(&process.pid)) {
        let stands_inside = process.namespace.is_some_and(|inode| namespaces.contains(&inode));
        if let Some(rank) = ranks.get(&process.pid) {
            chosen.push((rank * 2, process));
        } else if contained.contains(&process.pid) {
            chosen.push((3, process));
        } else if stands_inside {
            chosen.push((ENDING_ORDER.len() * 2, process));
        }
    }
    chosen.sort_by_key(|(rank, process)| (*rank, process.pid));
    chosen.into_iter().map(|(_, process)| process.clone()).collect()
}

fn descendants(all: &[Process], roots: &BTreeSet<i32>) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    loop {
        let more: Vec<i32> = all
            .iter()
            .filter(|process| {
                !found.contains(&process.pid)
                    && (roots.contains(&process.parent) || found.contains(&process.parent))
            })
            .map(|process| process.pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// This process and those it descends from: a test that calls `down` from inside must not end itself.
fn spared(all: &[Process]) -> BTreeSet<i32> {
    let mut line = BTreeSet::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next {
        if pid <= 0 || !line.insert(pid) {
            break;
        }
        next = all
            .iter()
            .find(|process| process.pid == pid)
            .map(|process| process.parent);
    }
    line
}

/// Inodes of our namespaces, those of pods included.
fn our_namespaces(pods: &[PathBuf]) -> BTreeSet<u64> {
    let named = [Place::Node.path(), Place::Outside.path()];
    let host = fs::metadata("/proc/1/ns/net").ok().map(|data| data.ino());
    let inodes = named
        .iter()
        .chain(pods)
        .filter_map(|path| fs::metadata(path).ok())
        .map(|data| data.ino());
    // A namespace file whose mount is gone is an ordinary file; the host's namespace is never ours.
    inodes.filter(|inode| Some(*inode) != host).collect()
}

/// The state folder of the cluster whose etcd runs in the node's namespace.
pub(super) fn owner() -> Option<PathBuf> {
    let node = fs::metadata(Place::Node.path()).ok()?.ino();
    let mut inside = scan()
        .into_iter()
        .filter(|process| process.namespace == Some(node));
    inside.find_map(|process| state_of_etcd(&process.command))
}

fn state_of_etcd(command: &[String]) -> Option<PathBuf> {
    let data = command.iter().find_map(|part| part.strip_prefix("--data-dir="))?;
    let path = Path::new(data);
    path.ends_with("etcd")
        .then(|| path.parent().map(Path::to_path_buf))?
}

/// Inodes of all network namespaces in which a process stands.
pub(super) fn occupied() -> BTreeSet<u64> {
    scan()
        .into_iter()
        .filter_map(|process| process.namespace)
        .collect()
}

fn scan() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| {
        entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
    });
    pids.filter_map(|pid| {
        let (parent, zombie) = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        if zombie {
            return None;
        }
        let namespace = fs::metadata(format!("/proc/{pid}/ns/net"))
            .ok()
            .map(|data| data.ino());
        Some(Process {
            pid,
            parent,
            command: command_line(pid)?,
            namespace,
        })
    })
    .collect()
}

fn command_line(pid: i32) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(
        text.split('\0')
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
    )
}

/// Parent and whether it is a zombie; the name in brackets may itself hold brackets and spaces.
fn parse_stat(stat: &str) -> Option<(i32, bool)> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let zombie = fields.next()? == "Z";
    Some((fields.next()?.parse().ok()?, zombie))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, command: &str, namespace: u64) -> Process {
        Process {
            pid,
            parent,
            command: command.split(' ').map(ToOwned::to_owned).collect(),
            namespace: Some(namespace),
        }
    }

    #[test]
    fn everything_ends_after_what_could_start_it_again() {
        let all = [
            process(1, 0, "/sbin/init", 1),
            process(10, 1, "/b/etcd --data-dir=/s/etcd", 2),
            process(11, 1, "/b/containerd --config /s/config/containerd.toml", 2),
            process(
                12,
                1,
                "/b/containerd-shim-runc-v2 -namespace k8s.io -address /s/run/containerd.sock",
                2,
            ),
            process(13, 12, "/tb-pause", 3),
            process(14, 13, "/inner", 1),
            process(15, 1, "/b/kubelet --config=/s/config/kubelet.json", 2),
            process(
                16,
                1,
                "/b/kube-scheduler --kubeconfig=/s/config/scheduler.kubeconfig",
                2,
            ),
            process(17, 1, "azurite", 4),
        ];
        let order: Vec<i32> = plan(&all, Path::new("/s"), &BTreeSet::from([2, 4]), &BTreeSet::new())
            .iter()
            .map(|one| one.pid)
            .collect();
        assert_eq!(order, [16, 15, 13, 14, 12, 11, 10, 17]);
    }

    #[test]
    fn processes_of_others_are_left_alone() {
        let all = [
            process(
                20,
                1,
                "/usr/bin/containerd --config /etc/containerd/config.toml",
                1,
            ),
            process(21, 1, "tail -f /s/logs/etcd.log", 1),
            process(22, 1, "/b/etcd --data-dir=/other/etcd", 1),
            process(23, 1, "/b/etcd --data-dir=/s2/etcd", 1),
            process(24, 1, "vi /s/config/kubelet.json", 1),
        ];
        assert!(plan(&all, Path::new("/s"), &BTreeSet::from([2]), &BTreeSet::new()).is_empty());
    }

    #[test]
    fn the_caller_inside_a_namespace_is_spared() {
        let all = [process(30, 1, "suite", 2), process(31, 30, "double", 2)];
        let order: Vec<i32> = plan(&all, Path::new("/s"), &BTreeSet::from([2]), &BTreeSet::from([30]))
            .iter()
            .map(|one| one.pid)
            .collect();
        assert_eq!(order, [31]);
    }

    #[test]
    fn the_owner_is_read_from_etcd() {
        let etcd = process(10, 1, "/b/etcd --name=tb --data-dir=/s/etcd", 2);
        assert_eq!(state_of_etcd(&etcd.command), Some(PathBuf::from("/s")));
        assert_eq!(state_of_etcd(&process(11, 1, "/b/kubelet", 2).command), None);
    }

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_parent() {
        assert_eq!(parse_stat("7 (a) b) S 3 7 7"), Some((3, false)));
        assert_eq!(parse_stat("7 (x) Z 1 7 7"), Some((1, true)));
    }
}
