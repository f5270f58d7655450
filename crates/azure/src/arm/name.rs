//! Names of agent pools.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::BASE32_NOPAD;

/// Base32 characters of the hash: 50 bits, what fits behind `tb` into the twelve that AKS allows.
const HASH_CHARS: usize = 10;

/// The pool of the TunePod with this UID: `tb` and ten base32 characters of a hash.
///
/// The name follows from the UID, so a second create for the same TunePod meets the first one's pool. Fifty bits
/// can collide; the pool's tags hold the whole UID, and nobody touches a pool whose tag says another one.
#[must_use]
pub fn pool_name(uid: &str) -> String {
    let mut sha = Context::new(&SHA256);
    sha.update(b"trustbridge.io/TunePod\0");
    sha.update(uid.as_bytes());
    let mut hash = BASE32_NOPAD.encode(sha.finish().as_ref()).to_ascii_lowercase();
    hash.truncate(HASH_CHARS);
    format!("tb{hash}")
}

/// What AKS accepts: `^[a-z][a-z0-9]{0,11}$`.
#[must_use]
pub fn is_pool_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 12
        && chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_valid_and_differ() {
        let one = pool_name("8b7a1d2e-0000-4000-8000-000000000001");
        assert_eq!(one, pool_name("8b7a1d2e-0000-4000-8000-000000000001"));
        assert_ne!(one, pool_name("8b7a1d2e-0000-4000-8000-000000000002"));
        assert!(is_pool_name(&one) && one.len() == 12, "{one}");
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        // python3: base64.b32encode(hashlib.sha256(b"trustbridge.io/TunePod\0" + b"uid").digest())[:10].lower()
        assert_eq!(pool_name("uid"), "tbuvwly25tyl");
    }

    #[test]
    fn what_aks_refuses_is_refused() {
        for name in ["", "1a", "Tb", "tb-1", "abcdefghijklm"] {
            assert!(!is_pool_name(name), "{name}");
        }
    }
}
