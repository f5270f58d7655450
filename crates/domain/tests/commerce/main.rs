//! The commerce rules from the outside: the documents' numbers, and histories against two oracles.
//!
//! `TB_CAMPAIGN=1` makes the random histories their full number, `TB_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod account;
mod change_rules;
mod golden_invoices;
mod golden_quotes;
mod histories;
mod invoice_rules;
mod lives;
mod no_floats;
mod oracle;
mod quote_refusals;
mod quote_rules;
mod rating_rules;
