//! Certificates of our own: an authority, the leaves that it signs, and when each is due.
//!
//! Pure but for the random keys: times and names in, PEM out. Where certificates are kept, published and served is the
//! business of those who build on this: the webhook (its own leaf) and the operator (leaves of protected models).

mod authority;
mod window;

pub use authority::{Authority, Leaf};
pub use window::Window;

/// Why a certificate could not be made: a name that is none, a key that is no key, or no random bytes.
pub type Error = rcgen::Error;
