//! What happened, in order: what a watch tells that begins at a version.

use super::path::Path;
use super::store::{Key, metadata};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Writes that are kept; a watch that begins before them is too late.
const KEPT: usize = 20_000;

/// The last writes.
#[derive(Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// The version of the last one that is kept no longer.
    forgotten: u64,
}

struct Entry {
    version: u64,
    key: Key,
    before: Option<Arc<Value>>,
    after: Option<Arc<Value>>,
}

impl History {
    /// Another write; the object as it is after it, or as it was last.
    pub(super) fn add(
        &mut self,
        version: u64,
        key: &Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        let key = key.clone();
        self.entries.push_back(Entry {
            version,
            key,
            before,
            after,
        });
        if self.entries.len() > KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }

    /// What happened to what `path` chooses after `version`; `None` when that is not known any more.
    pub(super) fn after(&self, version: u64, path: &Path) -> Option<Vec<Value>> {
        if version < self.forgotten {
            return None;
        }
        let begin = self.entries.partition_point(|entry| entry.version <= version);
        let later = self.entries.range(begin..);
        Some(
            later
                .filter(|entry| path.covers(&entry.key))
                .filter_map(|entry| entry.told(path))
                .collect(),
        )
    }
}

impl Entry {
    /// The event for a watch: an object that a selector does not choose any more is deleted for it.
    fn told(&self, path: &Path) -> Option<Value> {
        let before = self.before.as_ref().filter(|object| path.chooses(object));
        let after = self.after.as_ref().filter(|object| path.chooses(object));
        let (word, object) = match (before, after) {
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
            (None, None) => return None,
        };
        let mut object = object.as_ref().clone();
        metadata(&mut object).insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        Some(json!({"type": word, "object": object}))
    }
}
