//! Opening, closing and reshaping: the only ways in which a ledger changes.

use super::{Interval, IntervalKind};

/// The shape of an instance from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What the time stands for.
    pub kind: IntervalKind,
    /// GPUs.
    pub gpus: u32,
    /// Provisioned local disk in GB (10^9 bytes).
    pub nvme_gb: u32,
    /// Key of the line that prices it.
    pub rate_key: String,
}

/// A ledger is not one, or a change of it is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Two intervals share time, or stand in the wrong order.
    #[error(
        "interval {seq} begins at {from_ms} ms, before the end of the one before it ({before_ms} ms); intervals are disjoint"
    )]
    Overlap {
        /// Number of the later one.
        seq: u32,
        /// Its beginning.
        from_ms: i64,
        /// The end of the earlier one.
        before_ms: i64,
    },
    /// An interval ends before it begins.
    #[error("interval {seq} ends at {to_ms} ms, before it begins ({from_ms} ms)")]
    Backwards {
        /// Its number.
        seq: u32,
        /// Its beginning.
        from_ms: i64,
        /// Its end.
        to_ms: i64,
    },
    /// Numbers have a gap, or an open interval is not the last.
    #[error(
        "interval {seq} does not follow the one before it: numbers rise by one, and only the last may be open"
    )]
    Sequence {
        /// Its number.
        seq: u32,
    },
    /// Opened twice.
    #[error("interval {seq} is still open; close or reshape it instead")]
    AlreadyOpen {
        /// Its number.
        seq: u32,
    },
    /// A closed interval was changed or removed, or an open one rewritten.
    #[error(
        "interval {seq} may not be changed: what is closed is immutable, and an open one can only be closed"
    )]
    Immutable {
        /// Its number.
        seq: u32,
    },
    /// More intervals than numbers.
    #[error("there is no number left for another interval")]
    Full,
}

/// Checks that the intervals are ordered, disjoint, numbered without a gap, and that only the last is open.
pub fn check(intervals: &[Interval]) -> Result<(), LedgerError> {
    let mut before: Option<&Interval> = None;
    for interval in intervals {
        let seq = interval.seq;
        if let Some(to_ms) = interval.to_ms.filter(|to| *to < interval.from_ms) {
            return Err(LedgerError::Backwards {
                seq,
                from_ms: interval.from_ms,
                to_ms,
            });
        }
        if let Some(before) = before {
            let Some(before_ms) = before.to_ms.filter(|_| before.seq.checked_add(1) == Some(seq)) else {
                return Err(LedgerError::Sequence { seq });
            };
            if interval.from_ms < before_ms {
                return Err(LedgerError::Overlap {
                    seq,
                    from_ms: interval.from_ms,
                    before_ms,
                });
            }
        }
        before = Some(interval);
    }
    Ok(())
}

/// Opens an interval at `now_ms`, but not before `not_before_ms` (the order's confirmation) and not before the end of
/// the last one: a clock that stepped back opens late, never twice.
pub fn open(
    intervals: &mut Vec<Interval>,
    shape: Shape,
    by: &str,
    now_ms: i64,
    not_before_ms: i64,
) -> Result<(), LedgerError> {
    let mut from_ms = now_ms.max(not_before_ms);
    let mut seq = 0;
    if let Some(last) = intervals.last() {
        let Some(end) = last.to_ms else {
            return Err(LedgerError::AlreadyOpen { seq: last.seq });
        };
        from_ms = from_ms.max(end);
        seq = last.seq.checked_add(1).ok_or(LedgerError::Full)?;
    }
    intervals.push(Interval {
        seq,
        from_ms,
        to_ms: None,
        kind: shape.kind,
        gpus: shape.gpus,
        nvme_gb: shape.nvme_gb,
        rate_key: shape.rate_key,
        opened_by: by.to_owned(),
        closed_by: None,
        evidence: None,
    });
    Ok(())
}

/// Closes the open interval at `at_ms`, or where it began if the clock stepped back; returns whether one was open.
/// Closing twice changes nothing: the first end stands.
pub fn close(intervals: &mut [Interval], by: &str, evidence: Option<&str>, at_ms: i64) -> bool {
    let Some(last) = intervals.last_mut().filter(|last| last.to_ms.is_none()) else {
        return false;
    };
    last.to_ms = Some(at_ms.max(last.from_ms));
    last.closed_by = Some(by.to_owned());
    last.evidence = evidence.map(ToOwned::to_owned);
    true
}

/// Ends the present shape and begins another in the same millisecond; with none open it only begins.
pub fn reshape(intervals: &mut Vec<Interval>, shape: Shape, by: &str, at_ms: i64) -> Result<(), LedgerError> {
    close(intervals, by, None, at_ms);
    open(intervals, shape, by, at_ms, at_ms)
}

/// Whether `new` may be written over `old`: everything closed is the same, and an open interval is the same or has
/// got its end. Intervals at the front may be gone, because days that are sealed fold.
pub fn replaces(old: &[Interval], new: &[Interval]) -> Result<(), LedgerError> {
    check(new)?;
    let first = new.first().map_or(u32::MAX, |interval| interval.seq);
    for before in old {
        let Some(after) = new.iter().find(|interval| interval.seq == before.seq) else {
            if before.to_ms.is_some() && before.seq < first {
                continue;
            }
            return Err(LedgerError::Immutable { seq: before.seq });
        };
        let mut reopened = after.clone();
        if before.to_ms.is_none() {
            reopened.to_ms = None;
            reopened.closed_by = None;
            reopened.evidence.clone_from(&before.evidence);
        }
        if reopened != *before {
            return Err(LedgerError::Immutable { seq: before.seq });
        }
    }
    Ok(())
}
