//! A Kubernetes API server in memory: what a controller may ask, answered as the real one does.
//!
//! It keeps objects of any kind, knows create, get, list (field and label selectors), replacement, server-side apply
//! with the owners of each field, deletion with preconditions and finalizers, the status subresource,
//! `resourceVersion` and `generation`, and what happened after a version. Time is what [`ApiServer::set_time`] says. A
//! request is one call of [`ApiServer::handle`]: nothing waits, nothing is random, so a run can be repeated to the byte,
//! thousands of times a minute.
//!
//! Of a kind that [`ApiServer::install`] was told, defaults, merged lists and the rules of its schema hold too; of all
//! others only `finalizers` and `ownerReferences` are merged. What it does not have, a real one must show: types and
//! bounds of fields, admission, quotas. A list is one page. What it does not know it refuses with 415 or 405; it never
//! answers as if. `t1_api_server` plays the same requests here and on a real server and finds no difference.

mod cel;
mod fields;
mod history;
mod kinds;
mod leaving;
pub mod listen;
mod path;
mod selector;
mod store;
#[cfg(test)]
mod tests;
mod writing;

pub use fields::Manager;
pub use store::Key;

use history::History;
use jiff::Timestamp;
use path::{Path, Verb};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;
use tokio::sync::watch;

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
    /// Which fields, each as a `StatusCause`.
    causes: Vec<Value>,
}

impl Refusal {
    /// A refusal without causes.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            reason,
            message,
            causes: Vec::new(),
        }
    }

    fn because(self, causes: Vec<Value>) -> Self {
        Self { causes, ..self }
    }

    /// As the API server words it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": self.reason, "message": self.message, "code": self.code,
            "details": {"causes": self.causes},
        });
        Answer {
            code: self.code,
            body,
        }
    }
}

/// The server; clones share its objects.
#[derive(Clone, Default)]
pub struct ApiServer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    /// The last version, for those who wait for the next one.
    version: watch::Sender<u64>,
}

/// The objects while somebody has them; who waits is told when they are given back.
struct Held<'s> {
    store: MutexGuard<'s, Store>,
    version: &'s watch::Sender<u64>,
}

impl Deref for Held<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let version = self.store.version;
        self.version
            .send_if_modified(|told| std::mem::replace(told, version) != version);
    }
}

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

    /// Takes the schema of a `CustomResourceDefinition` in: its defaults, merged lists and rules hold from now on. Answers
    /// the rules that are not kept here, because they need what is not known here.
    #[must_use]
    pub fn install(&self, crd: &Value) -> Vec<String> {
        self.lock().kinds.install(crd)
    }

    /// Keeps what happens from now on, for [`ApiServer::after`].
    pub fn keep_history(&self) {
        self.lock().history = Some(History::default());
    }

    /// What a watch of that path and query, which names the version to begin after, would have told by now.
    ///
    /// # Errors
    /// 410 when what happened then is not known any more; 400 when the query names no version.
    pub fn after(&self, uri: &http::Uri) -> Result<Vec<Value>, Refusal> {
        let path = Path::read(uri)?;
        let begin = path.version.filter(|_| path.is_watch());
        let begin =
            begin.ok_or_else(|| Refusal::new(400, "BadRequest", "this is no watch from a version"))?;
        self.since(begin, &path)
            .ok_or_else(|| Refusal::new(410, "Expired", "too old resource version"))
    }

    /// Who owns fields of that object.
    #[must_use]
    pub fn owners(&self, key: &Key) -> Vec<Manager> {
        self.lock().owners(key)
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
            Verb::Create(object) => (201, store.create(path, object)?),
            Verb::Replace(object) => store.replace(path, object)?,
            Verb::Merge(change) => (200, store.merge(path, &change)?),
            Verb::Apply(applied) => store.apply(path, applied)?,
            Verb::Delete(preconditions) => (200, store.delete(&path.key, &preconditions)?),
        };
        Ok(Answer { code, body })
    }

    /// All objects of a kind. Example of `plural`: `tunepods.trustbridge.io`, and `pods` of the core group.
    #[must_use]
    pub fn all(&self, plural: &str) -> Vec<Value> {
        self.lock().all(plural)
    }

    /// How many objects of a kind are so.
    #[must_use]
    pub fn count(&self, plural: &str, is_so: impl Fn(&Value) -> bool) -> usize {
        let store = self.lock();
        let of_kind = store.objects.iter().filter(|(key, _)| key.plural == plural);
        of_kind.filter(|(_, held)| is_so(&held.object)).count()
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

    /// The last version, and when there is another one.
    fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// What happened after that version to what is chosen; `None` when it is not known any more.
    fn since(&self, version: u64, path: &Path) -> Option<Vec<Value>> {
        self.lock().history.as_ref()?.after(version, path)
    }

    fn lock(&self) -> Held<'_> {
        Held {
            store: self.0.store.lock().unwrap_or_else(PoisonError::into_inner),
            version: &self.0.version,
        }
    }
}
