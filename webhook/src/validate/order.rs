//! Orders are records of money: a live one is ended by `spec.termination`, which stops the meter, wipes the nodes
//! and closes the account; a DELETE would only forget it.

use crate::inject::violation::{Reason, Violation};
use crate::review::{Request, Verdict};
use serde_json::Value;
use trustbridge_domain::phase::OrderPhase;

/// Whether the order of a DELETE may go.
pub(crate) fn deletion(request: &Request<'_, Value>) -> Verdict {
    let order = request.old_object.as_ref();
    let text = |path| order.and_then(|order: &Value| order.pointer(path)?.as_str());
    let word = text("/status/phase").unwrap_or_default();
    match phase(word) {
        Some(phase) if is_live(phase) => {}
        // Nothing was agreed yet, or everything is closed. A word that we do not know is kept.
        Some(_) => return Verdict::Allowed,
        None if word.is_empty() => return Verdict::Allowed,
        None => {}
    }
    let name = text("/metadata/name").unwrap_or(request.name.as_str());
    let namespace = request.namespace.as_str();
    let next = if word == OrderPhase::Terminating.as_str() {
        format!("wait for it: `kubectl get order {name} -n {namespace} -w`")
    } else {
        format!(
            "end it with `kubectl patch order {name} -n {namespace} --type merge -p '{{\"spec\":{{\"termination\":{{\"reason\":\"no longer needed\"}}}}}}'` and delete it once it is Terminated"
        )
    };
    Verdict::Denied(
        Violation::new(
            Reason::LiveOrder,
            "status.phase",
            word,
            "a live order must not be deleted, because it is the record of what is owed",
            next,
        )
        .to_string(),
    )
}

fn phase(word: &str) -> Option<OrderPhase> {
    OrderPhase::ALL
        .iter()
        .copied()
        .find(|phase| phase.as_str() == word)
}

/// Whether something was agreed that has not ended.
fn is_live(phase: OrderPhase) -> bool {
    phase != OrderPhase::Pending && !phase.is_terminal()
}
