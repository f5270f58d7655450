//! What the agent knows: objects from the watches, addresses from the CNI plug-in, and who owns which address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::model::{Cidr, Key, Namespace, Pod, Policy};
use crate::protocol::Sandbox;
use crate::select::View;

/// News of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta<T, K> {
    /// A fresh list: whatever is not in it is gone.
    Replace(Vec<T>),
    /// An object is new or changed.
    Upsert(T),
    /// An object is gone.
    Remove(K),
}

/// News from the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of a namespace.
    Namespace(Delta<Namespace, String>),
    /// Of a pod; removal names the UID too, so that a late one never hits a successor.
    Pod(Delta<Pod, (Key, String)>),
    /// Of a policy.
    Policy(Delta<Policy, Key>),
}

/// The agent's memory.
#[derive(Clone, Debug, Default)]
pub struct Index {
    namespaces: Option<BTreeMap<String, Namespace>>,
    pods: Option<BTreeMap<Key, Pod>>,
    policies: Option<BTreeMap<Key, Policy>>,
    /// What the CNI plug-in said last of each pod; it knows before the pod's status does, and it knows better.
    sandboxes: BTreeMap<Key, Sandbox>,
    /// Addresses that were given back while the pod's status still shows them.
    released: BTreeSet<(String, Ipv4Addr)>,
}

