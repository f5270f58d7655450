//! A world for one sentinel: control plane and blob store over TLS, an asset, a runtime, and the process itself.

pub mod asset;
pub mod runtime;
pub mod servers;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use asset::Asset;
pub use runtime::Runtime;
pub use servers::Servers;

/// Long enough for a busy machine; a test that waits for something that must come fails after it.
pub const PATIENCE: Duration = Duration::from_mins(1);

const PROGRAM: &str = env!("CARGO_BIN_EXE_trustbridge-sentinel");

/// A user that owns nothing else.
pub const NOBODY: u32 = 65_534;

pub struct World {
    pub servers: Servers,
    pub disk: tempfile::TempDir,
    pub memory: tempfile::TempDir,
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub runtime: SocketAddr,
}

impl World {
    pub fn new(asset: &Asset) -> Self {
        let disk = tempfile::tempdir().unwrap();
        let own = own_ip();
        let servers = Servers::start(asset, disk.path(), own);
        let at = |port| SocketAddr::from((own, port));
        Self {
            servers,
            disk,
            memory: tempfile::tempdir_in("/dev/shm").unwrap(),
            public: at(8000),
            admin: at(8001),
            runtime: at(8081),
        }
    }

    pub fn target(&self) -> PathBuf {
        self.disk.path().join("cipher")
    }

    pub fn model_dir(&self) -> PathBuf {
        self.memory.path().join("model")
    }

    pub fn pipe(&self) -> PathBuf {
        self.memory.path().join("model-pipe")
    }

    pub fn ready_signal(&self) -> PathBuf {
        self.memory.path().join("ready.signal")
    }

    pub fn audit_path(&self) -> PathBuf {
        self.disk.path().join("audit/audit.jsonl")
    }

    pub fn termination_log(&self) -> PathBuf {
        self.disk.path().join("termination-log")
    }

    pub fn sentinel(&self, more: &[(&str, &str)]) -> Sentinel {
        self.start(Command::new(PROGRAM), more)
    }

    /// A sentinel of a user without any right, which needs a program and places that this user can reach.
    pub fn sentinel_of_nobody(&self) -> Sentinel {
        let program = self.disk.path().join("sentinel");
        std::fs::copy(PROGRAM, &program).unwrap();
        for place in [self.disk.path(), self.memory.path()] {
            give_away(place);
        }
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY);
        self.start(command, &[])
    }

    fn start(&self, mut command: Command, more: &[(&str, &str)]) -> Sentinel {
        let log = self.disk.path().join("sentinel.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command
            .arg("serve")
            .env_clear()
            .env("TB_CONTRACT_ID", "contract-allow")
            .env("TB_ASSET_ID", "tb-asset-e2e-001")
            .env("TB_EDC_ENDPOINT", format!("https://{}", self.servers.control))
            .env("TB_CA_PATH", self.disk.path().join("ca.crt"))
            .env("TB_TARGET_DIR", self.target())
            .env("TB_STATE_DIR", self.disk.path().join("state"))
            .env("TB_MODEL_DIR", self.model_dir())
            .env("TB_PIPE_PATH", self.pipe())
            .env("TB_READY_SIGNAL", self.ready_signal())
            .env("TB_AUDIT_PATH", self.audit_path())
            .env("TB_TERMINATION_LOG", self.termination_log())
            .env("TB_RUNTIME_URL", format!("http://{}", self.runtime))
            .env("TB_PUBLIC_ADDR", self.public.to_string())
            .env("TB_ADMIN_ADDR", self.admin.to_string())
            .env("TB_NODE_NAME", "node-1")
            .env("TB_PROXY_ALLOW", "/v1/demo")
            .env("TB_DOWNLOAD_CHUNK_BYTES", "65536")
            .env("TB_LOG_LEVEL", "debug")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Sentinel {
            child: command.spawn().unwrap(),
            admin: self.admin,
            log,
        }
    }

    pub fn public_is_open(&self) -> bool {
        TcpStream::connect_timeout(&self.public, Duration::from_secs(1)).is_ok()
    }
}

pub struct Sentinel {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Sentinel {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn status(&self) -> Option<serde_json::Value> {
        let answer = try_http(
            self.admin,
            "GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )?;
        serde_json::from_str(&answer.body).ok()
    }

    pub fn wait_for(&mut self, state: &str) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.status().filter(|status| status["state"] == state) {
                return status;
            }
            if let Some(ended) = self.child.try_wait().unwrap() {
                panic!("it ended with {ended} while {state} was awaited:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{state} was not reached:\n{}", self.log());
    }

    pub fn probe(&self, path: &str) -> u16 {
        http(
            self.admin,
            &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )
        .status
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end:\n{}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives a folder and what is in it to [`NOBODY`].
fn give_away(place: &Path) {
    std::os::unix::fs::chown(place, Some(NOBODY), Some(NOBODY)).unwrap();
    if place.is_dir() {
        for entry in std::fs::read_dir(place).unwrap().flatten() {
            give_away(&entry.path());
        }
    }
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends these very bytes and reads until the other side closes.
pub fn http(address: SocketAddr, request: &str) -> Answer {
    try_http(address, request).expect("an HTTP answer")
}

fn try_http(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    http(
        address,
        &format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer client-token\r\nconnection: close\r\n\r\n"
        ),
    )
}

pub fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    let head = "host: x\r\ncontent-type: application/json\r\nconnection: close";
    http(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came: {what}");
}

/// A loopback address of this world's own. Ports that were free a moment ago are not enough: connections of
/// other tests take them.
fn own_ip() -> Ipv4Addr {
    static WORLDS: AtomicU8 = AtomicU8::new(2);
    let world = WORLDS.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, world, high, low.clamp(1, 254))
}

/// What a runtime has to read.
pub fn weights(world: &World, asset: &Asset) -> Vec<PathBuf> {
    if asset.directory {
        asset
            .weights()
            .iter()
            .map(|path| world.model_dir().join(path))
            .collect()
    } else {
        vec![world.pipe()]
    }
}
