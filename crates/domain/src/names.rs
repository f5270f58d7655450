//! Deterministic object names.
//!
//! A name that follows from what the object *is* makes `create` the lock: a second one cannot exist
//! (CONTRACTS section 1). Natural ids may hold capitals and underscores, which Kubernetes refuses, and
//! two ids may fold onto one slug; the hash keeps them apart.

use data_encoding::Specification;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Longest name of an object whose name becomes a DNS label, in characters (RFC 1123).
pub const MAX_LABEL: usize = 63;
/// Base32 characters of the hash that end a generated name: 50 bits.
pub const HASH_CHARS: usize = 10;

static BASE32_LOWER: LazyLock<data_encoding::Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    // The alphabet above is a constant of 32 distinct symbols, the one thing `encoding` checks.
    spec.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

/// Name of an object that stands for `natural_id`: a readable slug, `-`, and ten base32 characters of
/// SHA-256(org, kind, natural id).
#[must_use]
pub fn object_name(org: &str, kind: &str, natural_id: &str) -> String {
    readable_name(natural_id, &[org, kind, natural_id])
}

/// Name of an object whose identity says less to a reader than `readable` does: the slug of `readable`, `-`, and
/// ten base32 characters of SHA-256 over the identity's parts.
#[must_use]
pub fn readable_name(readable: &str, identity: &[&str]) -> String {
    let hash = short_hash(identity);
    let mut slug = slug(readable);
    slug.truncate(MAX_LABEL - HASH_CHARS - 1);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        format!("x-{hash}")
    } else {
        format!("{slug}-{hash}")
    }
}

/// Name of instance `index` of an order: `<order>-<index>`, shortened with a hash where it would not fit.
#[must_use]
pub fn instance_name(order: &str, index: u32) -> String {
    child_name(order, &index.to_string())
}

/// Name of a child by role: `<parent>-<role>`; parents too long for a DNS label are cut and hashed.
#[must_use]
pub fn child_name(parent: &str, role: &str) -> String {
    let plain = format!("{parent}-{role}");
    // Service names get a prefix of three characters on top, hence the margin.
    if plain.len() <= MAX_LABEL - 3 && !parent.contains('.') {
        return plain;
    }
    let hash = short_hash(&[parent, role]);
    let room = MAX_LABEL - 3 - HASH_CHARS - role.len() - 2;
    let mut cut = slug(parent);
    cut.truncate(room);
    format!("{}-{hash}-{role}", cut.trim_end_matches('-'))
}

/// The Service by which buyers call a TunePod's model, in the organisation's own namespace.
#[must_use]
pub fn door_name(tunepod: &str) -> String {
    format!("tp-{tunepod}")
}

/// The Secret with the bearer token of a TunePod's model, in the organisation's own namespace.
#[must_use]
pub fn token_secret(tunepod: &str) -> String {
    format!("tp-{tunepod}-token")
}

/// The Secret with the sums of the tokens that a TunePod's sentinel accepts, in the protected namespace.
#[must_use]
pub fn token_sums_secret(tunepod: &str) -> String {
    format!("tp-{tunepod}-token-sums")
}

/// The Secret with certificate and key of a TunePod's port 8000, in the protected namespace.
#[must_use]
pub fn serving_secret(tunepod: &str) -> String {
    format!("tp-{tunepod}-tls")
}

/// The Lease that a TunePod's sentinel renews as its sign of life, in the protected namespace.
#[must_use]
pub fn heartbeat_lease(tunepod: &str) -> String {
    format!("tp-{tunepod}-heartbeat")
}

/// The buyer organisation's own namespace.
#[must_use]
pub fn org_namespace(org: &str) -> String {
    format!("tb-{org}")
}

/// The namespace of the organisation's protected pods, in which buyers have no rights.
#[must_use]
pub fn protected_namespace(org: &str) -> String {
    format!("tb-{org}-protected")
}

/// Organisation of a namespace made by [`org_namespace`]; `None` for any other namespace.
#[must_use]
pub fn org_of_namespace(namespace: &str) -> Option<&str> {
    let org = namespace.strip_prefix("tb-")?;
    (!org.is_empty() && !org.ends_with("-protected")).then_some(org)
}

/// First ten base32 characters (a-z, 2-7) of SHA-256 over the parts, each followed by a zero byte.
#[must_use]
pub fn short_hash(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.as_bytes());
        sha.update([0]);
    }
    let mut text = BASE32_LOWER.encode(&sha.finalize());
    text.truncate(HASH_CHARS);
    text
}

fn slug(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_that_share_a_slug_stay_apart() {
        assert_ne!(
            object_name("acme", "Quote", "q_a"),
            object_name("acme", "Quote", "q-a")
        );
    }

    #[test]
    fn short_parents_keep_their_name() {
        assert_eq!(instance_name("order-1", 0), "order-1-0");
    }

    #[test]
    fn protected_namespaces_are_nobodys_home() {
        assert_eq!(org_of_namespace("tb-acme"), Some("acme"));
        assert_eq!(org_of_namespace("tb-acme-protected"), None);
        assert_eq!(org_of_namespace("default"), None);
    }

    fn is_label(name: &str) -> bool {
        name.len() <= MAX_LABEL
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    }

    proptest! {
        #[test]
        fn every_id_becomes_a_label(id in "\\PC{0,300}") {
            prop_assert!(is_label(&object_name("acme", "Order", &id)));
        }

        #[test]
        fn every_child_fits(parent in "[a-z0-9]([a-z0-9.-]{0,240}[a-z0-9])?", index in 0u32..1000) {
            prop_assert!(is_label(&instance_name(&parent, index)));
        }
    }
}
