//! The whole path of mode `serve`: the real program as a process, against servers of this test.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod billing;
mod guard;
mod heartbeat;
mod path;
mod proxy;
mod recovery;
mod world;
