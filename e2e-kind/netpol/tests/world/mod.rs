//! A node and its pods as network namespaces, made with iproute2 as the ptp plug-in makes them, and removed
//! at the end, also after a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use trustbridge_netpol::convert;
use trustbridge_netpol::index::{Change, Delta, Index};
use trustbridge_netpol::render::render;
use trustbridge_netpol::select::rule_set;

/// A dropped packet is one that has not come by then; an allowed one takes a fraction of a millisecond.
const SILENCE: Duration = Duration::from_millis(400);

const PORTS: [u16; 2] = [8080, 9090];
const POD_CIDR: &str = "10.244.0.0/24";
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Denied,
}

struct TestPod {
    address: Ipv4Addr,
    object: Value,
}

/// The namespaces, with echo servers running in them.
pub struct World {
    prefix: String,
    pods: BTreeMap<String, TestPod>,
    namespaces: BTreeSet<String>,
}

impl World {
    /// Makes the node and one pod for each (name, namespace, labels).
    pub fn start(pods: &[(&str, &str, Value)]) -> Self {
        demand_prerequisites();
        let mut world = Self {
            prefix: format!("tbnp-test{}", std::process::id()),
            pods: BTreeMap::new(),
            namespaces: pods
                .iter()
                .map(|(_, namespace, _)| (*namespace).to_owned())
                .collect(),
        };
        world.node();
        for (last, (name, namespace, labels)) in (10..).zip(pods) {
            let address = Ipv4Addr::new(10, 244, 0, last);
            world.pods.insert(
                (*name).to_owned(),
                TestPod {
                    address,
                    object: object(name, namespace, labels, address),
                },
            );
            world.pod(name, address);
            world.serve(name);
        }
        world.serve("node");
        world
    }

    fn netns(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn node(&self) {
        let node = self.netns("node");
        shell(&format!("ip netns add {node} && ip -n {node} link set lo up"));
        shell(&format!("ip -n {node} address add {NODE}/32 dev lo"));
        self.within("node", || {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
        });
    }

    fn pod(&self, name: &str, address: Ipv4Addr) {
        let (node, pod) = (self.netns("node"), self.netns(name));
        shell(&format!("ip netns add {pod} && ip -n {pod} link set lo up"));
        shell(&format!(
            "ip -n {node} link add veth-{name} type veth peer name eth0 netns {pod}"
        ));
        shell(&format!(
            "ip -n {node} address add {GATEWAY}/32 dev veth-{name} && ip -n {node} link set veth-{name} up"
        ));
        shell(&format!(
            "ip -n {node} route add {address}/32 dev veth-{name} src {GATEWAY}"
        ));
        shell(&format!(
            "ip -n {pod} address add {address}/32 dev eth0 && ip -n {pod} link set eth0 up"
        ));
        shell(&format!(
            "ip -n {pod} route add {GATEWAY}/32 dev eth0 && ip -n {pod} route add default via {GATEWAY}"
        ));
    }

    /// Runs the work in a thread that has moved into the namespace; sockets made there stay there.
    fn within<T: Send>(&self, name: &str, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.netns(name));
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Echo servers on every port, TCP and UDP, for the life of the process.
    fn serve(&self, name: &str) {
        for port in PORTS {
            let tcp = self.within(name, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
            thread::spawn(move || {
                for stream in tcp.incoming().flatten() {
                    thread::spawn(move || echo(stream));
                }
            });
            let udp = self.within(name, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
            thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                    let _ = udp.send_to(&buffer[..length], from);
                }
            });
        }
    }

    pub fn address(&self, name: &str) -> Ipv4Addr {
        if name == "node" {
            NODE
        } else {
            self.pods[name].address
        }
    }

    /// Loads what the agent would load for these policies, each a namespace and a spec.
    pub fn load(&self, policies: &[(&str, Value)]) {
        self.load_without(&[], policies);
    }

