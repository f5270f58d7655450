//! A sentinel's sign of life: how often it is given, and what its absence says.
//!
//! The sentinel writes the moment of each beat into a Lease, by its own clock; the operator compares it with its own.
//! Clocks may differ by less than [`LOST_AFTER_S`]. Silence alone ends nothing: the API server may have been out of the
//! sentinel's reach while it served.

/// Seconds between two beats.
pub const EVERY_S: u64 = 10;

/// Seconds of silence after which a beat counts as lost: three that failed, and their attempts.
pub const LOST_AFTER_S: i64 = 40;

/// What is heard of a sentinel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Nothing was ever heard of it.
    Unheard,
    /// It was heard of in time.
    Beats,
    /// It was heard of last at this moment, in POSIX milliseconds.
    Lost {
        /// The moment.
        last_ms: i64,
    },
}

/// What `last_ms`, the moment of the last beat, says at `now_ms`; both in POSIX milliseconds. A beat of a clock that
/// runs ahead is a beat. One from before `since_ms`, when the sentinel came to be, was another's.
#[must_use]
pub const fn heard(last_ms: Option<i64>, since_ms: Option<i64>, now_ms: i64) -> Heartbeat {
    let Some(last_ms) = last_ms else {
        return Heartbeat::Unheard;
    };
    if let Some(since_ms) = since_ms
        && last_ms < since_ms
    {
        return Heartbeat::Unheard;
    }
    if now_ms.saturating_sub(last_ms) > LOST_AFTER_S * 1000 {
        Heartbeat::Lost { last_ms }
    } else {
        Heartbeat::Beats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_a_loss_after_its_time_and_not_before() {
        let at = |now_ms| heard(Some(1_000_000), None, now_ms);
        assert_eq!(at(1_000_000), Heartbeat::Beats);
        assert_eq!(at(1_040_000), Heartbeat::Beats);
        assert_eq!(at(1_040_001), Heartbeat::Lost { last_ms: 1_000_000 });
        assert_eq!(at(900_000), Heartbeat::Beats, "a clock that runs ahead");
        assert_eq!(at(i64::MIN), Heartbeat::Beats);
        assert_eq!(heard(None, None, 0), Heartbeat::Unheard);
    }

    #[test]
    fn anothers_beat_is_none() {
        assert_eq!(heard(Some(999), Some(1_000), 1_000), Heartbeat::Unheard);
        assert_eq!(heard(Some(1_000), Some(1_000), 1_000), Heartbeat::Beats);
    }
}
