//! The messages from the outside: both documents word for word, and a table of every path with what is accepted and
//! refused there. The table was written from the documents, not from the declarations that it judges.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod document;
mod documents;
mod extension;
mod paths;
mod refusals;
mod schemas;
