//! The addresses and names of the local cluster.

use std::net::{IpAddr, Ipv4Addr};

/// The only node.
pub const NODE_NAME: &str = "tb-node";
/// The node's address.
pub const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 30, 0, 2));
/// The address of the world outside the cluster.
pub const OUTSIDE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 30, 0, 1));
/// Names that the cluster's DNS resolves to the outside address.
pub const OUTSIDE_NAMES: [&str; 3] = [
    "blob.outside.test",
    "control-plane.outside.test",
    "arm.outside.test",
];
/// Pods of the node.
pub const POD_RANGE: &str = "10.244.0.0/24";
/// Pods of the whole cluster, from which the node's range is cut.
pub const CLUSTER_RANGE: &str = "10.244.0.0/16";
/// Services.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The Service of the API server.
pub const API_SERVICE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));
/// The Service of the cluster's DNS.
pub const DNS_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));
/// The API server's port.
pub const API_PORT: u16 = 6443;
/// The port that the forwarder prefers on the host's loopback.
pub const FORWARD_PORT: u16 = 16443;
/// The CNI network's name: it prefixes the runtime's result files.
pub const CNI_NETWORK: &str = "trustbridge";
