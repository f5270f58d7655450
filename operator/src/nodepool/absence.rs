//! Whether a node pool is gone. Pure.
//!
//! A provider's single "there is none" is not believed: a request whose answer was lost may still be on its way, and a
//! pool that comes into being afterwards belongs to nobody and costs for ever. So absence counts when it was seen twice,
//! some time apart, and both times after every operation that is known had come to an end. An unknown request is a
//! request of before the end began; it has the time between the two looks to arrive.

use jiff::Timestamp;
use std::time::Duration;
use trustbridge_kit::clock::plus;

/// What follows from seeing that there is no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// An operation of ours still runs: this look says nothing.
    TooEarly,
    /// Written down as the first look; looked at again at that time.
    First(Timestamp),
    /// Seen before, and looked at again too soon; looked at again at that time.
    Again(Timestamp),
    /// Seen twice, far enough apart, and at that time first.
    Proven(Timestamp),
}

/// Judges a look that found no pool. `since` is the first such look that is written down; `apart` is the time that must
/// lie between two, `None` believes the first.
#[must_use]
pub fn judge(since: Option<Timestamp>, is_running: bool, apart: Option<Duration>, now: Timestamp) -> Absence {
    if is_running {
        return Absence::TooEarly;
    }
    let Some(apart) = apart else {
        return Absence::Proven(since.unwrap_or(now));
    };
    let after = |from| plus(from, i64::try_from(apart.as_secs()).unwrap_or(i64::MAX));
    match since {
        None => Absence::First(after(now)),
        // A clock that was set back makes no time pass.
        Some(since) if now < after(since) => Absence::Again(after(since)),
        Some(since) => Absence::Proven(since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn absence_is_believed_at_the_second_look() {
        let apart = Some(Duration::from_mins(10));
        assert_eq!(judge(None, false, apart, at(0)), Absence::First(at(600)));
        assert_eq!(judge(Some(at(0)), false, apart, at(599)), Absence::Again(at(600)));
        assert_eq!(judge(Some(at(0)), false, apart, at(600)), Absence::Proven(at(0)));
        assert_eq!(judge(Some(at(0)), false, apart, at(-50)), Absence::Again(at(600)));
    }

    #[test]
    fn nothing_is_believed_while_an_operation_runs() {
        for since in [None, Some(at(0))] {
            assert_eq!(
                judge(since, true, Some(Duration::from_mins(10)), at(9000)),
                Absence::TooEarly
            );
        }
    }
}
