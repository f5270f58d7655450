//! Requests that were given up by their client, and arrive all the same.

use super::engine::{Engine, PoolKey};
use super::record::Action;
use jiff::Timestamp;
use trustbridge_azure::arm::AgentPool;

/// A PUT that is still on its way though its client was told that it failed.
pub(super) struct Late {
    pub(super) key: PoolKey,
    pub(super) pool: AgentPool,
    pub(super) looks: u32,
}

impl Engine {
    /// Somebody looked for a pool and did not find it: what was late may arrive after that.
    pub(super) fn missed(&mut self, key: &PoolKey, now: Timestamp) {
        let found = self.late.iter().position(|late| late.key == *key);
        let Some(place) = found.filter(|_| !self.in_flight.contains_key(&key.cluster)) else {
            return;
        };
        if let Some(late) = self.late.get_mut(place) {
            late.looks = late.looks.saturating_sub(1);
            if late.looks > 0 {
                return;
            }
        }
        let late = self.late.remove(place);
        self.take_in(Action::Create, &late.key, late.pool, None, now);
    }

    /// The first request that is on its way arrives now; whether there was one that could.
    pub(super) fn land(&mut self, now: Timestamp) -> bool {
        let is_free = |late: &Late| !self.in_flight.contains_key(&late.key.cluster);
        let Some(place) = self.late.iter().position(is_free) else {
            return false;
        };
        let late = self.late.remove(place);
        self.take_in(Action::Create, &late.key, late.pool, None, now);
        true
    }
}
