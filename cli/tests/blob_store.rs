//! `upload`, and `verify` by URL, against real Azurite over HTTPS: with a SAS, with the account's key, with a
//! connection string and with access tokens; killed, interrupted, refused.
//!
//! Needs node and, once, npm. Run by name: `cargo test -p trustbridge-cli --test blob_store`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "every function here is part of a test"
)]

#[path = "blob_store/azurite.rs"]
mod azurite;
#[path = "blob_store/credentials.rs"]
mod credentials;
#[path = "blob_store/entra.rs"]
mod entra;
#[path = "blob_store/killed.rs"]
mod killed;
#[path = "blob_store/model.rs"]
mod model;
#[path = "blob_store/pki.rs"]
mod pki;
#[path = "blob_store/program.rs"]
mod program;
#[path = "blob_store/refused.rs"]
mod refused;
#[path = "blob_store/uploaded.rs"]
mod uploaded;
#[path = "blob_store/verified.rs"]
mod verified;
