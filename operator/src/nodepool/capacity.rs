//! What of an offer can be had now, as far as anybody knows without making a machine.
//!
//! Nodes that are there can be counted. What Azure would grant nobody can know: there the last refusal stands, for as
//! long as its class says that repeating it is of no use, and until a pool of that size came to be.

use super::{PoolError, PoolIntent, PoolView};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use trustbridge_api::condition::Reason;

/// What one instance needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// VM size. Example: `Standard_NC24ads_A100_v4`.
    pub vm_size: String,
    /// GPUs.
    pub gpus: i64,
}

/// What can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapacityView {
    /// So many instances fit.
    Free {
        /// How many.
        instances: i64,
        /// When it is counted again, where something changed since.
        again: Option<Duration>,
    },
    /// The last attempt was refused, and the refusal still counts.
    Refused(PoolError),
    /// A machine came to be since the last refusal, which says nothing any more.
    Granted,
    /// Nobody knows.
    Unknown,
}

/// Whether an error says that there are no machines, rather than that something else is wrong.
#[must_use]
pub const fn is_about_capacity(class: Reason) -> bool {
    matches!(
        class,
        Reason::QuotaFamily
            | Reason::QuotaRegion
            | Reason::QuotaSpot
            | Reason::Quota
            | Reason::SkuUnavailable
            | Reason::SkuForbidden
            | Reason::Zone
            | Reason::Capacity
    )
}

/// So much earlier than its pause is over a repetition may come: the pauses of TunePods are of another clock.
const EARLY: Duration = Duration::from_secs(5);

/// What a size is known by.
#[derive(Clone, Debug)]
enum Known {
    Refused {
        since: Instant,
        /// Refusals in a row.
        failures: i64,
        error: PoolError,
    },
    Granted,
}

/// How a pool was seen last: what is seen again is no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Making,
    Ready,
    Refused,
}

#[derive(Debug, Default)]
struct Memory {
    sizes: HashMap<String, Known>,
    pools: HashMap<String, Seen>,
}

impl Memory {
    fn seen(&mut self, pool: &PoolIntent, answer: &Result<PoolView, PoolError>, at: Instant) {
        let before = self.pools.get(&pool.name).copied();
        let refusal = match answer {
            Ok(PoolView::Broken(error)) | Err(error) if is_about_capacity(error.class) => Some(error),
            Ok(_) | Err(_) => None,
        };
        let now = match answer {
            _ if refusal.is_some() => Some(Seen::Refused),
            Ok(PoolView::Absent) => None,
            Ok(PoolView::Ready) => Some(Seen::Ready),
            // One that was ready and is worked on again is not made again.
            Ok(working) if before != Some(Seen::Ready) && is_being_made(working) => Some(Seen::Making),
            Ok(_) | Err(_) => before,
        };
        match now {
            Some(now) => self.pools.insert(pool.name.clone(), now),
            None => self.pools.remove(&pool.name),
        };
        if before == Some(Seen::Making) && now == Some(Seen::Ready) {
            self.sizes.insert(pool.vm_size.clone(), Known::Granted);
        }
        if let Some(error) = refusal.filter(|_| before != Some(Seen::Refused)) {
            self.refused(&pool.vm_size, error, at);
        }
    }

    fn refused(&mut self, vm_size: &str, error: &PoolError, since: Instant) {
        let failures = match self.sizes.get(vm_size) {
            Some(Known::Refused { failures, .. }) => failures.saturating_add(1),
            Some(Known::Granted) | None => 1,
        };
        let error = error.clone();
        let known = Known::Refused {
            since,
            failures,
            error,
        };
        self.sizes.insert(vm_size.to_owned(), known);
    }

    fn standing(&self, vm_size: &str, cap: Option<Duration>, now: Instant) -> Option<PoolError> {
        let Some(Known::Refused {
            since,
            failures,
            error,
        }) = self.sizes.get(vm_size)
        else {
            return None;
        };
        let pause = error.delay(*failures).unwrap_or(error.longest);
        let pause = cap.map_or(pause, |cap| pause.min(cap)).saturating_sub(EARLY);
        (now.duration_since(*since) < pause).then(|| error.clone())
    }

    fn view(&self, vm_size: &str, now: Instant) -> CapacityView {
        match self.sizes.get(vm_size) {
            Some(Known::Refused { since, error, .. }) if now.duration_since(*since) < error.longest => {
                CapacityView::Refused(error.clone())
            }
            Some(Known::Granted) => CapacityView::Granted,
            Some(Known::Refused { .. }) | None => CapacityView::Unknown,
        }
    }
}

/// The last refusal of each VM size. Lost in a restart, harmlessly: the offer's status goes on saying it for its time.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Memory>);

impl Refusals {
    /// Takes in what a provider answered when that pool was asked for.
    pub(crate) fn asked(&self, pool: &PoolIntent, answer: &Result<PoolView, PoolError>) {
        let mut memory = self.lock();
        // Asked anew, whatever was seen of it before: each refusal counts.
        memory.pools.remove(&pool.name);
        memory.seen(pool, answer, Instant::now());
    }

