//! The rows of the fault matrix that a real Azurite can play, over HTTPS: what it says, not what we think it says.
//!
//! Between it and the sentinel lies a [`gate`] that only passes bytes on, holds them back after so many, or cuts the
//! connections: that is how a case knows that the blob changed in the middle. Needs node and, once, npm. Run by name:
//! `cargo test -p trustbridge-sentinel --test azurite`. The matrix itself is in `tests/faults`.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "every function here is part of a test, and the fault cases share most of these modules"
)]

#[path = "../serve/world/asset.rs"]
mod asset;
#[path = "../../../cli/tests/blob_store/azurite.rs"]
mod azurite;
mod changed;
mod gate;
#[path = "../faults/model.rs"]
mod model;
#[path = "../../../cli/tests/blob_store/pki.rs"]
mod pki;
#[path = "../faults/plane.rs"]
mod plane;
#[path = "../faults/process.rs"]
mod process;
mod refused;
#[path = "../faults/scene.rs"]
mod scene;
mod stage;
#[path = "../faults/store.rs"]
mod store;
#[path = "../faults/trust.rs"]
mod trust;
#[path = "../faults/wire.rs"]
mod wire;
