//! The way in from an ordinary shell: a port on the host's loopback, forwarded to the API server in the node's namespace.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::netns::{self, Place};
use crate::network::{API_PORT, FORWARD_PORT, NODE_ADDRESS};
use crate::process::Daemon;

/// A connection inside the machine is made at once or not at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A port of the host's loopback that is free now: the usual one, or any.
pub fn choose_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, FORWARD_PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    Ok(listener
        .context("no free port on 127.0.0.1")?
        .local_addr()?
        .port())
}

/// The forwarder as a program of the cluster: this very program, with another subcommand.
pub fn daemon(layout: &Layout, port: u16) -> Result<Daemon> {
    let program = layout.state().join("bin/tb-cluster");
    let arguments = [
        "forward".to_owned(),
        "--state".to_owned(),
        layout.state().display().to_string(),
        "--port".to_owned(),
        port.to_string(),
    ];
    std::fs::create_dir_all(layout.state().join("bin"))?;
    // A copy, so that a build during the cluster's life does not replace it.
    std::fs::copy(std::env::current_exe()?, &program)?;
    Ok(Daemon {
        name: "forward",
        program,
        arguments: arguments.map(Into::into).to_vec(),
        place: None,
        path: None,
    })
}

/// Serves until it is killed.
pub fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
    let target = SocketAddr::new(NODE_ADDRESS, API_PORT);
    // The listener stays in the host's namespace; every socket made from here on is the node's.
    netns::enter_namespace(Place::Node)?;
    for client in listener.incoming() {
        match client {
            Ok(client) => {
                thread::spawn(move || relay(&client, target));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

fn relay(client: &TcpStream, target: SocketAddr) {
    if let Ok(server) = TcpStream::connect_timeout(&target, CONNECT_LIMIT) {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        thread::scope(|scope| {
            scope.spawn(|| pump(client, &server));
            pump(&server, client);
        });
    }
}

/// Copies one direction; its end is passed on as the end of that direction only.
fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    if io::copy(&mut from, &mut to).is_err() {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    } else {
        let _ = to.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn both_directions_reach_their_end() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = server.local_addr().unwrap();
        let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let front_address = front.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        });
        let forwarder = thread::spawn(move || relay(&front.accept().unwrap().0, target));
        let mut client = TcpStream::connect(front_address).unwrap();
        client.write_all(b"text").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "TEXT");
        echo.join().unwrap();
        forwarder.join().unwrap();
    }
}
