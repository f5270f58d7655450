//! Loads a rendered table into the kernel: one transaction, in the network namespace of this process.

use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// How long nft may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why rules were not loaded. The rules from before are then still in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is missing or cannot be run.
    #[error("nft cannot be run ({0}): install the package nftables and run the agent as root")]
    Run(#[source] std::io::Error),
    /// It did not come back.
    #[error("nft did not finish within {} s: look for a stuck nft process", DEADLINE.as_secs())]
    Deadline,
    /// It refused the text.
    #[error("nft refused the rules: {0}")]
    Refused(String),
}

/// Something that loads rules; the agent's only way to the kernel.
pub trait Loader: Send + 'static {
    /// Loads the text as one transaction: all of it or nothing.
    fn load(&mut self, text: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The nft program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nft;

impl Loader for Nft {
    async fn load(&mut self, text: &str) -> Result<(), Error> {
        timeout(DEADLINE, nft(text)).await.map_err(|_| Error::Deadline)?
    }
}

async fn nft(text: &str) -> Result<(), Error> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::Run)?;
    // nft reads its whole input before it writes, so this cannot block on a full pipe the other way.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).await.map_err(Error::Run)?;
    }
    let output = child.wait_with_output().await.map_err(Error::Run)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Refused(
        said.lines().take(5).collect::<Vec<_>>().join(" | "),
    ))
}
