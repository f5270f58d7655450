//! What is known of port 8000, in words, and whether buyers are let in by it. Pure.

use super::observe::Observed;
use crate::public_port::PortAnswer;
use jiff::Timestamp;
use trustbridge_api::TunePodStatus;
use trustbridge_api::condition::{ConditionType, Reason};
use trustbridge_kit::conditions::{Statement, set};

/// A pod that a version before made.
pub(super) const OUTDATED: &str = "the pod was made by a version before: its port 8000 has no certificate and asks for no token; its door is shut, and the pod is deleted and made anew. If it comes back the same, bring the webhook to the operator's version";

/// Why Secrets are not in order.
pub(super) fn unusable(words: &str) -> String {
    format!("token, certificate or authority of port 8000 cannot be read or made: {words}")
}

/// What is still to be heard of port 8000 before buyers are let in.
pub(super) fn unheard(seen: &Observed) -> Option<(Reason, String)> {
    if let Some(words) = &seen.access.refused {
        return Some((Reason::AccessUnusable, unusable(words)));
    }
    match &seen.access.port {
        Some(PortAnswer::Accepted) => None,
        Some(PortAnswer::Refused) => Some((
            Reason::TokenRefused,
            "the pod is ready, but its port 8000 refuses the token".to_owned(),
        )),
        Some(PortAnswer::Open) => Some((
            Reason::PortOpen,
            "the pod is ready, but its port 8000 accepts a token that nobody has".to_owned(),
        )),
        Some(PortAnswer::Silent(words)) => Some((
            Reason::PortSilent,
            format!("the pod is ready, but its port 8000 gives no answer over TLS: {words}"),
        )),
        None => Some((
            Reason::InProgress,
            "the pod is ready; its port 8000 is being asked".to_owned(),
        )),
    }
}

/// Why a port that served serves no more. It is asked only once its certificate is over and no new one can be made:
/// whether it refuses the question's token says nothing then, since nobody's is shown.
pub(super) fn over(seen: &Observed) -> Option<(Reason, String)> {
    let words = seen.access.refused.as_ref()?;
    match &seen.access.port {
        Some(PortAnswer::Silent(silent)) => Some((
            Reason::AccessUnusable,
            format!(
                "the certificate of port 8000 is over, and nobody can call it over TLS: {silent}; {}",
                unusable(words)
            ),
        )),
        Some(PortAnswer::Open) => Some((
            Reason::PortOpen,
            "port 8000 accepts a token that nobody has".to_owned(),
        )),
        Some(PortAnswer::Accepted | PortAnswer::Refused) | None => None,
    }
}

/// It serves with what it has, though nothing new can be made: said while there is time to mend it.
pub(super) fn say_unusable(seen: &Observed, status: &mut TunePodStatus, now: Timestamp) {
    let Some(words) = &seen.access.refused else {
        return;
    };
    let text = format!(
        "answers at {} with the certificate and the tokens that it has; {}",
        status.url.clone().unwrap_or_default(),
        unusable(words)
    );
    let said = Statement::yes(ConditionType::Serving, Reason::AccessUnusable, text);
    set(
        &mut status.conditions,
        &said,
        seen.tunepod.metadata.generation,
        now,
    );
}
