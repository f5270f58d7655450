//! Until when a support ticket is to be answered and solved, and whether that was kept. Pure: moves and time say it all.
//!
//! Nothing is promised that the seller did not write down: without a target there is no due time and no breach. A
//! promise that was broken stays broken, whatever happens later, because time that was spent is never given back.

use crate::phase::TicketPhase;
use serde::{Deserialize, Serialize};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// How bad it is, in the words of ACP: `S1` is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Severity {
    /// Nothing works.
    S1,
    /// Work is badly hindered.
    S2,
    /// Work goes on with difficulty.
    S3,
    /// A question or a wish.
    S4,
}

impl Severity {
    /// The word in messages and objects.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S4 => "S4",
        }
    }
}

/// Who says something in a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Side {
    /// Who asked.
    Buyer,
    /// Who helps.
    #[default]
    Seller,
}

/// What was said in a ticket, as far as time is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When it was seen, POSIX milliseconds.
    pub at_ms: i64,
    /// Who said it.
    pub by: Side,
    /// The phase that it left the ticket in.
    pub phase: TicketPhase,
}

/// How a promise of time stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing was promised.
    Unpromised,
    /// It is owed until then, POSIX milliseconds.
    Due(i64),
    /// The clock stands, because the buyer was asked something; so many milliseconds are left.
    Paused(i64),
    /// It was kept, or nothing is owed any more.
    Kept,
    /// It was broken at that time, POSIX milliseconds.
    Broken(i64),
}

/// Whether the response that was promised within `minutes` came: the first word of the seller. `moves` are in the order
/// in which they were seen; a ticket that the buyer closed before is owed nothing more.
#[must_use]
pub fn response(opened_ms: i64, minutes: Option<u32>, moves: &[Move], now_ms: i64) -> Promise {
    let Some(minutes) = minutes else {
        return Promise::Unpromised;
    };
    let due = after(opened_ms, minutes);
    let mut ends = moves
        .iter()
        .filter(|m| m.by == Side::Seller || m.phase.is_terminal());
    match ends.next() {
        Some(end) if end.at_ms <= due => Promise::Kept,
        None if now_ms <= due => Promise::Due(due),
        _ => Promise::Broken(due),
    }
}

/// Whether the resolution that was promised within `minutes` came. The clock runs while the seller has to act: it stands
/// in `WaitingForCustomer` and `Resolved`, and goes on where the ticket is taken up again.
#[must_use]
pub fn resolution(opened_ms: i64, minutes: Option<u32>, moves: &[Move], now_ms: i64) -> Promise {
    let Some(minutes) = minutes else {
        return Promise::Unpromised;
    };
    let mut left = i64::from(minutes).saturating_mul(MINUTE_MS);
    let (mut since, mut phase) = (opened_ms, TicketPhase::Open);
    for step in moves {
        let at = step.at_ms.max(since);
        if runs(phase) {
            let spent = at.saturating_sub(since);
            if spent > left {
                return Promise::Broken(since.saturating_add(left));
            }
            left = left.saturating_sub(spent);
        }
        (since, phase) = (at, step.phase);
    }
    let due = since.saturating_add(left);
    match phase {
        _ if runs(phase) && now_ms > due => Promise::Broken(due),
        _ if runs(phase) => Promise::Due(due),
        TicketPhase::WaitingForCustomer => Promise::Paused(left),
        _ => Promise::Kept,
    }
}

/// When a ticket that was solved is closed by the clock: so many days after it was solved. `None`: it is not solved now,
/// or the seller closes by hand.
#[must_use]
pub fn closes_at(days: Option<u32>, moves: &[Move]) -> Option<i64> {
    let (days, last) = (days?, moves.last()?);
    // Words that leave it solved do not put off its end: the clock runs from the move that solved it.
    let solved = moves
        .iter()
        .rev()
        .take_while(|m| m.phase == TicketPhase::Resolved);
    let since = solved.last().filter(|_| last.phase == TicketPhase::Resolved)?;
    let pause = i64::from(days).saturating_mul(crate::calendar::DAY_MS);
    Some(since.at_ms.saturating_add(pause))
}

/// Whether the seller has to act.
const fn runs(phase: TicketPhase) -> bool {
    matches!(
        phase,
        TicketPhase::Open | TicketPhase::Acknowledged | TicketPhase::InProgress
    )
}

/// So many minutes after that time.
pub(crate) fn after(at_ms: i64, minutes: u32) -> i64 {
    at_ms.saturating_add(i64::from(minutes).saturating_mul(MINUTE_MS))
}

#[cfg(test)]
mod tests;
