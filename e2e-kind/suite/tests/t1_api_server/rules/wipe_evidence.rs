//! The rules of a WipeEvidence.

use super::{Rule, create, update};
use serde_json::{Value, json};

/// Every rule of a WipeEvidence.
pub(super) fn rules() -> Vec<Rule> {
    let looks = |count: usize, method: &str| {
        let look = json!({"step": "PoolAbsent", "at": "2026-01-07T14:00:00Z", "observer": "arm-double",
            "asked": "GET agentPools/p", "answered": "there is no such node pool"});
        let steps: Vec<Value> = (0..count).map(|_| look.clone()).collect();
        json!({"spec": {"record": {"steps": steps, "method": method}}})
    };
    vec![
        create(
            "WipeEvidence",
            "`spec.record.method` must follow from the steps: nothing counts as cleared unless the node pool was seen as absent twice",
            looks(2, "Clear"),
            looks(1, "Clear"),
        ),
        create(
            "WipeEvidence",
            "`spec.tunePodRef` and `spec.orderRef` must name what `spec.record` is about",
            looks(1, "None"),
            json!({"spec": {"tunePodRef": {"name": "another"}}}),
        ),
        update(
            "WipeEvidence",
            "`spec` must not change: evidence is written once",
            json!({}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            looks(2, "None"),
        ),
    ]
}
