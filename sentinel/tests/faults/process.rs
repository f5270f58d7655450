//! The program as a process, and what can be asked of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::scene::Scene;

/// Long enough for a busy machine; a case that waits for something that must come fails after it.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// From SIGTERM to the end, where nothing is in flight.
pub const SOON: Duration = Duration::from_secs(5);

/// A process, and somebody who tries its public port all the time.
pub struct Sentinel {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
    open: Arc<AtomicBool>,
    early: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

impl Sentinel {
    pub fn watched(child: Child, scene: &Scene, log: PathBuf) -> Self {
        let admin = SocketAddr::from((scene.ip, 8001));
        let sentinel = Self {
            child,
            admin,
            log,
            open: Arc::default(),
            early: Arc::default(),
            gone: Arc::default(),
        };
        let (open, gone, public) = (sentinel.open.clone(), sentinel.gone.clone(), scene.public());
        let (early, model) = (sentinel.early.clone(), scene.model.clone());
        std::thread::spawn(move || {
            while !gone.load(Ordering::SeqCst) && !open.load(Ordering::SeqCst) {
                if TcpStream::connect_timeout(&public, Duration::from_secs(1)).is_ok() {
                    early.store(!model.ever_healthy(), Ordering::SeqCst);
                    open.store(true, Ordering::SeqCst);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        sentinel
    }

    /// Whether its public port could be reached.
    pub fn was_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Whether it was before anything was loaded.
    pub fn was_early(&self) -> bool {
        self.early.load(Ordering::SeqCst)
    }

    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&try_http(self.admin, &plain_get("/status"))?.body).ok()
    }

    pub fn state(&self) -> String {
        let status = self.status().unwrap_or_default();
        status["state"].as_str().unwrap_or_default().to_owned()
    }

    pub fn wait_for(&mut self, state: &str) -> Value {
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

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// As the kernel's killer does it.
    pub fn dies(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    pub fn ended(&mut self) -> ExitStatus {
        self.ended_within(PATIENCE)
    }

    fn ended_within(&mut self, time: Duration) -> ExitStatus {
        let until = Instant::now() + time;
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended;
            }
            assert!(
                Instant::now() < until,
                "it did not end within {time:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends soon after SIGTERM, with this code.
    pub fn stops(&mut self, code: i32) {
        self.signal(Signal::SIGTERM);
        let ended = self.ended_within(SOON);
        assert_eq!(ended.code(), Some(code), "{}", self.log());
    }

    /// Ends after SIGTERM in the time of a drain.
    pub fn drains(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.ended_within(Duration::from_secs(31)).code(), Some(0));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: String,
}

fn plain_get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

pub fn get(address: SocketAddr, path: &str) -> Said {
    try_http(address, &plain_get(path)).expect("an answer")
}

/// Sends these very bytes and reads until the other side closes.
pub fn try_http(address: SocketAddr, request: &str) -> Option<Said> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = Vec::new();
    // A reset after the answer takes nothing from what was read.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Said {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
