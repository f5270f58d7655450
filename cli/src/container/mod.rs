//! The skeleton image: runtime, sentinel and entrypoint, and no weights.
//!
//! | Module | What |
//! |---|---|
//! | [`mod@reference`] | names of images |
//! | [`context`] | the files that go in, and the Containerfile |
//! | [`engine`] | docker, buildah or podman |
//! | [`process`] | running them, with a deadline |
//! | [`archive`] | the image as the engine saved it |
//! | [`weights`] | what looks like model weights |
//! | [`scan`] | every layer, read for weights |
//! | [`registry`] | whether an image is in its registry |

pub(crate) mod archive;
pub(crate) mod context;
pub(crate) mod engine;
pub(crate) mod process;
pub(crate) mod reference;
pub(crate) mod registry;
pub(crate) mod scan;
pub(crate) mod weights;
