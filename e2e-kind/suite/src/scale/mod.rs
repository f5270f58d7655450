//! The operator under many objects: the program itself, on a core of its own, against the API server in memory on the
//! other one.
//!
//! | Module | Holds |
//! |---|---|
//! | [`process`] | the operator's process: its CPU time, its memory, its counters |
//! | [`crowd`] | the objects |
//! | [`report`] | the page |

pub mod crowd;
pub mod process;
pub mod report;

use anyhow::{Context, Result, ensure};
use process::{Counters, Operator};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use trustbridge_api::labels;
use trustbridge_simkit::apiserver::{ApiServer, Key, listen};

/// Time for each part.
const LIMIT: Duration = Duration::from_mins(10);
/// How often it is looked whether a part is over.
const LOOK: Duration = Duration::from_millis(20);
/// A process that writes nothing for this long has come to rest.
const REST: Duration = Duration::from_secs(3);

/// How many of each.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Quotes.
    pub quotes: usize,
    /// Offers that they ask about.
    pub offers: usize,
    /// Pods that are there besides.
    pub pods: usize,
}

/// A part of the run: what the operator did, in which time.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// From the first object to the last reconcile.
    pub took: Duration,
    /// The operator's CPU time.
    pub cpu: Duration,
    /// What it counted.
    pub done: Counters,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Resident bytes with no object but the seller.
    pub idle_bytes: u64,
    /// Resident bytes with every object.
    pub full_bytes: u64,
    /// Every quote from nothing to Issued.
    pub issued: Part,
    /// Every quote looked at once more, with nothing to do.
    pub at_rest: Part,
    /// Bytes of the program.
    pub program_bytes: u64,
}

/// Runs `program` against a server in memory.
///
/// # Errors
/// A program that does not start, or a part that is not over in time.
pub async fn memory(program: &Path, sizes: Sizes) -> Result<Figures> {
    let server = ApiServer::new();
    for crd in trustbridge_api::crds() {
        // Rules with regular expressions are not judged here; the cost of judging is the server's, not the operator's.
        let _ = server.install(&serde_json::to_value(&crd)?);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(axum::serve(listener, listen::router(server.clone())).into_future());
    let operator = Operator::start(program, &url).await?;
    let figures = measured(&server, &operator, sizes).await;
    let figures = figures.with_context(|| format!("the operator said:\n{}", operator.last_words()));
    operator.end().await?;
    serving.abort();
    Ok(Figures {
        program_bytes: std::fs::metadata(program)?.len(),
        ..figures?
    })
}

async fn measured(server: &ApiServer, operator: &Operator, sizes: Sizes) -> Result<Figures> {
    for (plural, object) in crowd::seller() {
        seed(server, plural, object)?;
    }
    settle(operator).await?;
    let idle_bytes = operator.resident()?;
    for offer in crowd::offers(sizes.offers) {
        seed(server, "offers.trustbridge.io", offer)?;
    }
    for number in 0..sizes.pods {
        seed(server, "pods", crowd::pod(number))?;
    }
    settle(operator).await?;
    let issued = part(operator, async {
        for number in 0..sizes.quotes {
            seed(
                server,
                "quotes.trustbridge.io",
                crowd::quote(number, sizes.offers),
            )?;
        }
        let is_issued = |quote: &Value| quote.pointer("/status/phase") == Some(&json!("Issued"));
        until("every quote is Issued", async || {
            server.count("quotes.trustbridge.io", is_issued) == sizes.quotes
        })
        .await
    })
    .await?;
    settle(operator).await?;
    let before = operator.counters().await?.reconciles;
    let at_rest = part(operator, async {
        for number in 0..sizes.quotes {
            touch(server, number)?;
        }
        let wanted = before + sizes.quotes as u64;
        until("every quote is looked at", async || {
            let counters = operator.counters().await;
            counters.is_ok_and(|counters| counters.reconciles >= wanted)
        })
        .await
    })
    .await?;
    Ok(Figures {
        idle_bytes,
        full_bytes: operator.resident()?,
        issued,
        at_rest,
        program_bytes: 0,
    })
}

/// What the operator did while `work` was done.
async fn part(operator: &Operator, work: impl Future<Output = Result<()>>) -> Result<Part> {
    let (begun, cpu) = (Instant::now(), operator.cpu()?);
    let counted = operator.counters().await?;
    work.await?;
    Ok(Part {
        took: begun.elapsed(),
        cpu: operator.cpu()?.saturating_sub(cpu),
        done: operator.counters().await?.since(counted),
    })
}

fn seed(server: &ApiServer, plural: &str, object: Value) -> Result<()> {
    let made = server.seed(plural, object);
    made.map(drop).map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
}

/// A user changes what the operator does not care about.
fn touch(server: &ApiServer, number: usize) -> Result<()> {
    let key = Key {
        plural: "quotes.trustbridge.io".to_owned(),
        namespace: Some(crowd::NAMESPACE.to_owned()),
        name: crowd::name(number),
    };
    let label = |quote: &mut Value| {
        if let Some(metadata) = quote.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.insert("labels".to_owned(), json!({labels::ORDER: "looked-at"}));
        }
    };
    let changed = server.edit(&key, label);
    changed.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !is_so().await {
        ensure!(
            begun.elapsed() < LIMIT,
            "{what}: not within {} s",
            LIMIT.as_secs()
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until the operator leads, is ready, and has not done anything for a while.
async fn settle(operator: &Operator) -> Result<()> {
    let begun = Instant::now();
    let (mut last, mut since) = (None, Instant::now());
    while since.elapsed() < REST {
        ensure!(begun.elapsed() < LIMIT, "the operator does not come to rest");
        tokio::time::sleep(LOOK * 5).await;
        let now = operator.counters().await.ok();
        if now.is_none() || now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}
