//! When a certificate is good, and when it is due.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// From when to when a certificate is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Start.
    pub from: i64,
    /// End.
    pub to: i64,
}

impl Window {
    /// A window of `life` seconds from `now`.
    #[must_use]
    pub fn starting(now: Timestamp, life: i64) -> Self {
        Self {
            from: now.as_second(),
            to: now.as_second().saturating_add(life),
        }
    }

    /// Whether two thirds of it have passed at `now`, in seconds since 1970.
    #[must_use]
    pub const fn is_due(&self, now: i64) -> bool {
        now.saturating_sub(self.from).saturating_mul(3) >= self.to.saturating_sub(self.from).saturating_mul(2)
    }

    /// Whether it is over at `now`, in seconds since 1970.
    #[must_use]
    pub const fn is_over(&self, now: i64) -> bool {
        now >= self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_and_the_end() {
        let window = Window::starting(Timestamp::from_second(1_000).unwrap(), 300);
        assert!(!window.is_due(1_199) && window.is_due(1_200));
        assert!(!window.is_over(1_299) && window.is_over(1_300));
    }
}
