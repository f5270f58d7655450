//! What goes into the ledger and what comes out of it.

use super::account::Blocked;
use super::key::{Day, Hour, Key, Meter};
use super::quantity::Quantity;

/// So long may the service be out of reach before serving ends: it takes nothing that is older.
pub const GRACE_MS: u64 = 24 * 3_600_000;
/// An hour counts as over so long after its end: intervals that began in it are in by then, and a clock that is a
/// little fast names no future hour.
const LAG_MS: i64 = 120_000;

/// What the clocks say.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The time of day; POSIX milliseconds. It may step in both directions.
    pub wall_ms: i64,
    /// Milliseconds since the last [`Ledger::advance`](super::Ledger::advance) by a clock that does not step; 0 after a start.
    pub elapsed_ms: u64,
}

impl Now {
    pub(super) fn hour(self) -> Hour {
        Hour::of_ms(self.wall_ms.saturating_sub(LAG_MS))
    }
}

/// An event that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its identity.
    pub key: Key,
    /// Its quantity, above zero. It stays the same as long as the event lives.
    pub quantity: Quantity,
}

/// Why the service refuses an event.
pub type Refusal = Blocked;

/// What became of an event that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Recorded, with this quantity where the service tells it.
    Accepted(Option<Quantity>),
    /// There is an event for this hour already, with this quantity where the service tells it.
    Duplicate(Option<Quantity>),
    /// Older than the service takes.
    Expired,
    /// Not recorded, and it will not be before something changes.
    Refused(Refusal),
    /// No answer that says anything about the event.
    NotReached {
        /// Whether it may have been recorded nevertheless: a lost reply, a failure inside the service.
        perhaps_recorded: bool,
    },
}

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The service has another quantity than ours: another meter reports for this resource, or our books were set
    /// back. The difference is carried.
    Conflict {
        /// The event.
        key: Key,
        /// What was sent.
        ours: Quantity,
        /// What the service has, where it tells it.
        accepted: Option<Quantity>,
    },
    /// Settings or clock are wrong; nothing is lost yet.
    Config(Key),
    /// By our clock the event is young, by the service's too old; it is counted anew.
    Clock(Key),
    /// An incident: usage that can no longer be billed.
    Lost {
        /// The meter.
        meter: Meter,
        /// How much.
        quantity: Quantity,
    },
    /// What the service has for a day fits no reading of our books.
    Mismatch {
        /// The meter.
        meter: Meter,
        /// The day.
        day: Day,
    },
}

/// Why serving must end (answered with 402 from then on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspension {
    /// The service refuses the resource for this reason.
    Refused(Blocked),
    /// The service was out of reach for longer than [`GRACE_MS`].
    Outage,
}

/// Sums over all meters. `recorded` is always the sum of the other four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// All that was ever counted.
    pub recorded: Quantity,
    /// Not an event yet.
    pub open: Quantity,
    /// Events without a final answer.
    pub under_way: Quantity,
    /// What the service has.
    pub accepted: Quantity,
    /// Too old to be billed.
    pub lost: Quantity,
}
