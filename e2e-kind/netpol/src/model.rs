//! The objects that a policy decision needs, without the rest of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Namespace and name of a pod or policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name inside it.
    pub name: String,
}

impl Key {
    /// Joins a namespace and a name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A namespace: only its labels matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: Labels,
}

/// A pod as far as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: Key,
    /// Tells a pod from a later one of the same name.
    pub uid: String,
    /// The labels.
    pub labels: Labels,
    /// The node it is bound to, if any.
    pub node: Option<String>,
    /// Shares the node's network: policies do not apply to it.
    pub host_network: bool,
    /// Succeeded or Failed: its address may already be another pod's.
    pub finished: bool,
    /// IPv4 addresses from its status.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Named container ports.
    pub ports: Vec<NamedPort>,
    /// Creation time (RFC 3339 in UTC, so that text order is time order): the newer pod wins a contested address.
    pub created: String,
}

/// A container port that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// Its transport.
    pub protocol: Protocol,
    /// The number.
    pub port: u16,
}

/// Transport of a policy port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP: rendered, but never tried on packets here.
    Sctp,
}

impl Protocol {
    /// The word that nft knows.
    #[must_use]
    pub fn nft(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Direction of traffic as seen by the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into the pod.
    Ingress,
    /// Out of the pod.
    Egress,
}

/// A label selector. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// All of these must hold.
    pub requirements: Vec<Requirement>,
}

/// One condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there and its value is one of these.
    In(String, BTreeSet<String>),
    /// The label is absent or its value is none of these.
    NotIn(String, BTreeSet<String>),
    /// The label is there.
    Exists(String),
    /// The label is absent.
    DoesNotExist(String),
    /// An operator that nobody knows: matches nothing, so that a new one never opens a door.
    Unknown,
}

/// A NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.resourceVersion`, comparable between versions of one object.
    pub version: u64,
    /// Which pods of its namespace it isolates.
    pub pods: Selector,
    /// Rules for traffic into them; `None`: the policy says nothing about ingress.
    pub ingress: Option<Vec<Rule>>,
    /// Rules for traffic out of them; `None`: the policy says nothing about egress.
    pub egress: Option<Vec<Rule>>,
}

impl Policy {
    /// The rules for one direction, `None` where the policy does not isolate that direction.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// One rule: any of the peers on any of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Empty: everybody.
    pub peers: Vec<Peer>,
    /// Empty: every port of every protocol.
    pub ports: Vec<Port>,
}

/// Who may be on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods by label, in namespaces by label; without a namespace selector, in the policy's own namespace.
    Pods {
        /// `namespaceSelector`.
        namespaces: Option<Selector>,
        /// `podSelector`; absent means every pod of the namespaces.
        pods: Selector,
    },
    /// Addresses.
    Block(Block),
    /// Something that cannot be understood or is not IPv4: matches nobody.
    Nobody,
}

/// An address block with holes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The block.
    pub cidr: Cidr,
    /// The holes.
    pub except: Vec<Cidr>,
}

/// Which ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// Every port of a protocol.
    Any(Protocol),
    /// A range, both ends included.
    Range(Protocol, u16, u16),
    /// A container port's name, looked up on the receiving pod.
    Named(Protocol, String),
    /// A port that cannot be understood: matches nothing.
    Nothing,
}

/// An IPv4 block in canonical form: the host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    base: Ipv4Addr,
    prefix: u8,
}

/// Why a text is no IPv4 block.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' must be an IPv4 block such as 10.244.0.0/24")]
pub struct NotACidr(String);

impl Cidr {
    /// Does the block hold the address?
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.base.to_bits()
    }
}

/// The network mask of a prefix length; a shift by 32 (prefix 0) must give zero.
fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotACidr(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: Ipv4Addr = base.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > 32 {
            return Err(wrong());
        }
        Ok(Self {
            base: Ipv4Addr::from_bits(base.to_bits() & mask(prefix)),
            prefix,
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_canonical_and_know_their_addresses() {
        let block: Cidr = "10.244.0.77/24".parse().unwrap();
        assert_eq!(block.to_string(), "10.244.0.0/24");
        assert!(block.contains(Ipv4Addr::new(10, 244, 0, 255)));
        assert!(!block.contains(Ipv4Addr::new(10, 244, 1, 0)));
        let all: Cidr = "1.2.3.4/0".parse().unwrap();
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert_eq!(all.to_string(), "0.0.0.0/0");
        let one: Cidr = "10.0.0.1/32".parse().unwrap();
        assert!(one.contains(Ipv4Addr::new(10, 0, 0, 1)) && !one.contains(Ipv4Addr::new(10, 0, 0, 0)));
    }

    #[test]
    fn what_is_no_block_is_refused_by_name() {
        for text in ["10.0.0.1", "10.0.0.0/33", "fd00::/8", "x/8", "10.0.0.0/ 8", ""] {
            let error = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }
}
