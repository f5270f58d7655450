//! The business rules of TrustBridge as pure functions.
//!
//! Nothing here knows Kubernetes, does IO or reads a clock: every function takes what it needs,
//! time included, and returns a decision. Callers at the edge observe, ask, and act.
//!
//! | Module | Decides |
//! |---|---|
//! | [`names`] | how an object is called, so that "create" is the lock |
//! | [`phase`] | which state may follow which, for quotes, orders and TunePods |
//! | [`money`] | exact amounts and rates |
//! | [`pricing`] | the lines of a quote at list price |
//! | [`usage`] | hours of open and closed intervals, and what they cost |
//! | [`metering`] | usage on its way to a metering service: what to send now, what an answer means |
//! | [`termination`] | the durable steps between "terminate" and "closed" |
//! | [`sentinel`] | the guard's states from boot to ready or suspended |

pub mod metering;
pub mod money;
pub mod names;
pub mod phase;
pub mod pricing;
pub mod sentinel;
pub mod termination;
pub mod usage;
