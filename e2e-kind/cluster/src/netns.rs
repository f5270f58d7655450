//! Two network namespaces: the node, and the world outside it. Nothing touches the host's interfaces.

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::command;
use crate::journal::{Entry, Journal};
use crate::layout::Layout;
use crate::network::{CLUSTER_RANGE, NODE_ADDRESS, OUTSIDE_ADDRESS, SERVICE_RANGE};
use crate::record::{Backend, Record};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The node: the kubelet and everything else of the cluster.
    Node,
    /// The world outside the cluster: doubles, blob store, demo and test processes.
    Outside,
}

impl Place {
    /// The namespace's name below `/run/netns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "tb-node",
            Self::Outside => "tb-outside",
        }
    }

    /// The namespace's file.
    #[must_use]
    pub fn path(self) -> PathBuf {
        PathBuf::from("/run/netns").join(self.name())
    }
}

/// Moves the calling thread, and the threads it starts afterwards, to that place.
///
/// Call it first in `main`, before an async runtime starts its threads.
/// On kind and on a cluster of the user's own the host itself is the outside, and nothing happens.
pub fn enter(place: Place) -> Result<()> {
    let local = Record::read(&Layout::from_env()?).is_none_or(|record| record.backend == Backend::Local);
    if !local && place == Place::Outside {
        return Ok(());
    }
    enter_namespace(place)
}

/// The address under which pods reach what listens outside.
pub fn outside_address() -> Result<IpAddr> {
    Ok(Record::read(&Layout::from_env()?).map_or(OUTSIDE_ADDRESS, |record| record.outside_address))
}

/// Runs the work on a thread of its own inside the namespace.
pub fn within<T: Send>(place: Place, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            enter_namespace(place)?;
            work()
        });
        inside
            .join()
            .map_err(|_| anyhow!("the thread inside {} failed", place.name()))?
    })
}

pub(crate) fn enter_namespace(place: Place) -> Result<()> {
    let path = place.path();
    let file = File::open(&path).with_context(|| {
        format!(
            "{} is not there; bring the cluster up with `tb-cluster up`",
            path.display()
        )
    })?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("cannot enter {} (only root can)", path.display()))
}

/// Makes both namespaces and the link between them.
pub(crate) fn create(journal: &Journal) -> Result<()> {
    for place in [Place::Node, Place::Outside] {
        journal.write(&Entry::Namespace {
            name: place.name().to_owned(),
        })?;
        command::run(Command::new("ip").args(["netns", "add", place.name()]))?;
    }
    for arguments in link_commands() {
        command::run(Command::new("ip").args(arguments.split_whitespace()))?;
    }
    within(Place::Node, || {
        for (name, value) in NODE_SETTINGS {
            std::fs::write(format!("/proc/sys/{name}"), value)
                .with_context(|| format!("cannot set {name}"))?;
        }
        Ok(())
    })
}

/// Settings of the node's own namespace; they end with it.
const NODE_SETTINGS: [(&str, &str); 3] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "1"),
    ("net/ipv4/conf/default/rp_filter", "1"),
];

/// The arguments of `ip`, in order.
fn link_commands() -> Vec<String> {
    let (node, outside) = (Place::Node.name(), Place::Outside.name());
    vec![
        format!("link add eth0 netns {node} type veth peer name eth0 netns {outside}"),
        format!("-n {node} link set lo up"),
        format!("-n {outside} link set lo up"),
        format!("-n {node} addr add {NODE_ADDRESS}/24 dev eth0"),
        format!("-n {outside} addr add {OUTSIDE_ADDRESS}/24 dev eth0"),
        format!("-n {node} link set eth0 up"),
        format!("-n {outside} link set eth0 up"),
        format!("-n {node} route add default via {OUTSIDE_ADDRESS}"),
        format!("-n {outside} route add {CLUSTER_RANGE} via {NODE_ADDRESS}"),
        format!("-n {outside} route add {SERVICE_RANGE} via {NODE_ADDRESS}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_set_up_on_the_host() {
        for command in link_commands() {
            assert!(
                command.starts_with("-n tb-") || command.contains("netns tb-node"),
                "{command}"
            );
        }
    }

    #[test]
    fn the_outside_reaches_pods_and_services_through_the_node() {
        let commands = link_commands().join("\n");
        assert!(commands.contains("-n tb-outside route add 10.244.0.0/16 via 172.30.0.2"));
        assert!(commands.contains("-n tb-outside route add 10.96.0.0/16 via 172.30.0.2"));
    }
}
