//! What the tasks of one process know of each other: the state, the numbers, and who is being served.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, watch};
use trustbridge_domain::sentinel::State;
use trustbridge_secret_page::Kind;

use crate::metrics::Metrics;

/// The state and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Snapshot {
    #[serde(skip)]
    pub(crate) state: State,
    /// Since when.
    pub(crate) since: jiff::Timestamp,
    /// A stable word; empty while all is well.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
}

/// What the kernel does for this process; members are missing until they are known.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Guard {
    /// `full`, `writes_only`, `partial` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    landlock: Option<&'static str>,
    /// `memfd_secret`, `locked` or `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_memory: Option<&'static str>,
}

/// Facts that /status shows beside the state.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Ciphertext bytes of the asset; 0 until the manifest is known.
    pub(crate) ciphertext_bytes: AtomicU64,
    /// Ciphertext bytes that landed, those of an earlier start included.
    pub(crate) landed_bytes: AtomicU64,
    /// Plaintext bytes handed to a reader.
    pub(crate) delivered_bytes: AtomicU64,
    /// Whether every file has its name in memory, and the ready signal is there.
    offered: AtomicBool,
    /// Whether the manifest's digest came from a trusted side.
    pub(crate) anchored: AtomicBool,
    /// How the kernel keeps other files out of reach.
    landlock: OnceLock<&'static str>,
    /// How the kernel keeps the key out of others' reach.
    key_memory: OnceLock<&'static str>,
}

impl Facts {
    pub(crate) fn set_ciphertext_bytes(&self, bytes: u64) {
        self.ciphertext_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_landed_bytes(&self, bytes: u64) {
        self.landed_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_landed_bytes(&self, bytes: u64) {
        self.landed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_delivered_bytes(&self, bytes: u64) {
        self.delivered_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_landlock(&self, word: &'static str) {
        // It does not change while the process lives.
        let _ = self.landlock.set(word);
    }

    /// Says the first key's kind in the log, once.
    pub(crate) fn set_key_memory(&self, kind: Kind) {
        let key_memory = kind.as_str();
        if self.key_memory.set(key_memory).is_err() {
            return;
        }
        match kind {
            Kind::MemfdSecret => tracing::info!(key_memory, "the key lies in a page of its own"),
            Kind::Locked => tracing::warn!(
                key_memory,
                "the key lies in a locked page, which root can read: this kernel gives no memfd_secret"
            ),
            Kind::Plain => tracing::warn!(
                key_memory,
                "the key's page may reach swap: neither memfd_secret nor a locked page is given; raise RLIMIT_MEMLOCK"
            ),
        }
    }

    /// What the kernel does for this process, for /status.
    pub(crate) fn guard(&self) -> Guard {
        Guard {
            landlock: self.landlock.get().copied(),
            key_memory: self.key_memory.get().copied(),
        }
    }

    pub(crate) fn set_offered(&self, offered: bool) {
        self.offered.store(offered, Ordering::Release);
    }

    pub(crate) fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Acquire)
    }

    pub(crate) fn set_anchored(&self, anchored: bool) {
        self.anchored.store(anchored, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    snapshot: watch::Sender<Snapshot>,
    in_flight: AtomicUsize,
    idle: Notify,
    draining: AtomicBool,
    cutting: AtomicBool,
    /// Counters and gauges.
    pub(crate) metrics: Metrics,
    /// Facts for /status.
    pub(crate) facts: Facts,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        let first = Snapshot {
            state: State::Boot,
            since: jiff::Timestamp::now(),
            reason: String::new(),
            message: String::new(),
        };
        Arc::new(Self {
            snapshot: watch::Sender::new(first),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            draining: AtomicBool::new(false),
            cutting: AtomicBool::new(false),
            metrics: Metrics::new(),
            facts: Facts::default(),
        })
    }

    /// The state and why, now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// The state now.
    pub(crate) fn state(&self) -> State {
        self.snapshot.borrow().state
    }

    /// Records a new state.
    pub(crate) fn enter(&self, state: State, reason: &str, message: &str) {
        self.metrics.enter(state);
        self.snapshot.send_modify(|now| {
            if now.state.as_str() != state.as_str() {
                now.since = jiff::Timestamp::now();
            }
            now.state = state;
            reason.clone_into(&mut now.reason);
            message.clone_into(&mut now.message);
        });
    }

    /// Whether requests are forwarded now.
    pub(crate) fn is_serving(&self) -> bool {
        self.state().is_ready() && !self.is_draining()
    }

    /// Whether new requests are turned away because an end is near.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// New requests are turned away from now on, or again taken.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Release);
    }

    /// What is still under way is cut off from now on: not the client ends it, this process does.
    pub(crate) fn cut(&self) {
        self.cutting.store(true, Ordering::Release);
    }

    /// Whether answers are cut off by this process.
    pub(crate) fn is_cutting(&self) -> bool {
        self.cutting.load(Ordering::Acquire)
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.metrics.in_flight.inc();
        InFlight(self.clone())
    }

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Turns new requests away and waits for those under way. Whether all of them ended in time.
    pub(crate) async fn drain(&self, wait: Duration) -> bool {
        self.set_draining(true);
        let idle = async {
            loop {
                let notified = self.idle.notified();
                if self.in_flight() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(wait, idle).await.is_ok()
    }
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use std::time::Duration;
    use trustbridge_domain::sentinel::State;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_requests_under_way() {
        let shared = Shared::new();
        shared.enter(State::Ready, "", "");
        let request = shared.begin();
        assert!(shared.is_serving());
        assert!(!shared.drain(Duration::from_secs(1)).await);
        assert!(!shared.is_serving());
        let other = shared.clone();
        let waiting = tokio::spawn(async move { other.drain(Duration::from_mins(1)).await });
        tokio::task::yield_now().await;
        drop(request);
        assert!(waiting.await.unwrap());
    }
}
