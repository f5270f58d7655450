//! When a certificate is due. Pure: times in, a decision out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trustbridge_issuer::Window;

const DAY: i64 = 86_400;
/// Life of the authority in seconds.
pub(crate) const AUTHORITY_LIFE: i64 = 365 * DAY;
/// Life of the leaf in seconds.
pub(crate) const LEAF_LIFE: i64 = 7 * DAY;
/// API servers are given so long to see a new authority before a leaf of it is made, in seconds.
pub(crate) const SETTLE: i64 = 30;

/// What the Secret says about its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Validity {
    /// The authority.
    pub(crate) authority: Window,
    /// The authority before it, if any.
    pub(crate) previous: Option<Window>,
    /// The leaf.
    pub(crate) leaf: Window,
    /// Whether the authority signed the leaf; if not, the one before it did.
    #[serde(default = "yes")]
    pub(crate) leaf_is_current: bool,
    /// Names in the leaf.
    pub(crate) dns_names: Vec<String>,
}

/// Secrets of the first version, which did not say it, were written with a leaf of their authority.
const fn yes() -> bool {
    true
}

/// What is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// The leaf.
    Leaf,
    /// The authority; the leaf stays, because its authority stays in the bundle.
    Authority,
}

/// What is due at `now` for a service with these names.
///
/// The bundle holds two authorities, so a second new one waits for a leaf of the first; and a leaf of a new authority
/// waits until API servers have seen it, unless the old leaf is over and nothing is left to lose.
pub(crate) fn due(validity: &Validity, now: Timestamp, dns_names: &[String]) -> Due {
    let now = now.as_second();
    if validity.authority.is_due(now) {
        return if validity.leaf_is_current {
            Due::Authority
        } else {
            Due::Leaf
        };
    }
    if !validity.leaf.is_due(now) && validity.dns_names == dns_names {
        return Due::Nothing;
    }
    let is_seen = now.saturating_sub(validity.authority.from) >= SETTLE;
    if validity.leaf_is_current || is_seen || validity.leaf.is_over(now) {
        Due::Leaf
    } else {
        Due::Nothing
    }
}

/// Names by which the API server and people call service `service` of `namespace`.
pub(crate) fn dns_names(service: &str, namespace: &str) -> Vec<String> {
    vec![
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
    ]
}