impl Index {
    /// Did every watch deliver its first list? Before that, rules would cut off pods that are there.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.namespaces.is_some() && self.pods.is_some() && self.policies.is_some()
    }

    /// Takes in news from the API server.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Namespace(delta) => self.namespace(delta),
            Change::Pod(delta) => self.pod(delta),
            Change::Policy(delta) => self.policy(delta),
        }
    }

    fn namespace(&mut self, delta: Delta<Namespace, String>) {
        let known = self.namespaces.get_or_insert_default();
        match delta {
            Delta::Replace(list) => *known = list.into_iter().map(|one| (one.name.clone(), one)).collect(),
            Delta::Upsert(one) => {
                known.insert(one.name.clone(), one);
            }
            Delta::Remove(name) => {
                known.remove(&name);
            }
        }
    }

    fn pod(&mut self, delta: Delta<Pod, (Key, String)>) {
        let known = self.pods.get_or_insert_default();
        match delta {
            Delta::Replace(list) => {
                *known = list.into_iter().map(|pod| (pod.key.clone(), pod)).collect();
                // A sandbox may be reported before its pod is listed; it stays until its own DEL.
                let uids: BTreeSet<_> = known.values().map(|pod| pod.uid.as_str()).collect();
                self.released.retain(|(uid, _)| uids.contains(uid.as_str()));
            }
            Delta::Upsert(pod) => {
                known.insert(pod.key.clone(), pod);
            }
            Delta::Remove((key, uid)) => {
                if known.get(&key).is_some_and(|pod| pod.uid == uid) {
                    known.remove(&key);
                }
                self.released.retain(|(released, _)| *released != uid);
            }
        }
    }

    fn policy(&mut self, delta: Delta<Policy, Key>) {
        let known = self.policies.get_or_insert_default();
        match delta {
            Delta::Replace(list) => *known = list.into_iter().map(|one| (one.key.clone(), one)).collect(),
            Delta::Upsert(policy) => newer(known, policy),
            Delta::Remove(key) => {
                known.remove(&key);
            }
        }
    }

    /// Takes in a list that was read on demand and may be ahead of the watch: adds and renews, never removes.
    pub fn merge_policies(&mut self, list: Vec<Policy>) {
        if let Some(known) = &mut self.policies {
            for policy in list {
                newer(known, policy);
            }
        }
    }

    /// A sandbox got its addresses.
    pub fn add(&mut self, sandbox: Sandbox) {
        // An address that was given back may come to the same pod again.
        self.released
            .retain(|(_, address)| !sandbox.addresses.contains(address));
        // A DEL that never came: an address has one owner, the last one that was told.
        self.sandboxes
            .retain(|_, other| other.addresses.iter().all(|one| !sandbox.addresses.contains(one)));
        self.sandboxes
            .insert(Key::new(&*sandbox.namespace, &*sandbox.name), sandbox);
    }

    /// A sandbox is going away. Late news of an older sandbox of the same pod changes nothing.
    pub fn del(&mut self, sandbox: &Sandbox) {
        let key = Key::new(&*sandbox.namespace, &*sandbox.name);
        let reported = self.sandboxes.get(&key);
        if reported.is_some_and(|reported| reported.container_id != sandbox.container_id) {
            return;
        }
        let pod = self.pods.as_ref().and_then(|pods| pods.get(&key));
        let same = |pod: &&Pod| sandbox.uid.as_ref().is_none_or(|uid| *uid == pod.uid);
        if let Some(pod) = pod.filter(same) {
            let reported = reported.into_iter().flat_map(|reported| &reported.addresses);
            let given_back = pod.addresses.iter().chain(reported);
            self.released
                .extend(given_back.map(|address| (pod.uid.clone(), *address)));
        }
        self.sandboxes.remove(&key);
    }

    /// What is still unknown of a sandbox's pod: without it, its rules would not be its own. `None`: nothing.
    #[must_use]
    pub fn missing(&self, sandbox: &Sandbox) -> Option<&'static str> {
        let key = Key::new(&*sandbox.namespace, &*sandbox.name);
        if !self.complete() {
            return Some("the first lists of pods, namespaces and policies are not there yet");
        }
        let Some(pod) = self.pods.as_ref().and_then(|pods| pods.get(&key)) else {
            return Some("the watch has not shown the pod yet");
        };
        if sandbox.uid.as_ref().is_some_and(|uid| *uid != pod.uid) {
            return Some("the watch still shows an earlier pod of this name");
        }
        let namespaces = self.namespaces.as_ref();
        if !namespaces.is_some_and(|namespaces| namespaces.contains_key(&sandbox.namespace)) {
            return Some("the watch has not shown the pod's namespace yet");
        }
        None
    }

    /// The world for [`rule_set`](crate::select::rule_set): each address of the pod range with its one owner.
    #[must_use]
    pub fn view(&self, pod_cidr: Cidr) -> View<'_> {
        View {
            namespaces: self
                .namespaces
                .iter()
                .flatten()
                .map(|(name, namespace)| (name.as_str(), namespace))
                .collect(),
            pods: self.owners(pod_cidr),
            policies: self.policies.iter().flat_map(BTreeMap::values).collect(),
        }
    }

    /// A reported address belongs to the sandbox that reported it; else the newest pod whose status shows it.
    fn owners(&self, pod_cidr: Cidr) -> BTreeMap<Ipv4Addr, &Pod> {
        let mut owners: BTreeMap<Ipv4Addr, (bool, &Pod)> = BTreeMap::new();
        let alive = |pod: &&Pod| !pod.host_network && !pod.finished;
        for pod in self.pods.iter().flat_map(BTreeMap::values).filter(alive) {
            let (reported, addresses) = self.addresses(pod);
            for address in addresses
                .into_iter()
                .filter(|address| pod_cidr.contains(*address))
            {
                let rank = |reported: bool, pod: &Pod| (reported, pod.created.clone());
                let stronger = owners
                    .get(&address)
                    .is_none_or(|(before, owner)| rank(reported, pod) >= rank(*before, owner));
                if stronger {
                    owners.insert(address, (reported, pod));
                }
            }
        }
        owners
            .into_iter()
            .map(|(address, (_, pod))| (address, pod))
            .collect()
    }

    /// A pod's addresses, and whether they were reported by the CNI plug-in.
    fn addresses(&self, pod: &Pod) -> (bool, Vec<Ipv4Addr>) {
        let same = |sandbox: &&Sandbox| sandbox.uid.as_ref().is_none_or(|uid| *uid == pod.uid);
        if let Some(sandbox) = self.sandboxes.get(&pod.key).filter(same) {
            return (true, sandbox.addresses.clone());
        }
        let kept = |address: &Ipv4Addr| !self.released.contains(&(pod.uid.clone(), *address));
        (false, pod.addresses.iter().copied().filter(kept).collect())
    }
}

/// Keeps the newer of two versions of a policy: lists and watches arrive independently.
fn newer(known: &mut BTreeMap<Key, Policy>, policy: Policy) {
    if known
        .get(&policy.key)
        .is_none_or(|before| before.version <= policy.version)
    {
        known.insert(policy.key.clone(), policy);
    }
}

#[cfg(test)]
mod tests;
