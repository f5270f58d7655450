//! When a loss of service is an incident, and until when the next word of it is due. Pure.
//!
//! Nothing is declared that the seller did not ask to be declared, and no word is owed that was not promised.

use crate::support::after;

/// What to do about a loss of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It may pass; look again then, POSIX milliseconds.
    Wait(i64),
    /// It lasts too long: it is an incident since it began.
    Declare,
}

/// What to do at `now_ms` about a loss since `since_ms` that is an incident after so many minutes.
#[must_use]
pub fn judge(since_ms: i64, minutes: u32, now_ms: i64) -> Loss {
    let at = after(since_ms, minutes);
    if now_ms < at {
        Loss::Wait(at)
    } else {
        Loss::Declare
    }
}

/// A word to the buyers of what is affected: the declaration, or an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// When it was seen, POSIX milliseconds.
    pub at_ms: i64,
    /// Minutes within which it promised the next one; `None`: it promised none.
    pub next_minutes: Option<u32>,
}

/// How the promise of a next word stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Until when the next one is owed, POSIX milliseconds; `None`: none is.
    pub due_ms: Option<i64>,
    /// When a promise was broken for the first time, POSIX milliseconds; it stays broken.
    pub broken_ms: Option<i64>,
}

/// How the promises of `words` stand at `now_ms`, in the order in which they were given. Who resolves, needs to say
/// nothing more.
#[must_use]
pub fn words(words: &[Word], resolved_ms: Option<i64>, now_ms: i64) -> Words {
    let mut broken_ms = None;
    for (index, word) in words.iter().enumerate() {
        let Some(due) = word.next_minutes.map(|minutes| after(word.at_ms, minutes)) else {
            continue;
        };
        let next = words.get(index.saturating_add(1)).map(|next| next.at_ms);
        // Words may follow the end; what was owed until then counts.
        let end = next.into_iter().chain(resolved_ms).min().unwrap_or(now_ms);
        let was_owed = resolved_ms.is_none_or(|end| word.at_ms < end);
        if was_owed && end > due {
            broken_ms.get_or_insert(due);
        }
    }
    let last = words.last().filter(|_| resolved_ms.is_none());
    Words {
        due_ms: last.and_then(|word| Some(after(word.at_ms, word.next_minutes?))),
        broken_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn word(at: i64, next_minutes: Option<u32>) -> Word {
        Word {
            at_ms: at * MINUTE,
            next_minutes,
        }
    }

    #[test]
    fn a_loss_is_an_incident_when_it_lasted_as_long_as_the_seller_said() {
        assert_eq!(judge(0, 10, 10 * MINUTE - 1), Loss::Wait(10 * MINUTE));
        assert_eq!(judge(0, 10, 10 * MINUTE), Loss::Declare);
        assert_eq!(judge(0, 0, 0), Loss::Declare);
    }

    #[test]
    fn the_next_word_is_due_as_the_last_one_promised() {
        let stands = |due: Option<i64>, broken: Option<i64>| Words {
            due_ms: due.map(|minute| minute * MINUTE),
            broken_ms: broken.map(|minute| minute * MINUTE),
        };
        let once = [word(0, Some(30))];
        let (twice, late) = (
            [word(0, Some(30)), word(30, Some(60))],
            [word(0, Some(30)), word(40, None)],
        );
        let after = [word(0, Some(30)), word(90, Some(5))];
        let rows: [(&[Word], Option<i64>, i64, Words); 7] = [
            (&[word(0, None)], None, 999, stands(None, None)),
            (&once, None, 30, stands(Some(30), None)),
            (&once, None, 31, stands(Some(30), Some(30))),
            (&twice, None, 31, stands(Some(90), None)),
            (&late, None, 50, stands(None, Some(30))),
            // Resolved in time: nothing is owed any more, also by words that follow.
            (&after, Some(20), 999, stands(None, None)),
            (&once, Some(31), 999, stands(None, Some(30))),
        ];
        for (said, resolved, now, right) in rows {
            let resolved = resolved.map(|minute| minute * MINUTE);
            assert_eq!(
                words(said, resolved, now * MINUTE),
                right,
                "{said:?} {resolved:?}"
            );
        }
    }
}
