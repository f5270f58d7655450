//! One sentinel with everything around it, and what every case asks of it in the end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;
use trustbridge_tbenc::hex_digest;

use super::asset::Asset;
use super::model::Model;
use super::plane::Plane;
use super::process::{Sentinel, eventually, get};
use super::store::Store;
use super::trust::{Authority, Flaw};
use super::wire;

/// Bytes of a range, and ranges at a time, in every case.
pub const RANGE: usize = 65_536;
pub const WORKERS: usize = 4;

/// A single-file asset, made once.
pub fn single() -> &'static Asset {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    ASSET.get_or_init(Asset::single)
}

/// A directory of files, made once.
pub fn directory() -> &'static Asset {
    static ASSET: OnceLock<Asset> = OnceLock::new();
    ASSET.get_or_init(Asset::directory)
}

pub struct Scene {
    pub asset: &'static Asset,
    pub plane: Arc<Plane>,
    pub store: Arc<Store>,
    pub model: Arc<Model>,
    pub disk: tempfile::TempDir,
    pub memory: tempfile::TempDir,
    pub authority: Authority,
    pub ip: IpAddr,
    control: SocketAddr,
    pub tokio: tokio::runtime::Runtime,
}

impl Scene {
    pub fn new(asset: &'static Asset) -> Self {
        let disk = tempfile::tempdir().unwrap();
        let authority = Authority::new(&disk.path().join("ca.crt"));
        let ip = own_ip();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (plane, store) = (Plane::new(asset), Store::new(asset));
        let free = SocketAddr::from((ip, 0));
        let tls = authority.acceptor(ip, Flaw::None);
        let at = wire::serve(tokio.handle(), free, Some(tls.clone()), store.script());
        *plane.store.lock().unwrap() = Some(at);
        let control = wire::serve(tokio.handle(), free, Some(tls), plane.script());
        let model = Model::start(tokio.handle(), SocketAddr::from((ip, 8081)));
        Self {
            asset,
            plane,
            store,
            model,
            memory: tempfile::tempdir_in("/dev/shm").unwrap(),
            disk,
            authority,
            ip,
            control,
            tokio,
        }
    }

    pub fn public(&self) -> SocketAddr {
        SocketAddr::from((self.ip, 8000))
    }

    pub fn target(&self) -> PathBuf {
        self.disk.path().join("cipher")
    }

    /// The ciphertext of the single file, on the disk.
    pub fn landed(&self) -> PathBuf {
        self.target().join("model.tbenc")
    }

    pub fn pipe(&self) -> PathBuf {
        self.memory.path().join("model-pipe")
    }

    pub fn signal(&self) -> PathBuf {
        self.memory.path().join("ready.signal")
    }

    pub fn audit(&self) -> PathBuf {
        self.disk.path().join("audit/audit.jsonl")
    }

    /// What a runtime has to read.
    pub fn weights(&self) -> Vec<PathBuf> {
        if self.asset.directory {
            let dir = self.memory.path().join("model");
            self.asset.weights().iter().map(|path| dir.join(path)).collect()
        } else {
            vec![self.pipe()]
        }
    }

    pub fn start(&self) -> Sentinel {
        self.start_with(&[], &[])
    }

