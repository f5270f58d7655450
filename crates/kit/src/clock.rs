//! The time, injected: decisions take it as an argument, and only the edge asks for it.

use jiff::Timestamp;
use std::sync::Mutex;

/// Something that knows the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now, in whole seconds: what the API stores for a time has no fraction, and a decision
    /// must read back what it wrote.
    fn now(&self) -> Timestamp;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        whole_seconds(Timestamp::now())
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock by `seconds`.
    pub fn advance(&self, seconds: i64) {
        let mut at = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *at = plus(*at, seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `at` without its fraction of a second.
#[must_use]
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `at` moved by `seconds`; stays where it is when that is no time any more.
#[must_use]
pub fn plus(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().saturating_add(seconds)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_what_the_api_gives_back() {
        let at: Timestamp = "2026-11-21T08:00:00.75Z".parse().unwrap();
        let clock = ManualClock::new(whole_seconds(at));
        clock.advance(60);
        assert_eq!(clock.now().to_string(), "2026-11-21T08:01:00Z");
    }
}
