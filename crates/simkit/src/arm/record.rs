//! Operations, and what the ledger keeps.

use super::engine::PoolKey;
use super::fault::Fault;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use trustbridge_azure::arm::ErrorBody;
use uuid::Uuid;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    pub(super) fn running_state(self) -> &'static str {
        match self {
            Self::Create => "Creating",
            Self::Update => "Updating",
            Self::Delete => "Deleting",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) key: PoolKey,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) error: Option<ErrorBody>,
    pub(super) looks: u32,
    pub(super) fault: Option<Fault>,
    pub(super) entry: usize,
}

/// An accepted change.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    pub(super) action: Action,
    pub(super) pool: String,
    pub(super) cluster: String,
    pub(super) vm_size: Option<String>,
    pub(super) count: Option<u32>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) operation: Uuid,
    pub(super) accepted_at: String,
    pub(super) ended_at: Option<String>,
    pub(super) outcome: String,
}

/// A change that was turned away.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Turned {
    pub(super) action: Action,
    pub(super) pool: String,
    pub(super) at: String,
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}
