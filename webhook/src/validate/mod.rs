//! Rules that no schema can say. Pure: a request in, a verdict out.
//!
//! | Module | Rule |
//! |---|---|
//! | [`order`] | a live order is ended, not deleted |
//! | [`protected`] | nobody enters a protected namespace, and only the operator makes pods there |

pub(crate) mod order;
pub(crate) mod protected;

#[cfg(test)]
mod tests;

use crate::review::{Request, Verdict};
use crate::settings::Creators;
use serde_json::Value;

/// The rule of pods that are made in a protected namespace.
pub(crate) const PROTECTED_PODS: &str = "protected-pods";

/// The rule that a request falls under, for metrics, and what it says.
pub(crate) fn judge(request: &Request<'_, Value>, creators: &Creators) -> (&'static str, Verdict) {
    let sub = request.sub_resource.as_ref().map_or("", |sub| sub.as_str());
    match (
        request.operation.as_str(),
        request.resource.resource.as_str(),
        sub,
    ) {
        ("DELETE", "orders", "") => ("orders", order::deletion(request)),
        ("CREATE", "pods", "") => (PROTECTED_PODS, protected::creation(request, creators)),
        ("CONNECT", resource, sub) => ("protected-access", protected::entry(request, resource, sub)),
        ("UPDATE", "pods", "ephemeralcontainers") => (
            "protected-access",
            protected::entry(request, "pods", "ephemeralcontainers"),
        ),
        _ => ("none", Verdict::Allowed),
    }
}
