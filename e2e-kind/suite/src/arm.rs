//! The ARM double: what it wrote down, and the faults it is told to make.

use crate::stage::Stage;
use anyhow::{Context, Result};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Tag of a pool: UID of its TunePod.
const TAG_UID: &str = "trustbridge-tunepod-uid";
/// Tag of a pool: its TunePod as `namespace/name`.
const TAG_NAME: &str = "trustbridge-tunepod";

/// What the double wrote down since it was started.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ledger {
    /// Changes that it accepted.
    pub accepted: Vec<Accepted>,
    /// Changes that it turned away.
    pub refused: Vec<Refused>,
    /// Pools that exist.
    pub pools: Vec<Value>,
}

/// A change that the double accepted.
#[derive(Clone, Debug, Deserialize)]
pub struct Accepted {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The pool's name.
    pub pool: String,
    /// The pool's tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A change that the double turned away.
#[derive(Clone, Debug, Deserialize)]
pub struct Refused {
    /// The pool's name.
    pub pool: String,
    /// HTTP status.
    pub status: u16,
    /// Its words.
    pub message: String,
}

/// The pools of one TunePod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCount {
    /// Creates that were accepted.
    pub created: usize,
    /// Deletes that were accepted.
    pub deleted: usize,
    /// Pools that exist now.
    pub left: usize,
    /// Requests that were answered 409 because another operation was in progress.
    pub busy: usize,
}

/// Everything that the double wrote down.
pub async fn ledger(stage: &Stage) -> Result<Ledger> {
    let url = format!("{}/_double/ledger", stage.arm_url());
    serde_json::from_value(stage.ask(Method::GET, &url, None).await?).context("the ARM double's ledger")
}

/// The pools of one TunePod, by its UID.
pub async fn of_tunepod(stage: &Stage, uid: &str) -> Result<PoolCount> {
    Ok(count(&ledger(stage).await?, (TAG_UID, uid)))
}

/// The pools of every TunePod that had this name (`namespace/name`), whatever its UID was.
pub async fn of_name(stage: &Stage, name: &str) -> Result<PoolCount> {
    Ok(count(&ledger(stage).await?, (TAG_NAME, name)))
}

fn count(ledger: &Ledger, (tag, value): (&str, &str)) -> PoolCount {
    let made = |entry: &&Accepted| entry.tags.get(tag).is_some_and(|seen| seen == value);
    let names: BTreeSet<&str> = ledger
        .accepted
        .iter()
        .filter(made)
        .map(|entry| entry.pool.as_str())
        .collect();
    let action = |word: &str| {
        let ours = ledger
            .accepted
            .iter()
            .filter(|entry| names.contains(entry.pool.as_str()));
        ours.filter(|entry| entry.action == word).count()
    };
    let exists = |pool: &&Value| {
        pool.get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| names.contains(name))
    };
    let busy = |entry: &&Refused| {
        entry.status == 409 && entry.message.contains("in progress") && names.contains(entry.pool.as_str())
    };
    PoolCount {
        created: action("create"),
        deleted: action("delete"),
        left: ledger.pools.iter().filter(exists).count(),
        busy: ledger.refused.iter().filter(busy).count(),
    }
}

/// Makes the next create fail like a used-up core quota of the VM family.
pub async fn refuse_next_create(stage: &Stage, times: u32) -> Result<()> {
    let message = "Operation could not be completed as it results in exceeding approved standardNCADSA100v4Family Cores quota. \
                   Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 24, \
                   Current Usage: 24, Additional Required: 24, (Minimum) New Limit Required: 48.";
    let fault = json!({"code": "OperationNotAllowed", "status": 409, "message": message, "times": times, "where": "put"});
    let url = format!("{}/_double/faults", stage.arm_url());
    stage
        .ask(Method::PUT, &url, Some(&json!({"create": [fault]})))
        .await
        .map(drop)
}

/// Takes all faults back.
pub async fn heal(stage: &Stage) -> Result<()> {
    let url = format!("{}/_double/faults", stage.arm_url());
    stage.ask(Method::PUT, &url, Some(&json!({}))).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pools_of_the_tunepod_count() {
        let ledger: Ledger = serde_json::from_value(json!({
            "accepted": [
                {"action": "create", "pool": "tba", "tags": {"trustbridge-tunepod-uid": "u"}},
                {"action": "delete", "pool": "tba", "tags": {}},
                {"action": "create", "pool": "tbb", "tags": {"trustbridge-tunepod-uid": "v"}},
            ],
            "refused": [{"pool": "tba", "status": 409, "message": "another operation is in progress"}],
            "pools": [{"name": "tbb"}, {"name": "nodepool1"}],
        }))
        .unwrap();
        assert_eq!(
            count(&ledger, (TAG_UID, "u")),
            PoolCount {
                created: 1,
                deleted: 1,
                left: 0,
                busy: 1
            }
        );
        assert_eq!(
            count(&ledger, (TAG_UID, "v")),
            PoolCount {
                created: 1,
                deleted: 0,
                left: 1,
                busy: 0
            }
        );
    }
}
