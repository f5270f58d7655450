//! Memory for secrets: a page that nobody else can read, and a heap that forgets what it held.
//!
//! [`SecretPage`] is where a key lives: a page of `memfd_secret(2)`, which the kernel takes out of its own page
//! tables, so that neither another process, nor `/proc/PID/mem` as root, nor a core dump, nor swap holds it; where
//! the kernel has none, a locked page that is in no dump. [`Wiping`] is for what the key passes through on its way
//! there, the buffers of TLS and HTTP that belong to other people's code: every block that is freed is wiped first.
//!
//! [`share_heaps`] and [`give_back_free_pages`] keep that heap small.
//!
//! This is the one crate of the workspace with `unsafe`. It has no policy: no logging, no settings, no threads.

mod page;
mod sparing;
mod wiping;

pub use page::{Kind, SecretPage};
pub use sparing::{give_back_free_pages, share_heaps};
pub use wiping::Wiping;
