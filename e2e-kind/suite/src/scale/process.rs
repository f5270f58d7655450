//! The operator's process, on the second core where there is one.

use anyhow::{Context, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};
use serde_json::json;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Time to start.
const START: Duration = Duration::from_secs(30);
/// Bytes of its log that are shown.
const WORDS: usize = 4_000;

/// What the operator counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reconciles of all controllers, however they ended.
    pub reconciles: u64,
    /// Reconciles that failed.
    pub failed: u64,
    /// Writes to the API server.
    pub writes: u64,
}

impl Counters {
    /// What came since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            reconciles: self.reconciles.saturating_sub(before.reconciles),
            failed: self.failed.saturating_sub(before.failed),
            writes: self.writes.saturating_sub(before.writes),
        }
    }

    fn read(text: &str) -> Self {
        let sum = |name: &str, is_in: &dyn Fn(&str) -> bool| {
            let lines = text.lines().filter(|line| line.starts_with(name) && is_in(line));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        };
        let reconciles = "trustbridge_operator_reconciles_total{";
        Self {
            reconciles: sum(reconciles, &|_| true),
            failed: sum(reconciles, &|line| !line.contains("result=\"ok\"")),
            writes: sum("trustbridge_operator_writes_total{", &|_| true),
        }
    }
}

/// The operator while it runs.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    pid: u32,
    admin: SocketAddr,
    log: PathBuf,
    _files: TempDir,
}

impl Operator {
    /// Starts it against the API server at `url`, which speaks HTTP.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn start(program: &Path, url: &str) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("tb-scale-").tempdir()?;
        let (kubeconfig, log) = (files.path().join("kubeconfig"), files.path().join("log"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "memory",
            "clusters": [{"name": "memory", "cluster": {"server": url}}],
            "users": [{"name": "memory", "user": {}}],
            "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "memory"}}],
        });
        fs::write(&kubeconfig, config.to_string())?;
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let out = fs::File::create(&log)?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "1"]).arg(program);
        command
            .arg("--node-pool-provider=static")
            .arg(format!("--admin-addr={admin}"));
        command
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .env("TB_IDENTITY", "scale");
        command.env("RUST_LOG", "warn");
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .context("cannot start `taskset`; install util-linux")?;
        // `taskset` becomes the program: the process is the same.
        let pid = child.id().context("the operator ended at once")?;
        let operator = Self {
            child,
            pid,
            admin,
            log,
            _files: files,
        };
        operator.until_ready().await?;
        Ok(operator)
    }

    async fn until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answer = self.asked("/readyz").await;
            if answer.as_ref().is_ok_and(|text| text.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < START,
                "the operator is not ready within {} s: {answer:?}\n{}",
                START.as_secs(),
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it counted so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counters(&self) -> Result<Counters> {
        self.asked("/metrics").await.map(|text| Counters::read(&text))
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The second field is a name in parentheses, which may hold anything.
        let (_, rest) = text.rsplit_once(')').context("/proc/PID/stat has no name")?;
        let fields: Vec<u64> = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        let ticks: u64 = fields.iter().sum();
        let per_second = sysconf(SysconfVar::CLK_TCK)?.and_then(|ticks| u64::try_from(ticks).ok());
        Ok(Duration::from_millis(ticks * 1_000 / per_second.unwrap_or(100)))
    }

    /// Resident bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .context("/proc/PID/status has no VmRSS")?
            .parse()?;
        Ok(kib * 1_024)
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let begin = text.char_indices().rev().nth(WORDS).map_or(0, |(at, _)| at);
        text.get(begin..).unwrap_or_default().to_owned()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    async fn asked(&self, path: &str) -> Result<String> {
        let asking = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            anyhow::Ok(text)
        };
        tokio::time::timeout(Duration::from_secs(5), asking).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let text = "\
            # TYPE trustbridge_operator_reconciles counter\n\
            trustbridge_operator_reconciles_total{controller=\"Quote\",result=\"ok\"} 7\n\
            trustbridge_operator_reconciles_total{controller=\"Offer\",result=\"conflict\"} 2\n\
            trustbridge_operator_writes_total{verb=\"status\",result=\"ok\"} 5\n";
        let read = Counters::read(text);
        let wanted = Counters {
            reconciles: 9,
            failed: 2,
            writes: 5,
        };
        assert_eq!(read, wanted);
        assert_eq!(wanted.since(wanted), Counters::default());
    }
}
