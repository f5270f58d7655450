//! Usage on its way to a metering service that takes one event for each resource, dimension and clock hour, and
//! none that is older than a day (Azure Marketplace, API version 2018-08-31).
//!
//! A [`Ledger`] says what to send now and what an answer means. It does no IO and reads no clock; its owner writes
//! it down **before** anything is sent, and gives it back after a crash through [`Ledger::recovered`].
//!
//! ```text
//!            advance                 sending              settle
//! open  ------------->  pending  ------------->  sent  ------------->  accepted
//!   ^                      ^                      |
//!   |                      |  not reached         +---> expired: lost, or in dispute until reconciled
//!   |                      +----------------------+
//!   |                                             +---> blocked: again in the next hour
//!   +--- what was accepted differs; the event's hour cannot be right
//! ```
//!
//! **The hour rule.** Usage that was counted has no hour yet; it gets one when it becomes an event, and the pair
//! of event and hour is never changed while the event may have been recorded. The hour is the one in which the
//! counting began, as the clock said then, moved
//! - to the hour after the latest one that was used for this meter, if it is not later than that one (a clock that
//!   stepped back, late usage): the hours of a meter only go up;
//! - to the present hour, if it lies in the future or more than 23 hours back (a clock that stepped, a machine that
//!   slept): nothing was recorded under it, so it can still be chosen.
//!
//! An event is made as soon as its hour is over by the clock. When the service, whose clock decides, refuses an
//! event because of its hour, and the event cannot have been recorded before, what it held is counted anew.
//!
//! **Exactness.** What was recorded is always the sum of what is open, under way, accepted, and lost. An event
//! whose fate is unknown is sent again with the same quantity; the service then says what it has. If that is
//! not what was sent, the difference (which may be negative) is carried into the next open hour and told as a
//! conflict: one of two meters for one resource would be billed too little, none too much.

mod account;
mod key;
mod ledger;
mod quantity;
mod report;
#[cfg(test)]
mod tests;

pub use account::{Blocked, State};
pub use key::{Day, Hour, Key, Meter};
pub use ledger::Ledger;
pub use quantity::{Quantity, QuantityError};
pub use report::{Alert, Answer, Balance, Due, GRACE_MS, Now, Refusal, Suspension};
