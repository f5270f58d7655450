//! The rules of a UsageRecord.

use super::{Rule, create, update};
use crate::examples::SHA;
use serde_json::{Value, json};

/// Every rule of a UsageRecord.
pub(super) fn rules() -> Vec<Rule> {
    let hours = |quantities: Value| json!({"status": {"hours": [{"hour": 14, "quantities": quantities}]}});
    let start = |first: u32, last: u32| {
        let start = json!({"boot": "b", "outbox": "x", "pod": "p", "firstSeq": first, "lastSeq": last, "hash": SHA, "intervals": 1});
        json!({"status": {"starts": [start]}})
    };
    let loss = json!([{"pod": "p", "after": 3, "noticed": "2026-01-07T14:00:00Z", "reason": "UsageLost"}]);
    let used = hours(json!({"requests": 2, "completionTokens": 9}));
    let mut rules = identity_rules();
    rules.extend([
        update(
            "UsageRecord",
            "`hours` must keep what was counted: no hour goes and no quantity falls",
            used.clone(),
            hours(json!({"requests": 3, "completionTokens": 9, "promptTokens": 1})),
            hours(json!({"requests": 3, "completionTokens": 8})),
        ),
        update(
            "UsageRecord",
            "`hours` must not be taken away: what was counted stays",
            used.clone(),
            used.clone(),
            json!({"status": {"hours": null}}),
        ),
        update(
            "UsageRecord",
            "`intervals` must keep every interval",
            metered(2),
            metered(3),
            metered(1),
        ),
        update(
            "UsageRecord",
            "a metered interval must not change",
            metered(2),
            metered(3),
            altered(2),
        ),
        update(
            "UsageRecord",
            "`intervals` must not be taken away: what was metered stays",
            metered(2),
            metered(2),
            json!({"status": {"intervals": null}}),
        ),
        update(
            "UsageRecord",
            "`quantities` must hold one at least: an hour without use is absent",
            json!({}),
            used,
            hours(json!({})),
        ),
        update(
            "UsageRecord",
            "a quantity must be above 0: what was not counted is absent",
            json!({}),
            hours(json!({"promptTokens": 1})),
            hours(json!({"promptTokens": 1, "requests": 0})),
        ),
        update(
            "UsageRecord",
            "`lastSeq` must not be below `firstSeq`",
            json!({}),
            start(3, 3),
            start(4, 3),
        ),
        update(
            "UsageRecord",
            "`complete` must be false where `losses` names one",
            json!({}),
            json!({"status": {"losses": loss, "complete": false}}),
            json!({"status": {"losses": loss, "complete": true}}),
        ),
        update(
            "UsageRecord",
            "`complete` must not become true again: what was lost stays lost",
            json!({"status": {"complete": false}}),
            json!({"status": {"complete": false, "startsFolded": 1}}),
            json!({"status": {"complete": true}}),
        ),
    ]);
    rules
}

fn identity_rules() -> Vec<Rule> {
    let day = |day: &str| json!({"spec": {"day": day}});
    vec![
        create(
            "UsageRecord",
            "`spec.day` must be a UTC date, e.g. '2026-01-07'",
            day("2026-12-31"),
            day("2026-13-01"),
        ),
        update(
            "UsageRecord",
            "`spec` must not change: a usage record is of one TunePod and one day",
            json!({}),
            json!({"metadata": {"labels": {"note": "x"}}}),
            day("2026-01-08"),
        ),
    ]
}

/// So many metered intervals of an hour.
fn metered(count: i64) -> Value {
    let one = |seq: i64| {
        let at = |hour: i64| format!("2026-01-07T{hour:02}:00:00Z");
        json!({"seq": seq, "from": at(2 * seq), "to": at(2 * seq + 1), "gpus": 1, "openedBy": "Ready", "closedBy": "Degraded"})
    };
    json!({"status": {"intervals": (0..count).map(one).collect::<Vec<_>>()}})
}

/// The same with one of another length.
fn altered(count: i64) -> Value {
    let mut all = metered(count);
    all["status"]["intervals"][0]["to"] = json!("2026-01-07T00:30:00Z");
    all
}
