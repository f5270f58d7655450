//! A growing backoff for each object, keyed by UID: a deleted and recreated namesake starts afresh.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Delay after the first failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest delay.
pub const LAST: Duration = Duration::from_mins(5);
/// Objects remembered at most; past it the calmest are forgotten, which only makes them try sooner.
const CAPACITY: usize = 20_000;

/// Failures in a row of each object.
#[derive(Debug, Default)]
pub struct Backoffs {
    failures: Mutex<HashMap<String, u32>>,
    seed: RandomState,
}

impl Backoffs {
    /// Notes a failure of `uid` and answers how long to wait: doubling from [`FIRST`] to [`LAST`], ±20 %.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= CAPACITY {
            failures.retain(|_, n| *n > 3);
        }
        let count = failures.entry(uid.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        jittered(exponential(*count), self.random(uid, *count))
    }

    /// Forgets the failures of `uid`.
    pub fn succeeded(&self, uid: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }

    /// Objects whose last attempt failed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no object's last attempt failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn random(&self, uid: &str, count: u32) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(uid.as_bytes());
        hasher.write_u32(count);
        hasher.finish()
    }
}

/// Delay after `failures` in a row, without jitter.
#[must_use]
pub fn exponential(failures: u32) -> Duration {
    FIRST
        .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LAST)
}

/// `delay` ±20 %, by the random number `random`.
#[must_use]
pub fn jittered(delay: Duration, random: u64) -> Duration {
    let permille = u32::try_from(random % 401).unwrap_or(200) + 800;
    delay.saturating_mul(permille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_five_minutes() {
        let secs: Vec<u64> = [1, 2, 3, 9, 10, 31, 32, 33, 99]
            .map(|n| exponential(n).as_secs())
            .into();
        assert_eq!(secs, [1, 2, 4, 256, 300, 300, 300, 300, 300]);
    }

    #[test]
    fn success_resets_and_others_are_not_touched() {
        let all = Backoffs::default();
        for _ in 0..6 {
            all.failed("a");
        }
        assert!(all.failed("a") > Duration::from_secs(40));
        assert!(all.failed("b") < Duration::from_secs(2));
        all.succeeded("a");
        assert!(all.failed("a") < Duration::from_secs(2));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for random in [0, 200, 400, u64::MAX] {
            let ms = jittered(Duration::from_secs(10), random).as_millis();
            assert!((8000..=12000).contains(&ms), "{ms}");
        }
    }
}
