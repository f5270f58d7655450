//! A server under test.

use crate::{SERVER_CORE, api::Api, load};
use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Ticks of `/proc/<pid>/stat` in a second; Linux says 100 to every program.
const TICKS: u64 = 100;
const STARTS_WITHIN: Duration = Duration::from_secs(15);

/// How a server is started.
pub struct Contender {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    address: SocketAddr,
}

/// A server that runs.
pub struct Running {
    child: Child,
    pid: Pid,
    address: SocketAddr,
    started_in: Duration,
}

impl Contender {
    /// The webhook.
    pub fn webhook(program: &Path, folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let creator = "--pod-creator=system:serviceaccount:trustbridge-system:trustbridge-operator";
        let arguments = [
            "serve",
            "--listen=127.0.0.1:18443",
            "--health-listen=127.0.0.1:18080",
            creator,
        ];
        let mut arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        arguments.push(format!("--sentinel-settings={}", file("sentinel.json")));
        Self {
            name: "webhook (Rust)",
            program: program.to_path_buf(),
            arguments,
            environment: vec![
                ("KUBECONFIG", file("kubeconfig")),
                ("RUST_LOG", "warn".to_owned()),
            ],
            address: ([127, 0, 0, 1], 18443).into(),
        }
    }

    /// The peer.
    pub fn peer(program: &Path, folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        Self {
            name: "plain Go server",
            program: program.to_path_buf(),
            arguments: vec!["127.0.0.1:18444".to_owned(), file("tls.crt"), file("tls.key")],
            environment: vec![("GOMAXPROCS", "1".to_owned())],
            address: ([127, 0, 0, 1], 18444).into(),
        }
    }

    /// Its name in the report.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it on its core and waits until it serves.
    pub async fn start(&self, api: &Api) -> Result<Running> {
        let start = Instant::now();
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let id = child.id().context("it ended at once")?;
        let pid = Pid::from_raw(i32::try_from(id)?);
        let mut set = CpuSet::new();
        set.set(SERVER_CORE)?;
        sched_setaffinity(pid, &set)?;
        while start.elapsed() < STARTS_WITHIN {
            if let Ok(connector) = api.connector()
                && load::answers(&connector, self.address).await.is_ok()
            {
                let started_in = start.elapsed();
                return Ok(Running {
                    child,
                    pid,
                    address: self.address,
                    started_in,
                });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("{} does not serve after {STARTS_WITHIN:?}", self.name)
    }
}

impl Running {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the start of the program to the first answer over TLS.
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// CPU time so far, of every thread, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / TICKS))
    }

    /// Largest resident memory so far, in KiB.
    pub fn peak_kib(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .context("no VmHWM")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }

    /// Ends it.
    pub async fn end(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGKILL)?;
        self.child.wait().await?;
        Ok(())
    }
}
