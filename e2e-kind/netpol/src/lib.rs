//! NetworkPolicy for the local cluster: an agent that renders nftables, and a CNI plug-in that waits for it.
//!
//! ```text
//! API server --watch--> index --select--> rule set --render--> one nft transaction
//!                         ^                                          |
//! CNI ADD -- tb-cni-gate -+------------- "loaded" <------------------+
//! ```
//!
//! Everything that decides is pure: [`model`], [`convert`], [`index`], [`select`], [`render`], [`cni`].
//! Everything that touches the world is at the edge: [`watch`], [`apply`], [`server`]; [`agent`] joins them.
//!
//! The rules promise three things. A packet between two pods passes only if the sender's egress chain and
//! the receiver's ingress chain both let it return. A pod that the agent does not know reaches nobody and is
//! reached by nobody. And a pod's first process starts only after the rules that name its address are loaded,
//! because the CNI chain waits for them.
//!
//! Not covered: policy for IPv6 (pod IPv6 is dropped), node ports from outside, more than one node.

pub mod agent;
pub mod apply;
pub mod cni;
pub mod convert;
pub mod index;
pub mod model;
pub mod protocol;
pub mod render;
pub mod select;
pub mod server;
pub mod watch;