    /// The same, while the agent does not know some pods.
    pub fn load_without(&self, unknown: &[&str], policies: &[(&str, Value)]) {
        let mut index = Index::default();
        let namespaces = self.namespaces.iter().map(|name| {
            let labels = json!({ "kubernetes.io/metadata.name": name });
            convert::namespace(parsed(&json!({ "metadata": { "name": name, "labels": labels } })))
        });
        index.change(Change::Namespace(Delta::Replace(namespaces.collect())));
        let known = self
            .pods
            .iter()
            .filter(|(name, _)| !unknown.contains(&name.as_str()));
        let pods = known.map(|(_, pod)| convert::pod(parsed(&pod.object)));
        index.change(Change::Pod(Delta::Replace(pods.collect())));
        let policies = policies.iter().enumerate().map(|(number, (namespace, spec))| {
            let metadata = json!({ "namespace": namespace, "name": format!("p{number}") });
            convert::policy(parsed(&json!({ "metadata": metadata, "spec": spec })))
        });
        index.change(Change::Policy(Delta::Replace(policies.collect())));
        let cidr = POD_CIDR.parse().unwrap();
        self.nft(&render(&rule_set(&index.view(cidr), cidr, "here")));
    }

    fn nft(&self, text: &str) {
        let (status, said) = self.within("node", || {
            let mut nft = Command::new("nft")
                .args(["-f", "-"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            nft.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let output = nft.wait_with_output().unwrap();
            (
                output.status,
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        });
        assert!(status.success(), "nft refused the rules: {said}\n{text}");
    }

    pub fn connect(&self, from: &str, to: &str, port: u16) -> Option<TcpStream> {
        let to = SocketAddr::from((self.address(to), port));
        self.within(from, || TcpStream::connect_timeout(&to, SILENCE).ok())
    }

    /// Connects, sends and reads back, or demands that it is impossible.
    #[track_caller]
    pub fn expect(&self, from: &str, to: &str, port: u16, expected: Outcome) {
        let works = self
            .connect(from, to, port)
            .is_some_and(|mut stream| echoes(&mut stream));
        self.judge("TCP", from, to, port, expected, works);
    }

    #[track_caller]
    pub fn expect_udp(&self, from: &str, to: &str, port: u16, expected: Outcome) {
        let to_address = SocketAddr::from((self.address(to), port));
        let works = self.within(from, || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.set_read_timeout(Some(SILENCE)).unwrap();
            socket.send_to(b"ping", to_address).is_ok() && socket.recv(&mut [0; 64]).is_ok()
        });
        self.judge("UDP", from, to, port, expected, works);
    }

    #[track_caller]
    fn judge(&self, kind: &str, from: &str, to: &str, port: u16, expected: Outcome, works: bool) {
        let found = if works { Outcome::Allowed } else { Outcome::Denied };
        let rules = || self.within("node", || output("nft", &["list", "table", "inet", "tb_netpol"]));
        assert_eq!(
            found,
            expected,
            "{kind} from {from} to {to}:{port}, with these rules:\n{}",
            rules()
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Deleting a namespace takes its half of every veth pair along.
        for name in self.pods.keys().map(String::as_str).chain(["node"]) {
            let _ = Command::new("ip")
                .args(["netns", "delete", &self.netns(name)])
                .status();
        }
    }
}

fn object(name: &str, namespace: &str, labels: &Value, address: Ipv4Addr) -> Value {
    let ports = json!([{ "name": "open", "containerPort": PORTS[0] }]);
    json!({
        "metadata": { "namespace": namespace, "name": name, "uid": name, "labels": labels },
        "spec": { "nodeName": "here", "containers": [{ "name": "c", "ports": ports }] },
        "status": { "phase": "Running", "podIP": address },
    })
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// Does the other side still answer on this connection?
pub fn echoes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    stream.write_all(b"ping").is_ok() && matches!(stream.read(&mut [0; 64]), Ok(1..))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn shell(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Fails with what to do, never skips.
fn demand_prerequisites() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces and loads nftables: run it as root (the pure tests need no root: \
         cargo test -p trustbridge-netpol --lib)"
    );
    for (program, package) in [("nft", "nftables"), ("ip", "iproute2")] {
        let found = Command::new(program).arg("-V").output();
        assert!(
            found.is_ok(),
            "`{program}` cannot be run ({found:?}): apt-get install {package}"
        );
    }
}
