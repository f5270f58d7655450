//! The program itself: what it makes, what it says to bad input, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "every function here is part of a test"
)]

mod arguments;
mod audit;
mod configuration;
mod documents;
mod encryption;
mod evidence;
mod interruption;
mod invoice;
mod keys;
mod progress;
mod publication;
#[path = "../../../crates/tbenc/tests/conformance/environment.rs"]
mod python;
mod support;
mod verification;
mod waiting;
