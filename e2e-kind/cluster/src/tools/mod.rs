//! The Go programs of the cluster: which there are and how each is built, and building them into the cache.

mod build;
mod catalog;

pub use build::ensure;
pub(crate) use build::go_program;
pub use catalog::{Set, Source, Tool, catalog};
