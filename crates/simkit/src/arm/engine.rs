//! The state of the double: pools, the one operation of each cluster, faults and the ledger. No IO and no clock.

use super::fault::{Fault, Faults, Place, take};
use super::late::Late;
use super::record::{Action, Entry, Operation, Turned};
use super::refuse::{busy, check_generation, problem};
use super::validate;
use crate::answer::Problem;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trustbridge_azure::arm::body::PoolStatus;
use trustbridge_azure::arm::{AgentPool, ErrorBody};
use uuid::Uuid;

/// Fewest looks before an operation ends.
pub(super) const LEAST_LOOKS: u32 = 3;
/// The system pool that every cluster has.
const SYSTEM_POOL: &str = "nodepool1";

/// A pool of a cluster, by their resource ids in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolKey {
    /// `/subscriptions/…/managedClusters/…`
    pub cluster: String,
    /// Pool name.
    pub pool: String,
}

/// A pool as the double keeps it.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) body: AgentPool,
}

/// Conditional headers of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

/// What an accepted request is answered.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) action: Action,
    pub(super) operation: Uuid,
    pub(super) body: Option<AgentPool>,
}

/// The state.
#[derive(Default)]
pub struct Engine {
    looks_needed: u32,
    pools: BTreeMap<PoolKey, Pool>,
    operations: BTreeMap<Uuid, Operation>,
    pub(super) in_flight: BTreeMap<String, Uuid>,
    names_seen: BTreeSet<PoolKey>,
    faults: Faults,
    pub(super) late: Vec<Late>,
    accepted: Vec<Entry>,
    turned: Vec<Turned>,
}

impl Engine {
    /// Nothing there, no faults.
    #[must_use]
    pub fn new(looks: u32) -> Self {
        Self {
            looks_needed: looks.max(LEAST_LOOKS),
            ..Self::default()
        }
    }

    /// Orders failures in place of all earlier ones.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The failure ordered for reads, if any.
    pub(super) fn read_fault(&mut self) -> Option<Problem> {
        take(&mut self.faults.get, Place::Put).map(|fault| problem(&fault))
    }

    /// Every accepted and refused change, and the pools that are there.
    #[must_use]
    pub fn ledger(&self) -> Value {
        let pools: Vec<&AgentPool> = self.pools.values().map(|pool| &pool.body).collect();
        serde_json::json!({"accepted": self.accepted, "refused": self.turned, "pools": pools, "faults": self.faults})
    }

    /// One look at a cluster: its operation comes nearer to its end. The id of an operation that has had its
    /// last look and whose effect is due.
    pub(super) fn look(&mut self, cluster: &str) -> Option<Uuid> {
        let id = *self.in_flight.get(cluster)?;
        let operation = self.operations.get_mut(&id)?;
        operation.looks += 1;
        (operation.looks >= self.looks_needed).then_some(id)
    }

    pub(super) fn operation(&self, id: Uuid) -> Option<&Operation> {
        self.operations.get(&id)
    }

    /// What has to happen to the node when this operation ends: nothing when it is going to fail.
    pub(super) fn effect(&self, id: Uuid) -> Option<(Action, AgentPool)> {
        let operation = self
            .operations
            .get(&id)
            .filter(|operation| operation.fault.is_none())?;
        self.pools
            .get(&operation.key)
            .map(|pool| (operation.action, pool.body.clone()))
    }

    /// Ends an operation whose effect is done.
    pub(super) fn finish(&mut self, id: Uuid, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(&id) else {
            return;
        };
        self.in_flight.remove(&operation.key.cluster);
        operation.ended = Some(now);
        operation.error = operation.fault.as_ref().map(|fault| ErrorBody {
            code: fault.code.clone(),
            message: fault.message.clone(),
            ..ErrorBody::default()
        });
        if let Some(entry) = self.accepted.get_mut(operation.entry) {
            entry.ended_at = Some(now.to_string());
            entry.outcome = operation
                .error
                .as_ref()
                .map_or("Succeeded".to_owned(), |error| format!("Failed: {}", error.code));
        }
        if operation.action == Action::Delete && operation.error.is_none() {
            self.pools.remove(&operation.key);
        } else if let Some(pool) = self.pools.get_mut(&operation.key) {
            let state = if operation.error.is_some() {
                "Failed"
            } else {
                "Succeeded"
            };
            mark(&mut pool.body, state, operation.error.clone());
        }
    }

