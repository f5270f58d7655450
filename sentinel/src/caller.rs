//! Who calls the admin port: somebody outside this pod, or a container of it.
//!
//! The containers of a pod share its network, so the model server reaches port 8001 by loopback and by the pod's own
//! addresses. What ends the service or throws usage away must not be its to ask for.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

/// Whether `peer` calls from the inside: by loopback or by an address of this network.
pub(crate) fn is_inside(peer: SocketAddr) -> bool {
    let ip = peer.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let mut own = peer;
    if ip.is_ipv4() {
        own.set_ip(ip);
    }
    own.set_port(0);
    // An address can be bound where it is, and nowhere else; nothing is sent. Any other answer is doubt, and refuses.
    match UdpSocket::bind(own) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::AddrNotAvailable,
    }
}

#[cfg(test)]
mod tests {
    use super::is_inside;
    use std::net::UdpSocket;

    #[test]
    fn own_addresses_are_inside_and_others_are_not() {
        for inside in [
            "127.0.0.1:4000",
            "127.9.9.9:1",
            "[::1]:4000",
            "[::ffff:127.0.0.1]:4000",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        // Addresses of documentation: nobody has them.
        for outside in ["192.0.2.7:4000", "[::ffff:192.0.2.7]:4000", "203.0.113.9:1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
        // The address by which this machine reaches others, where it has one. Nothing is sent.
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.7:9").is_ok() {
            assert!(is_inside(socket.local_addr().unwrap()));
        }
    }
}
