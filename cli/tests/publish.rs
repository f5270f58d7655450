//! `publish` end to end: real Azurite, the control plane's double, real buildah and a real registry.
//!
//! Needs node, once npm, and the Debian packages buildah, runc and docker-registry. Run by name:
//! `cargo test -p trustbridge-cli --test publish`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "every function here is part of a test, and other tests share some of these modules"
)]

#[path = "blob_store/azurite.rs"]
mod azurite;
#[path = "control_plane/double.rs"]
mod double;
#[path = "publish/finished.rs"]
mod finished;
#[path = "container/packages.rs"]
mod packages;
#[path = "blob_store/pki.rs"]
mod pki;
#[path = "publish/provider.rs"]
mod provider;
#[path = "container/registry.rs"]
mod registry;
#[path = "publish/resumed.rs"]
mod resumed;
