//! Container images: built by buildah from the Containerfiles that a user would give to Docker, imported by containerd.

mod build;
mod catalog;
mod load;

pub use build::{Archive, build, build_programs};
pub use catalog::{Image, Programs, Set, catalog, select};
pub use load::load;
