//! The admission webhook against a plain Go server: the same question of 8.5 KB over TLS 1.3, connections kept open,
//! each server on a core of its own, in turns.
//!
//! | Module | Part |
//! |---|---|
//! | [`api`] | the API server that the webhook needs: its Secret, its configurations, a TunePod, an asset |
//! | [`contender`] | a server under test: start, end, CPU time, memory |
//! | [`load`] | questions over TLS, in a loop or at a rate |
//! | [`question`] | the question |
//! | [`sameness`] | both answers make the same pod |
//! | [`report`] | medians, ratios, goals |

#![recursion_limit = "256"]

mod api;
mod contender;
mod load;
mod question;
mod report;
mod sameness;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use contender::Contender;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use report::Round;
use std::path::PathBuf;
use std::time::Duration;

/// The core of the load and of the API server's double; the servers run on the next one.
const OWN_CORE: usize = 0;
/// The core of the server under test.
const SERVER_CORE: usize = 1;

/// Measures the admission webhook against a plain Go server.
#[derive(Debug, Parser)]
struct Options {
    /// The webhook, static and built for release.
    #[arg(long)]
    webhook: PathBuf,
    /// The peer, built from `peer.go`.
    #[arg(long)]
    peer: PathBuf,
    /// Rounds; each contender runs once in each. 0 compares the answers alone.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each loop.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Seconds at a rate of 2,000 a second; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    paced_seconds: u64,
    /// Writes the report there.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let cores = std::thread::available_parallelism()?.get();
    ensure!(
        cores > SERVER_CORE,
        "two cores are needed, one for the load and one for the server"
    );
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let mut set = CpuSet::new();
    set.set(OWN_CORE)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot stay on one core")?;
    let busy = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average before: {}", busy.trim());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&options, busy.trim()))
}

async fn measure(options: &Options, busy: &str) -> Result<()> {
    let files = tempfile::Builder::new().prefix("tb-bench-webhook-").tempdir()?;
    let api = api::Api::start(files.path()).await?;
    let body = question::review();
    let ours = Contender::webhook(&options.webhook, files.path());
    // The first start makes the certificate; the peer serves the same one, so the handshakes cost the same.
    let first = ours.start(&api).await?;
    api.write_certificate(files.path())?;
    first.end().await?;
    let peer = Contender::peer(&options.peer, files.path());
    same(&ours, &peer, &api, &body).await?;
    if options.rounds == 0 {
        return Ok(());
    }
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        for contender in [&ours, &peer] {
            let round = one(contender, &api, &body, options).await?;
            println!("round {number}: {}", round.line());
            rounds.push(round);
        }
    }
    let text = report::write(&rounds, options, body.len(), busy);
    println!("{text}");
    if let Some(path) = &options.write {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Both make the same pod of the question, or nothing is measured.
async fn same(ours: &Contender, peer: &Contender, api: &api::Api, body: &str) -> Result<()> {
    let (webhook, other) = (ours.start(api).await?, peer.start(api).await?);
    let checked = sameness::check(&api.connector()?, webhook.address(), other.address(), body).await;
    webhook.end().await?;
    other.end().await?;
    let sameness::Answers(mine, theirs) = checked?;
    println!("both answers make the same pod: {mine} bytes from the webhook, {theirs} from the peer");
    Ok(())
}

async fn one(contender: &Contender, api: &api::Api, body: &str, options: &Options) -> Result<Round> {
    let server = contender.start(api).await?;
    let time = Duration::from_secs(options.seconds);
    let connector = api.connector()?;
    let lone = load::closed(&connector, server.address(), body, 1, time).await?;
    let before = server.cpu()?;
    let many = load::closed(&connector, server.address(), body, 16, time).await?;
    let cpu = server.cpu()?.saturating_sub(before);
    let paced = match options.paced_seconds {
        0 => None,
        seconds => Some(
            load::paced(
                &connector,
                server.address(),
                body,
                2000,
                Duration::from_secs(seconds),
            )
            .await?,
        ),
    };
    let round = Round {
        name: contender.name(),
        start: server.started_in(),
        lone,
        many,
        cpu,
        paced,
        peak_kib: server.peak_kib()?,
    };
    server.end().await?;
    Ok(round)
}