    /// PUT.
    pub(super) fn put(
        &mut self,
        key: &PoolKey,
        body: &Value,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<Started, Problem> {
        let existing = self.pools.get(key);
        let action = if existing.is_some() {
            Action::Update
        } else {
            Action::Create
        };
        let checked = validate::body(&key.pool, body, existing)
            .and_then(|pool| self.admit(action, key, conditions).map(|fault| (pool, fault)));
        let (pool, fault) = match checked {
            Ok(admitted) => admitted,
            Err(problem) => return Err(self.turn_away(action, key, problem, now)),
        };
        if let Some(late) = fault.as_ref().filter(|fault| fault.place == Place::Late) {
            let (key, looks) = (key.clone(), late.looks);
            let problem = self.turn_away(action, &key, problem(late), now);
            self.late.push(Late { key, pool, looks });
            return Err(problem);
        }
        Ok(self.take_in(action, key, pool, fault, now))
    }

    /// A pool that is accepted.
    pub(super) fn take_in(
        &mut self,
        action: Action,
        key: &PoolKey,
        mut pool: AgentPool,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Started {
        pool.id = Some(format!("{}/agentPools/{}", key.cluster, key.pool));
        pool.name = Some(key.pool.clone());
        pool.properties.count = pool.properties.count.or(Some(1));
        mark(&mut pool, action.running_state(), None);
        self.pools.insert(key.clone(), Pool { body: pool.clone() });
        let operation = self.start(action, key, &pool, fault, now);
        Started {
            action,
            operation,
            body: Some(pool),
        }
    }

    /// DELETE; `None` when there is no such pool.
    pub(super) fn delete(
        &mut self,
        key: &PoolKey,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<Option<Started>, Problem> {
        let action = Action::Delete;
        let Some(mut pool) = self.pools.get(key).cloned() else {
            return Ok(None);
        };
        let fault = match self.admit(action, key, conditions) {
            Ok(fault) => fault,
            Err(problem) => return Err(self.turn_away(action, key, problem, now)),
        };
        mark(&mut pool.body, action.running_state(), None);
        self.pools.insert(key.clone(), pool.clone());
        let operation = self.start(action, key, &pool.body, fault, now);
        Ok(Some(Started {
            action,
            operation,
            body: None,
        }))
    }

    /// The pool.
    pub(super) fn get(&self, key: &PoolKey) -> Option<&AgentPool> {
        self.pools.get(key).map(|pool| &pool.body)
    }

    /// Every pool of ours, whatever the cluster.
    pub(super) fn pools(&self) -> impl Iterator<Item = &AgentPool> {
        self.pools.values().map(|pool| &pool.body)
    }

    /// Every pool of a cluster, the system pool first.
    pub(super) fn list(&self, cluster: &str) -> Vec<AgentPool> {
        let system = serde_json::json!({
            "id": format!("{cluster}/agentPools/{SYSTEM_POOL}"), "name": SYSTEM_POOL,
            "properties": {"mode": "System", "count": 2, "vmSize": "Standard_D4s_v5", "provisioningState": "Succeeded"}
        });
        let ours = self
            .pools
            .iter()
            .filter(|(key, _)| key.cluster == cluster)
            .map(|(_, pool)| pool.body.clone());
        serde_json::from_value(system).into_iter().chain(ours).collect()
    }

    /// Busy first, then generations, then ordered failures; an operation's failure comes along.
    fn admit(
        &mut self,
        action: Action,
        key: &PoolKey,
        conditions: &Conditions,
    ) -> Result<Option<Fault>, Problem> {
        if let Some(id) = self.in_flight.get(&key.cluster) {
            let running = self
                .operations
                .get(id)
                .map(|running| (running.key.pool.as_str(), running.action));
            let (pool, running) = running.unwrap_or((SYSTEM_POOL, Action::Update));
            return Err(busy(pool, running.running_state()));
        }
        if action == Action::Create && self.names_seen.insert(key.clone()) {
            return Err(busy(SYSTEM_POOL, "Updating"));
        }
        check_generation(self.pools.get(key), conditions)?;
        let faults = match action {
            Action::Create => &mut self.faults.create,
            Action::Update => &mut self.faults.update,
            Action::Delete => &mut self.faults.delete,
        };
        match take(faults, Place::Put) {
            Some(fault) => Err(problem(&fault)),
            // No place else: an update or a deletion of what is there has nothing to come into being.
            None if action == Action::Create => {
                Ok(take(faults, Place::Late).or_else(|| take(faults, Place::Operation)))
            }
            None => Ok(take(faults, Place::Operation)),
        }
    }

    fn start(
        &mut self,
        action: Action,
        key: &PoolKey,
        pool: &AgentPool,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Uuid {
        let id = Uuid::new_v4();
        self.accepted.push(Entry {
            action,
            pool: key.pool.clone(),
            cluster: key.cluster.clone(),
            vm_size: pool.properties.vm_size.clone(),
            count: pool.properties.count,
            tags: pool.properties.tags.clone(),
            operation: id,
            accepted_at: now.to_string(),
            ended_at: None,
            outcome: "InProgress".to_owned(),
        });
        let entry = self.accepted.len() - 1;
        let (key, ended, error) = (key.clone(), None, None);
        self.in_flight.insert(key.cluster.clone(), id);
        self.operations.insert(
            id,
            Operation {
                action,
                key,
                started: now,
                ended,
                error,
                looks: 0,
                fault,
                entry,
            },
        );
        id
    }

    fn turn_away(&mut self, action: Action, key: &PoolKey, problem: Problem, now: Timestamp) -> Problem {
        self.turned.push(Turned {
            action,
            pool: key.pool.clone(),
            at: now.to_string(),
            status: problem.status.as_u16(),
            code: problem.code.clone(),
            message: problem.message.clone(),
        });
        problem
    }
}

fn mark(pool: &mut AgentPool, state: &str, error: Option<ErrorBody>) {
    pool.properties.provisioning_state = Some(state.to_owned());
    pool.properties.e_tag = Some(Uuid::new_v4().to_string());
    pool.properties.status = error.map(|error| PoolStatus {
        provisioning_error: Some(error),
        ..PoolStatus::default()
    });
}