    /// Takes in what a provider said about that pool: only what is another than before counts.
    pub(crate) fn seen(&self, pool: &PoolIntent, answer: &Result<PoolView, PoolError>) {
        self.lock().seen(pool, answer, Instant::now());
    }

    /// The refusal for which that size is not asked for yet, whoever wants it; no pause is longer than `cap`.
    pub(crate) fn standing(&self, vm_size: &str, cap: Option<Duration>) -> Option<PoolError> {
        self.lock().standing(vm_size, cap, Instant::now())
    }

    /// What is known of that size.
    pub(crate) fn view(&self, vm_size: &str) -> CapacityView {
        self.lock().view(vm_size, Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the provider makes it, rather than changing or deleting one that was there.
fn is_being_made(view: &PoolView) -> bool {
    matches!(view, PoolView::Working { state, operation_url, .. }
        if state != "Deleting"
            && (operation_url.is_some() || state == "Creating" || state.starts_with("waiting")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Reason, longest: Duration) -> PoolError {
        PoolError {
            class,
            code: "X".to_owned(),
            message: "words".to_owned(),
            first: Some(longest.min(Duration::from_mins(10))),
            longest,
        }
    }

    fn quota() -> PoolError {
        error(Reason::QuotaFamily, Duration::from_hours(1))
    }

    fn pool(name: &str) -> PoolIntent {
        PoolIntent {
            name: name.to_owned(),
            tunepod_uid: name.to_owned(),
            tunepod: format!("tb-acme/{name}"),
            order: "order-1".to_owned(),
            org: "acme".to_owned(),
            vm_size: "a".to_owned(),
            gpus: 1,
            operation_url: None,
        }
    }

    fn working(state: &str) -> PoolView {
        PoolView::Working {
            state: state.to_owned(),
            operation_url: None,
            retry_after: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_refusal_stands_until_its_time_is_over_or_a_pool_came_to_be() {
        let (mut memory, begin) = (Memory::default(), Instant::now());
        memory.seen(&pool("one"), &Err(quota()), begin);
        assert_eq!(memory.view("a", begin), CapacityView::Refused(quota()));
        assert_eq!(memory.view("b", begin), CapacityView::Unknown);
        memory.seen(&pool("one"), &Ok(PoolView::Absent), begin);
        assert_eq!(memory.view("a", begin), CapacityView::Refused(quota()));
        let later = begin + Duration::from_hours(1);
        assert_eq!(memory.view("a", later), CapacityView::Unknown, "its time is over");
        memory.seen(&pool("one"), &Err(quota()), later);
        memory.seen(&pool("two"), &Ok(working("Creating")), later);
        assert_eq!(memory.view("a", later), CapacityView::Refused(quota()));
        memory.seen(&pool("two"), &Ok(PoolView::Ready), later);
        assert_eq!(memory.view("a", later), CapacityView::Granted);
        assert_eq!(memory.standing("a", None, later), None);
    }

    #[test]
    fn a_pool_that_was_there_before_grants_nothing() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for answer in [PoolView::Ready, working("Creating"), working("Updating")] {
            memory.seen(&pool("old"), &Ok(answer), now);
        }
        memory.seen(&pool("older"), &Ok(working("Deleting")), now);
        memory.seen(&pool("new"), &Err(quota()), now);
        for name in ["old", "older", "oldest"] {
            memory.seen(&pool(name), &Ok(PoolView::Ready), now);
        }
        assert_eq!(memory.view("a", now), CapacityView::Refused(quota()));
    }

    #[test]
    fn a_size_is_asked_for_at_the_pace_of_its_refusal_whoever_wants_it() {
        let (mut memory, begin) = (Memory::default(), Instant::now());
        let mut puts = Vec::new();
        // Two that want it look every fifteen seconds for an hour.
        for second in (0..3_600).step_by(15) {
            let now = begin + Duration::from_secs(second);
            for name in ["one", "two"] {
                if memory.standing("a", None, now).is_none() {
                    puts.push(second);
                    memory.seen(&pool(name), &Ok(PoolView::Absent), now);
                    memory.seen(&pool(name), &Err(quota()), now);
                }
                // What is left of the refused pool is seen again and again, and is no further refusal.
                memory.seen(&pool("one"), &Ok(PoolView::Broken(quota())), now);
            }
            assert_eq!(memory.standing("b", None, now), None);
        }
        assert_eq!(puts, [0, 600, 1_800]);
        let (now, cap) = (begin + Duration::from_secs(1_806), Some(Duration::from_secs(5)));
        assert!(memory.standing("a", None, now).is_some());
        assert_eq!(memory.standing("a", cap, now), None, "no longer pause is allowed");
    }

    #[test]
    fn what_says_nothing_of_machines_is_no_refusal() {
        let refusals = Refusals::default();
        for class in [
            Reason::Auth,
            Reason::Busy,
            Reason::Transient,
            Reason::Fatal,
            Reason::ForeignNodePool,
        ] {
            refusals.asked(&pool("one"), &Err(error(class, Duration::from_hours(1))));
            assert_eq!(refusals.view("a"), CapacityView::Unknown, "{class}");
            assert_eq!(refusals.standing("a", None), None, "{class}");
        }
    }
}
