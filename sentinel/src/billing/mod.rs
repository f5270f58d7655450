//! Billing: counters of what is used, an outbox of intervals on the disk, and, on machines without an operator, the
//! agent that reports them to the marketplace's metering service.
//!
//! In Kubernetes the outbox waits at `GET :8001/usage` for the operator, which alone may call the metering service. On a
//! machine of its own (`TB_METERING_URL` is set) the sentinel does. What was counted since the last interval was
//! closed is in memory: a process that is killed loses it, at most one interval (60 s).

mod agent;
mod books;
mod chain;
mod clock;
mod counters;
mod meter;
mod outbox;
mod run;
mod service;
#[cfg(test)]
mod simulation;
mod storage;
mod tariff;
mod usage;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use counters::Counter;
pub(crate) use meter::AnswerMeter;
pub(crate) use outbox::{Error, Page};
pub(crate) use run::{close, on_own_thread, own_meter, run};
pub(crate) use tariff::{DEFAULT as DEFAULT_DIMENSIONS, Term, parse as parse_dimensions};
pub(crate) use usage::{Asked, Unasked, Wish, is_stream};

use crate::metrics::Metrics;
use counters::Counters;
use outbox::{Outbox, SharedOutbox};
use storage::Folder;

/// Records in one answer to `GET /usage`, at most.
pub(crate) const PAGE: usize = 1000;
/// Intervals while the outbox is more than half full.
const LONG_INTERVAL: Duration = Duration::from_hours(1);

/// The interval that is being counted.
#[derive(Debug)]
struct Open {
    from: jiff::Timestamp,
    began: Instant,
}

/// Counters and outbox of this process.
#[derive(Debug)]
pub(crate) struct Billing {
    boot: String,
    counters: Counters,
    /// Answers that should have told their tokens, and did not.
    silent: AtomicU64,
    outbox: SharedOutbox<Folder>,
    open: Mutex<Open>,
}

impl Billing {
    /// Opens the outbox in `state_dir`, or makes one.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, Error> {
        let boot = uuid::Uuid::new_v4().to_string();
        let outbox = Outbox::open(Folder::open(state_dir)?, &boot)?;
        let open = Open {
            from: jiff::Timestamp::now(),
            began: Instant::now(),
        };
        Ok(Self {
            boot,
            counters: Counters::default(),
            silent: AtomicU64::new(0),
            outbox: SharedOutbox::new(outbox),
            open: Mutex::new(open),
        })
    }

    /// The id of this start of the process.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Counts.
    pub(crate) fn count(&self, counter: Counter, amount: u64) {
        self.counters.add(counter, amount);
    }

    fn count_silent(&self) {
        self.silent.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes down what was used since the last time; nothing where nothing was. It waits for the disk. After an
    /// error the interval stays open and goes on.
    pub(crate) fn close_interval(&self, metrics: &Metrics) -> Result<(), Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let length = open.began.elapsed();
        let to = open.from.checked_add(length).unwrap_or(open.from);
        let counts = self.counters.take();
        if !counts.is_empty() {
            let written = self.outbox.lock().append(open.from, to, counts.clone());
            if let Err(error) = written {
                self.counters.put_back(&counts);
                metrics.usage_errors.inc();
                return Err(error);
            }
            for (counter, name) in Counter::ALL {
                metrics.used(name, counts.get(counter));
            }
        }
        *open = Open {
            from: jiff::Timestamp::now(),
            began: Instant::now(),
        };
        Ok(())
    }

    /// Whether it is time to close the interval, where `interval` is the usual length. It may wait for the disk.
    fn is_time(&self, interval: Duration) -> bool {
        let crowded = self.outbox.lock().is_crowded();
        let length = if crowded {
            LONG_INTERVAL.max(interval)
        } else {
            interval
        };
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .began
            .elapsed()
            >= length
    }

    /// Records after number `after`. It waits for the disk.
    pub(crate) fn page(&self, after: u64, limit: usize) -> Result<Page, Error> {
        self.outbox.lock().page(after, limit.min(PAGE))
    }

    /// The reader has everything up to `seq`, whose hash is `hash`. It waits for the disk.
    pub(crate) fn acknowledge(&self, seq: u64, hash: &str) -> Result<(), Error> {
        self.outbox.lock().acknowledge(seq, Some(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::{Billing, Counter};
    use crate::metrics::Metrics;

    #[test]
    fn an_interval_without_use_leaves_no_record_and_one_with_use_one() {
        let dir = tempfile::tempdir().unwrap();
        let billing = Billing::open(dir.path()).unwrap();
        let metrics = Metrics::new();
        billing.close_interval(&metrics).unwrap();
        billing.count(Counter::Requests, 1);
        billing.close_interval(&metrics).unwrap();
        billing.close_interval(&metrics).unwrap();
        let page = serde_json::to_value(billing.page(0, 10).unwrap()).unwrap();
        assert_eq!(page["records"].as_array().unwrap().len(), 1);
        let hash = page["records"][0]["hash"].as_str().unwrap();
        billing.acknowledge(1, "0").unwrap_err();
        billing.acknowledge(1, hash).unwrap();
        // What cannot be written stays counted.
        billing.count(Counter::Requests, 2);
        std::fs::remove_file(dir.path().join(super::outbox::NAME)).unwrap();
        billing.close_interval(&metrics).unwrap_err();
        assert_eq!(billing.counters.take().get(Counter::Requests), 2);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("trustbridge_sentinel_used_total{kind=\"requests\"} 1"),
            "{text}"
        );
    }
}
