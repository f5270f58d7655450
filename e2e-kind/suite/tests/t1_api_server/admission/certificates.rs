//! Certificates are exchanged while pods are being made.

use super::gate::{Ask, Gate, Who};
use super::size;
use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use trustbridge_e2e::install::NAMESPACE;

/// Clients that ask one pod after the other.
const CLIENTS: usize = 6;
/// How long one exchange may take.
const LIMIT: Duration = Duration::from_secs(20);
const HOUR: i64 = 3600;

/// The load: reviews through the API server, counted.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicUsize,
    failed: AtomicUsize,
}

impl Load {
    async fn run(self: Arc<Self>, gate: Arc<Gate>, number: usize) -> Result<Vec<String>> {
        let mut said = Vec::new();
        let ask = Ask {
            who: Who::Operator,
            method: "POST",
            path: Gate::tried(&gate.protected()),
            body: Gate::pod(&gate.protected(), &format!("load-{number}")),
        };
        while !self.stop.load(Ordering::Relaxed) {
            match gate.ask(&ask).await? {
                Ok(pod) if pod["spec"]["initContainers"][0]["name"] == "tb-sentinel" => {
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(pod) => anyhow::bail!("a pod without its sentinel: {pod}"),
                Err(refusal) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    said.push(refusal.message.clone());
                }
            }
        }
        Ok(said)
    }

    /// Starts the clients.
    fn start(self: &Arc<Self>, gate: &Arc<Gate>) -> Vec<tokio::task::JoinHandle<Result<Vec<String>>>> {
        (0..CLIENTS)
            .map(|number| tokio::spawn(self.clone().run(gate.clone(), number)))
            .collect()
    }
}

fn secret_path() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets/trustbridge-webhook-tls")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Writes when each certificate ends, as a clock that has moved on would find it.
async fn pretend(gate: &Gate, authority: (i64, i64), leaf: (i64, i64)) -> Result<Value> {
    let secret = gate.read(&secret_path()).await?;
    let held = secret
        .pointer("/data/validity.json")
        .and_then(Value::as_str)
        .context("no validity.json")?;
    let mut validity: Value = serde_json::from_slice(&BASE64.decode(held.as_bytes())?)?;
    validity["authority"] = json!({"from": authority.0, "to": authority.1});
    validity["leaf"] = json!({"from": leaf.0, "to": leaf.1});
    let text = BASE64.encode(validity.to_string().as_bytes());
    let ask = Ask {
        who: Who::Admin,
        method: "PATCH",
        path: secret_path(),
        body: json!({"data": {"validity.json": text}}),
    };
    gate.ask(&ask)
        .await?
        .map_err(|refusal| anyhow::anyhow!("{}", refusal.message))?;
    Ok(secret)
}

/// Waits until the entry of the Secret is another one, and answers the Secret.
async fn until_new(gate: &Gate, before: &Value, entry: &str) -> Result<()> {
    let path = format!("/data/{}", entry.replace('/', "~1"));
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if gate.read(&secret_path()).await?.pointer(&path) != before.pointer(&path) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("{entry} was not renewed within {LIMIT:?}")
}

/// Authorities and leaves in turn, under load: not one admission may fail.
pub async fn rotations(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let count = size(10, 50);
    let load = Arc::new(Load::default());
    let clients = load.start(&gate);
    let start = Instant::now();
    for number in 0..count {
        let year = now() + 8760 * HOUR;
        let (entry, before) = if number % 2 == 0 {
            // Two thirds of the authority's life are over.
            let before = pretend(
                &gate,
                (now() - 20 * HOUR, now() + HOUR),
                (now() - HOUR, now() + 100 * HOUR),
            )
            .await?;
            ("ca.crt", before)
        } else {
            let before = pretend(&gate, (now() - HOUR, year), (now() - 20 * HOUR, now() + HOUR)).await?;
            ("tls.crt", before)
        };
        until_new(&gate, &before, entry).await?;
        // Both replicas take it up, and the API server opens connections to it.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    let mut said = Vec::new();
    for client in clients {
        said.extend(client.await??);
    }
    let (done, failed) = (
        load.done.load(Ordering::Relaxed),
        load.failed.load(Ordering::Relaxed),
    );
    let rate = f64::from(u32::try_from(done)?) / start.elapsed().as_secs_f64();
    println!("{count} rotations under {rate:.0} reviews/s: {done} admissions, {failed} failed");
    ensure!(
        failed == 0,
        "{failed} admissions failed, the first: {:?}",
        said.first()
    );
    ensure!(done > count * 20, "the load was {done} admissions alone");
    Ok(())
}

/// Authority and leaf both over, as after a long sleep: new ones are made at once, and admission goes on by itself.
pub async fn expiry(gate: Arc<Gate>) -> Result<()> {
    let _turn = gate.turn.write().await;
    let ask = Ask {
        who: Who::Operator,
        method: "POST",
        path: Gate::tried(&gate.protected()),
        body: Gate::pod(&gate.protected(), "after-expiry"),
    };
    let past = (now() - 100 * HOUR, now() - HOUR);
    let before = pretend(&gate, past, past).await?;
    let start = Instant::now();
    until_new(&gate, &before, "ca.crt").await?;
    until_new(&gate, &before, "tls.crt").await?;
    let renewed = start.elapsed();
    let (mut in_a_row, mut refused) = (0, 0);
    while in_a_row < 20 {
        ensure!(
            start.elapsed() < LIMIT,
            "no admission for {LIMIT:?} after the expiry"
        );
        if gate.ask(&ask).await?.is_ok() {
            in_a_row += 1;
        } else {
            refused += 1;
            in_a_row = 0;
        }
    }
    println!(
        "past every expiry: renewed in {:.1} s, twenty admissions in a row after {:.1} s, {refused} refused between",
        renewed.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
