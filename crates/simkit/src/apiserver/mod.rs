//! A Kubernetes API server in memory: what a controller may ask, answered as the real one does.
//!
//! It keeps objects of any kind, knows create, get, list (field and label selectors), server-side apply, deletion
//! with preconditions and finalizers, the status subresource, `resourceVersion` and `generation`. Time is what
//! [`ApiServer::set_time`] says. A request is one call of [`ApiServer::handle`]: nothing waits, nothing is random, so a
//! run can be repeated to the byte, thousands of times a minute.
//!
//! What it does not have, a real one must show: schemas, CEL rules, admission, defaults, quotas, watches. A list is
//! one page. Field ownership is kept for each manager as what it applied last; of the lists only `finalizers`
//! and `ownerReferences` are merged, all others belong to one manager whole. What it does not know it refuses with 415
//! or 405; it never answers as if.

mod apply;
mod path;
mod selector;
mod store;
#[cfg(test)]
mod tests;

pub use store::Key;

use jiff::Timestamp;
use path::{Path, Verb};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;

/// An answer: HTTP status and body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The object, the list, or a `Status`.
    pub body: Value,
}

/// A refusal, as a `Status` of reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// The machine's word. Example: `Conflict`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            reason,
            message,
        }
    }

    /// As the API server words it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": self.reason, "message": self.message, "code": self.code,
        });
        Answer {
            code: self.code,
            body,
        }
    }
}

/// The server; clones share its objects.
#[derive(Clone, Default)]
pub struct ApiServer(Arc<Mutex<Store>>);

impl ApiServer {
    /// A server without objects, at the beginning of Unix time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `creationTimestamp` and `deletionTimestamp` are made of from now on.
    pub fn set_time(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// One request: method, path with query, content type and body.
    pub fn handle(&self, method: &http::Method, uri: &http::Uri, content_type: &str, body: &[u8]) -> Answer {
        let asked = Path::read(uri).and_then(|path| {
            let verb = path.verb(method, content_type, body)?;
            self.answer(&path, verb)
        });
        asked.unwrap_or_else(|refusal| refusal.answer())
    }

    fn answer(&self, path: &Path, verb: Verb) -> Result<Answer, Refusal> {
        let mut store = self.lock();
        let (code, body) = match verb {
            Verb::Get => (200, store.get(&path.key)?),
            Verb::List => (200, store.list(path)),
            Verb::Create(object) => (201, store.create(&path.key, object)?),
            Verb::Apply(applied, manager) => store.apply(&path.key, path.is_status, applied, &manager)?,
            Verb::Delete(preconditions) => (200, store.delete(&path.key, &preconditions)?),
        };
        Ok(Answer { code, body })
    }

    /// All objects of a kind. Example of `plural`: `tunepods.trustbridge.io`, and `pods` of the core group.
    #[must_use]
    pub fn all(&self, plural: &str) -> Vec<Value> {
        self.lock().all(plural)
    }

    /// Everything, by key.
    #[must_use]
    pub fn everything(&self) -> BTreeMap<Key, Value> {
        self.lock().everything()
    }

    /// Puts `object` there as it is, as somebody else would; what the server sets is set.
    ///
    /// # Errors
    /// As for a create.
    pub fn seed(&self, plural: &str, object: Value) -> Result<Value, Refusal> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let key = Key {
            plural: plural.to_owned(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").unwrap_or_default(),
        };
        self.lock().seed(&key, object)
    }

    /// Changes an object as somebody else would: kubelet, a user.
    ///
    /// # Errors
    /// 404 when there is none.
    pub fn edit(&self, key: &Key, change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
        self.lock().edit(key, change)
    }

    /// Takes an object away at once, as kubelet does with a pod that has ended.
    pub fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Takes away what belongs to nobody any more: objects with an owner that is gone, as the garbage collector does.
    pub fn collect_garbage(&self) {
        self.lock().collect_garbage();
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