    /// Starts the program with more variables, below a program that prepares something for it.
    pub fn start_with(&self, more: &[(&str, &str)], below: &[&str]) -> Sentinel {
        let program = env!("CARGO_BIN_EXE_trustbridge-sentinel");
        let mut command = match below.split_first() {
            Some((first, arguments)) => {
                let mut command = Command::new(first);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        let path = |place: PathBuf| place.into_os_string();
        let log = self.disk.path().join("sentinel.log");
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TB_CONTRACT_ID", "contract-allow")
            .env("TB_ASSET_ID", super::asset::ID)
            .env("TB_EDC_ENDPOINT", format!("https://{}", self.control))
            .env("TB_CA_PATH", self.disk.path().join("ca.crt"))
            .env("TB_TARGET_DIR", path(self.target()))
            .env("TB_STATE_DIR", self.disk.path().join("state"))
            .env("TB_MODEL_DIR", self.memory.path().join("model"))
            .env("TB_PIPE_PATH", path(self.pipe()))
            .env("TB_READY_SIGNAL", path(self.signal()))
            .env("TB_AUDIT_PATH", path(self.audit()))
            .env("TB_TERMINATION_LOG", self.disk.path().join("termination-log"))
            .env(
                "TB_RUNTIME_URL",
                format!("http://{}", SocketAddr::from((self.ip, 8081))),
            )
            .env("TB_PUBLIC_ADDR", self.public().to_string())
            .env("TB_ADMIN_ADDR", SocketAddr::from((self.ip, 8001)).to_string())
            .env("TB_NODE_NAME", "node-1")
            .env("TB_DOWNLOAD_CHUNK_BYTES", RANGE.to_string())
            .env("TB_DOWNLOAD_CONCURRENCY", WORKERS.to_string())
            .env("TB_DOWNLOAD_IDLE_SECONDS", "1")
            .env("TB_EXPIRY_GRACE_SECONDS", "2")
            .env("TB_LOG_LEVEL", "debug")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            // A script below which it runs is ended with it.
            .process_group(0);
        Sentinel::watched(command.spawn().unwrap(), self, log)
    }

    /// Reads the weights as a loader does, compares, and is healthy.
    pub fn load(&self) {
        eventually("the ready signal", || self.signal().exists());
        for place in self.weights() {
            let bytes = std::fs::read(&place).unwrap();
            let name = place.file_name().unwrap().to_string_lossy().into_owned();
            let name = if name == "model-pipe" {
                "model.tbenc".to_owned()
            } else {
                name
            };
            assert_eq!(hex_digest(&bytes), self.asset.sha256(&name), "{name}: plaintext");
        }
        self.model.is_healthy();
    }

    /// Ciphertext bytes of all files.
    pub fn ciphertext_bytes(&self) -> usize {
        self.asset.blobs.values().map(Vec::len).sum()
    }

    /// At most the asset, and so much more.
    pub fn fetched_at_most(&self, more: usize) {
        let (asked, all) = (self.store.asked_bytes(), self.ciphertext_bytes());
        assert!(
            asked <= all + more,
            "{asked} bytes were asked for, {all} + {more} are allowed"
        );
    }

    /// Loads, is served, ends at SIGTERM.
    pub fn gets_ready(&self, sentinel: &mut Sentinel) {
        // A signal that is there before may be of a start that was killed.
        sentinel.wait_for("Decrypt");
        self.load();
        sentinel.wait_for("Ready");
        assert_eq!(get(self.public(), "/v1/models").status, 200);
        sentinel.stops(0);
        self.nothing_secret(sentinel);
    }

    /// Ends as a failure by itself, with this cause, without ever having been open.
    pub fn gives_up(&self, sentinel: &mut Sentinel, cause: &str) -> Value {
        let code = sentinel.ended().code();
        assert_eq!(code, Some(1), "{}", sentinel.log());
        let report = self.closed(sentinel, cause);
        assert!(!sentinel.was_open(), "port 8000 was open");
        report
    }

    /// Is suspended with this cause and stays; ends at SIGTERM.
    pub fn is_suspended(&self, sentinel: &mut Sentinel, cause: &str) -> Value {
        let status = sentinel.wait_for("Suspended");
        assert_eq!(status["cause"], cause, "{status}");
        let report = self.closed(sentinel, cause);
        assert_eq!(report["state"], "Suspended");
        // What was on the wire already may still arrive.
        let moment = Duration::from_millis(300);
        std::thread::sleep(moment);
        let asked = || (self.plane.asked(), self.store.hits.load(Ordering::SeqCst));
        let before = asked();
        std::thread::sleep(moment);
        // Both doors are closed behind it: a suspended sentinel asks nobody.
        assert_eq!(before, asked());
        sentinel.stops(0);
        self.nothing_secret(sentinel);
        report
    }

    /// Nothing of the plaintext is left, and the reason stands where the kubelet looks.
    fn closed(&self, sentinel: &Sentinel, cause: &str) -> Value {
        eventually("the ready signal is gone", || !self.signal().exists());
        assert!(!self.pipe().exists(), "a FIFO was left");
        let left = |dir: PathBuf| std::fs::read_dir(dir).map_or(0, Iterator::count);
        assert_eq!(left(self.memory.path().join("model")), 0, "plaintext was left");
        let path = self.disk.path().join("termination-log");
        let mut report = Value::Null;
        eventually("the termination message", || {
            let text = std::fs::read(&path).unwrap_or_default();
            report = serde_json::from_slice(&text).unwrap_or_default();
            !report.is_null()
        });
        assert_eq!(report["cause"], cause, "{report}\n{}", sentinel.log());
        self.nothing_secret(sentinel);
        report
    }

    /// Neither key nor SAS is in what the program said, and its port was not open too early.
    fn nothing_secret(&self, sentinel: &Sentinel) {
        assert!(
            !sentinel.was_early(),
            "port 8000 was open before anything was loaded"
        );
        let mut said = sentinel.log();
        for place in [self.disk.path().join("termination-log"), self.audit()] {
            said.push_str(&std::fs::read_to_string(place).unwrap_or_default());
        }
        let key = self.asset.key.to_hex();
        assert!(
            !said.contains("sig=") && !said.contains("secret-"),
            "a SAS was told"
        );
        assert!(!said.to_lowercase().contains(&key[..16]), "a key was told");
    }
}

/// A loopback address of this scene's own, by process and number, so that fixed ports are free there.
fn own_ip() -> IpAddr {
    static SCENES: AtomicU16 = AtomicU16::new(1);
    let scene = SCENES.fetch_add(1, Ordering::Relaxed);
    let [high, low] = scene.to_be_bytes();
    let process = std::process::id().to_be_bytes()[3];
    Ipv4Addr::new(127, 64 + (process & 127), high, low).into()
}

/// Whether any regular file below holds something that was asked for.
pub fn largest_file(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => largest_file(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.max().unwrap_or(0)
}
