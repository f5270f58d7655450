//! Leader election over a Lease.
//!
//! Renewed at a third of its duration; writing stops at two thirds ([`Leader::is_current`]), long before
//! anybody else may claim it at the whole. Expiry is counted on our own monotonic clock from when we last
//! saw the Lease change, so clocks that disagree do no harm. Claims carry the resource version: of two
//! that race, one gets a conflict. A lease is no mutual exclusion (a stopped process wakes late), which is
//! why every external effect is also idempotent by name.

use crate::client::words;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a claim holds.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub const RENEW: Duration = Duration::from_secs(5);
/// How long after a renewal the holder may write.
pub const WRITE: Duration = Duration::from_secs(10);
/// Time for one call.
const CALL: Duration = Duration::from_secs(4);
/// How often a follower looks.
const LOOK: Duration = Duration::from_secs(2);

/// A Lease as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; `None` when it was given up.
    pub holder: Option<String>,
    /// How long a claim of that holder holds.
    pub duration: Duration,
    /// How often it changed hands.
    pub transitions: i32,
    /// Its version.
    pub resource_version: String,
}

/// What to do about the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// It is ours, free, or expired: write our name, and this number of transitions.
    Claim {
        /// How often it has changed hands then.
        transitions: i32,
    },
    /// Somebody else holds it, for at most that long.
    Wait(Duration),
}

/// Decides from the lease as `seen`, unchanged for `unchanged`. Our own name is taken up again at once:
/// it is the trace of this very process before a restart.
#[must_use]
pub fn evaluate(seen: Option<&Record>, unchanged: Duration, me: &str) -> Step {
    let Some(record) = seen else { return Step::Create };
    match record.holder.as_deref() {
        Some(holder) if holder == me => Step::Claim {
            transitions: record.transitions,
        },
        Some(_) if unchanged < record.duration => Step::Wait(record.duration.saturating_sub(unchanged)),
        _ => Step::Claim {
            transitions: record.transitions.saturating_add(1),
        },
    }
}

/// Knows whether this process leads.
#[derive(Clone, Debug)]
pub struct Leader(watch::Receiver<Option<Instant>>);

impl Leader {
    /// Whether this process may write now. Asked before each write.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this process leads.
    pub async fn acquired(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A leader without an election, for tools and tests that are alone.
    #[must_use]
    pub fn alone() -> Self {
        let far = Instant::now().checked_add(Duration::from_hours(8760));
        Self(watch::channel(far).1)
    }
}

/// Why an election ended.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else claimed the lease.
    #[error("the lease was claimed by '{0}'")]
    Taken(String),
    /// It could not be renewed within its time.
    #[error("the lease was not renewed in time: {0}")]
    Expired(String),
}

/// A candidate.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    me: String,
    seen: Option<(Record, Instant)>,
    tell: watch::Sender<Option<Instant>>,
}

enum Outcome {
    Held,
    HeldBy(String, Duration),
}

impl Candidate {
    /// A candidate called `me` for the lease `name`, and what tells whether it leads.
    #[must_use]
    pub fn new(api: Api<Lease>, name: &str, me: &str) -> (Self, Leader) {
        let (tell, receiver) = watch::channel(None);
        (
            Self {
                api,
                name: name.to_owned(),
                me: me.to_owned(),
                seen: None,
                tell,
            },
            Leader(receiver),
        )
    }

    /// Campaigns, leads, and returns when leadership is lost: the process should end then.
    pub async fn run(mut self) -> Lost {
        let mut held_since: Option<Instant> = None;
        loop {
            // The claim counts from before the call: what the server saw was not earlier.
            let started = Instant::now();
            let pause = match tokio::time::timeout(CALL, self.attempt()).await {
                Ok(Ok(Outcome::Held)) => {
                    if held_since.is_none() {
                        tracing::info!(lease = self.name, identity = self.me, "leading");
                    }
                    held_since = Some(started);
                    self.tell.send_replace(started.checked_add(WRITE));
                    RENEW
                }
                Ok(Ok(Outcome::HeldBy(holder, _))) if held_since.is_some() => {
                    return self.lost(Lost::Taken(holder));
                }
                Ok(Ok(Outcome::HeldBy(holder, left))) => {
                    tracing::debug!(holder, "another one leads");
                    left.min(LOOK)
                }
                failed => {
                    let error =
                        failed.map_or_else(|_| "no answer".to_owned(), |r| r.err().unwrap_or_default());
                    tracing::warn!(error, lease = self.name, "lease not renewed; trying again");
                    if held_since.is_some_and(|since| since.elapsed() >= DURATION) {
                        return self.lost(Lost::Expired(error));
                    }
                    Duration::from_secs(1)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn lost(&self, why: Lost) -> Lost {
        self.tell.send_replace(None);
        why
    }

    async fn attempt(&mut self) -> Result<Outcome, String> {
        let lease = self.api.get_opt(&self.name).await.map_err(|e| words(&e))?;
        let record = lease.as_ref().map(Record::from);
        let unchanged = self.unchanged_for(record.as_ref());
        match evaluate(record.as_ref(), unchanged, &self.me) {
            Step::Create => self.create().await,
            Step::Claim { transitions } => self.claim(record.as_ref(), transitions).await,
            Step::Wait(left) => Ok(Outcome::HeldBy(
                record.and_then(|r| r.holder).unwrap_or_default(),
                left,
            )),
        }
    }

    fn unchanged_for(&mut self, record: Option<&Record>) -> Duration {
        let now = Instant::now();
        match (&self.seen, record) {
            (Some((old, since)), Some(new)) if old == new => now.duration_since(*since),
            (_, new) => {
                self.seen = new.cloned().map(|r| (r, now));
                Duration::ZERO
            }
        }
    }

    async fn create(&self) -> Result<Outcome, String> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(0, true)),
        };
        self.api
            .create(&PostParams::default(), &lease)
            .await
            .map_err(|e| words(&e))?;
        Ok(Outcome::Held)
    }

    async fn claim(&self, record: Option<&Record>, transitions: i32) -> Result<Outcome, String> {
        let taken_over = record.is_some_and(|r| r.transitions != transitions);
        let patch = json!({
            "metadata": { "resourceVersion": record.map(|r| r.resource_version.as_str()) },
            "spec": self.spec(transitions, taken_over),
        });
        let params = PatchParams::default();
        self.api
            .patch(&self.name, &params, &Patch::Merge(&patch))
            .await
            .map_err(|e| words(&e))?;
        Ok(Outcome::Held)
    }

    fn spec(&self, transitions: i32, acquired: bool) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            acquire_time: acquired.then(|| now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }
}

/// Gives the lease up, so that another may lead at once. Called after the last write, on the way out.
pub async fn give_up(api: &Api<Lease>, name: &str, me: &str) {
    let released = async {
        let Some(lease) = api.get_opt(name).await? else {
            return Ok(());
        };
        let record = Record::from(&lease);
        if record.holder.as_deref() != Some(me) {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "resourceVersion": record.resource_version },
            "spec": { "holderIdentity": null },
        });
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map(drop)
    };
    if let Ok(Err(error)) = tokio::time::timeout(CALL, released).await {
        let error: kube::Error = error;
        tracing::warn!(error = words(&error), "lease not given up; it expires by itself");
    }
}

impl From<&Lease> for Record {
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
        Self {
            holder: spec.holder_identity.filter(|h| !h.is_empty()),
            duration: seconds.map_or(DURATION, Duration::from_secs),
            transitions: spec.lease_transitions.unwrap_or(0),
            resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
