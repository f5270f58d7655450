//! The business rules of TrustBridge as pure functions.
//!
//! Nothing here knows Kubernetes, does IO or reads a clock: every function takes what it needs,
//! time included, and returns a decision. Callers at the edge observe, ask, and act.
//!
//! | Module | Decides |
//! |---|---|
//! | [`audit`] | what a line of the audit log is, and whether a log is whole |
//! | [`calendar`] | half-open periods of UTC: days, weeks, months |
//! | [`canonical`] | one text and one digest for each document |
//! | [`names`] | how an object is called, so that "create" is the lock |
//! | [`phase`] | which state may follow which, for quotes, orders, changes, TunePods, invoices, tickets, incidents and ends |
//! | [`money`], [`decimal`], [`rational`] | exact amounts, rates and numbers |
//! | [`pricing`] | what the lines of a quote are |
//! | [`quote`] | what a request is offered, why, and what a change costs |
//! | [`change`] | what accepted changes make of the lines of an order |
//! | [`intervals`] | when an instance was of use; sealed days, chained |
//! | [`rating`] | the lines of an invoice, from sealed days and frozen terms |
//! | [`invoice`] | when an invoice is issued or held, credit notes, what is owed |
//! | [`support`] | until when a ticket is to be answered and solved, and whether it was |
//! | [`incident`] | when a loss of service is an incident, and until when the next word of it is due |
//! | [`vm_size`] | which machines can carry an offer, and why the others cannot |
//! | [`usage`] | hours of open and closed intervals, and what they cost |
//! | [`metering`] | usage on its way to a metering service: what to send now, what an answer means |
//! | [`outbox`] | what a reader may take from a sentinel's outbox of usage |
//! | [`termination`] | the durable steps between "terminate" and "closed" |
//! | [`wipe`] | what was observed of a wipe, and what follows from that |
//! | [`sentinel`] | the guard's states from boot to ready or suspended |

pub mod audit;
pub mod calendar;
pub mod canonical;
pub mod change;
pub mod decimal;
pub mod incident;
pub mod intervals;
pub mod invoice;
pub mod metering;
pub mod money;
pub mod names;
pub mod outbox;
pub mod phase;
pub mod pricing;
pub mod quote;
pub mod rating;
pub mod rational;
pub mod sentinel;
mod signature;
pub mod support;
pub mod termination;
pub mod usage;
pub mod vm_size;
pub mod wipe;
