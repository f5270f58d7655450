//! What is used, counted as it passes. Adding costs one atomic addition and no lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counter {
    /// POSTs that the runtime answered with 2xx.
    Requests,
    /// Bytes of their bodies.
    RequestBytes,
    /// Bytes of the answers' bodies that were taken from the runtime.
    ResponseBytes,
    /// Tokens that the runtime says it read.
    PromptTokens,
    /// Tokens that the runtime says it made.
    CompletionTokens,
}

impl Counter {
    /// All, with the names under which they appear outside.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Requests, "requests"),
        (Self::RequestBytes, "request_bytes"),
        (Self::ResponseBytes, "response_bytes"),
        (Self::PromptTokens, "prompt_tokens"),
        (Self::CompletionTokens, "completion_tokens"),
    ];

    /// The counter of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, its)| *its == name).map(|(counter, _)| counter)
    }
}

/// Counts of an interval. What was not counted is absent: without a source there is no zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Counts(BTreeMap<Counter, u64>);

impl Counts {
    pub(crate) fn add(&mut self, counter: Counter, amount: u64) {
        if amount > 0 {
            let sum = self.0.entry(counter).or_default();
            *sum = sum.saturating_add(amount);
        }
    }

    pub(crate) fn get(&self, counter: Counter) -> u64 {
        self.0.get(&counter).copied().unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The running counters of this process.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; 5]);

impl Counters {
    pub(crate) fn add(&self, counter: Counter, amount: u64) {
        for ((its, _), sum) in Counter::ALL.into_iter().zip(&self.0) {
            if its == counter {
                sum.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Counts {
        let mut counts = Counts::default();
        for ((counter, _), sum) in Counter::ALL.into_iter().zip(&self.0) {
            counts.add(counter, sum.swap(0, Ordering::Relaxed));
        }
        counts
    }

    /// Puts back what could not be written down.
    pub(crate) fn put_back(&self, counts: &Counts) {
        for (counter, _) in Counter::ALL {
            self.add(counter, counts.get(counter));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Counters, Counts};

    #[test]
    fn taking_empties_and_putting_back_restores() {
        let counters = Counters::default();
        counters.add(Counter::Requests, 2);
        counters.add(Counter::CompletionTokens, 5);
        let counts = counters.take();
        assert_eq!(
            serde_json::to_string(&counts).unwrap(),
            "{\"requests\":2,\"completion_tokens\":5}"
        );
        assert!(counters.take().is_empty());
        counters.put_back(&counts);
        counters.add(Counter::Requests, 1);
        assert_eq!(counters.take().get(Counter::Requests), 3);
        assert_eq!(
            serde_json::from_str::<Counts>("{\"requests\":2,\"completion_tokens\":5}").unwrap(),
            counts
        );
        for (counter, name) in Counter::ALL {
            assert_eq!(serde_json::to_value(counter).unwrap(), name);
            assert_eq!(Counter::named(name), Some(counter));
        }
    }
}
