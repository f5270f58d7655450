//! The marketplace's metered billing API: `POST /api/usageEvent`, `POST /api/batchUsageEvent`,
//! `GET /api/usageEvents`, API version 2018-08-31.
//!
//! - One event for each resource, dimension and clock hour; another one is a duplicate, answered with what was
//!   accepted first.
//! - Nothing that is older than 24 hours, nothing in the future, nothing that is not above zero.
//! - Only with a token that this double issued, at `/{tenant}/oauth2/v2.0/token` or, with the header `Metadata`, at
//!   `/metadata/identity/oauth2/token`.
//!
//! Switches: `PUT /_double/faults`, `PUT /_double/resource`, `PUT /_double/clock`; what was accepted:
//! `GET /_double/ledger`.

mod book;
mod decimal;
mod routes;
#[cfg(test)]
mod tests;

pub use book::{Book, Recorded, Standing};
pub use routes::{Fault, FaultKind};

use crate::serve::{Listen, serve};
use axum::Router;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Settings of the metering double.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Dimensions that the plan defines; every dimension when none is given.
    #[arg(long = "dimension")]
    dimensions: Vec<String>,
    /// Life of tokens in seconds.
    #[arg(long, default_value_t = 3600)]
    token_seconds: u64,
}

struct Inner {
    book: Mutex<Book>,
    faults: Mutex<Vec<Fault>>,
    /// What is added to this machine's clock, in milliseconds.
    skew_ms: Mutex<i64>,
    tokens: Mutex<BTreeMap<String, Instant>>,
    token_life: Duration,
}

/// The double's state; cloning shares it.
#[derive(Clone)]
pub struct Metering(Arc<Inner>);

impl Metering {
    /// A double that has accepted nothing. Without `dimensions` every dimension is defined.
    #[must_use]
    pub fn new(dimensions: BTreeSet<String>, token_life: Duration) -> Self {
        Self(Arc::new(Inner {
            book: Mutex::new(Book::new(dimensions)),
            faults: Mutex::default(),
            skew_ms: Mutex::default(),
            tokens: Mutex::default(),
            token_life,
        }))
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    async fn now_ms(&self) -> i64 {
        Timestamp::now()
            .as_millisecond()
            .saturating_add(*self.0.skew_ms.lock().await)
    }
}

/// Runs the double until it is told to stop.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let dimensions = args.dimensions.into_iter().collect();
    let double = Metering::new(dimensions, Duration::from_secs(args.token_seconds));
    serve(double.router(), &args.listen).await
}
