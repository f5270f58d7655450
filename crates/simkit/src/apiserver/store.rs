//! The objects, and what happens to them.

use super::fields::{self, Manager, Owners, of_subresource};
use super::history::History;
use super::kinds::{Kinds, has_generation};
use super::path::Path;
use super::{Refusal, writing};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Plural and group. Examples: `tunepods.trustbridge.io`, `pods`.
    pub plural: String,
    /// `None` for what lies in none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.plural, self.name),
            None => write!(f, "{} {}", self.plural, self.name),
        }
    }
}

/// An object, and who owns which of its fields.
pub(super) struct Held {
    pub(super) object: Arc<Value>,
    pub(super) owners: Owners,
}

/// All objects.
pub(super) struct Store {
    pub(super) now: Timestamp,
    pub(super) objects: BTreeMap<Key, Held>,
    pub(super) kinds: Kinds,
    /// Kept only where somebody watches.
    pub(super) history: Option<History>,
    /// The last `resourceVersion`.
    pub(super) version: u64,
    /// How often an object came to be at each place.
    lives: BTreeMap<Key, u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            objects: BTreeMap::new(),
            kinds: Kinds::new(),
            history: None,
            version: 0,
            lives: BTreeMap::new(),
        }
    }
}

/// Who `edit` and `seed` write as: somebody else.
fn somebody() -> Manager {
    Manager {
        name: "somebody".to_owned(),
        is_apply: false,
        is_status: false,
    }
}

impl Store {
    pub(super) fn get(&self, key: &Key) -> Result<Value, Refusal> {
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        Ok(held.object.as_ref().clone())
    }

    pub(super) fn all(&self, plural: &str) -> Vec<Value> {
        let of_kind = self.objects.iter().filter(|(key, _)| key.plural == plural);
        of_kind.map(|(_, held)| held.object.as_ref().clone()).collect()
    }

    pub(super) fn everything(&self) -> BTreeMap<Key, Value> {
        let pairs = self.objects.iter();
        pairs
            .map(|(key, held)| (key.clone(), held.object.as_ref().clone()))
            .collect()
    }

    pub(super) fn owners(&self, key: &Key) -> Vec<Manager> {
        let held = self.objects.get(key);
        held.into_iter()
            .flat_map(|held| held.owners.keys().cloned())
            .collect()
    }

    pub(super) fn list(&self, path: &Path) -> Value {
        let chosen = self
            .objects
            .iter()
            .filter(|(key, held)| path.covers(key) && path.chooses(&held.object));
        let items: Vec<Value> = chosen.map(|(_, held)| held.object.as_ref().clone()).collect();
        json!({
            "kind": "List", "apiVersion": path.api_version,
            "metadata": {"resourceVersion": self.version.to_string()}, "items": items,
        })
    }

    /// A new object without status, as a client makes it.
    pub(super) fn create(&mut self, path: &Path, mut object: Value) -> Result<Value, Refusal> {
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let given = text("/metadata/name").filter(|name| !name.is_empty());
        let name = match (given, text("/metadata/generateName")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(prefix)) => format!("{prefix}{:05x}", self.version + 1),
            (None, None) => String::new(),
        };
        let key = Key {
            name,
            ..path.key.clone()
        };
        let namespace = text("/metadata/namespace");
        if namespace.is_some() && namespace != key.namespace.as_deref() {
            let message = "the namespace of the object does not match the namespace of the request";
            return Err(Refusal::new(400, "BadRequest", message));
        }
        metadata(&mut object).insert("name".to_owned(), json!(key.name));
        let me = path.manager(false);
        self.make(&key, object, |object, shape, owners| {
            fields::update(&Value::Null, object, shape, owners, &me);
        })
    }

    /// Puts an object there whole, status included, as somebody else.
    pub(super) fn seed(&mut self, key: &Key, object: Value) -> Result<Value, Refusal> {
        self.make(key, object, |object, shape, owners| {
            fields::update(&Value::Null, object, shape, owners, &somebody());
        })
    }

    pub(super) fn make(
        &mut self,
        key: &Key,
        mut object: Value,
        own: impl FnOnce(&Value, fields::Shape<'_>, &mut Owners),
    ) -> Result<Value, Refusal> {
        if key.name.is_empty() {
            let message = format!("{key}: metadata.name: Required value");
            return Err(Refusal::new(422, "Invalid", message));
        }
        self.kinds.complete(&key.plural, &mut object);
        let mut owners = Owners::new();
        own(&object, self.kinds.shape(&key.plural), &mut owners);
        let uid = uid(key, self.lives.get(key).copied().unwrap_or_default());
        let metadata = metadata(&mut object);
        if let Some(namespace) = &key.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        metadata.insert("uid".to_owned(), json!(uid));
        metadata.insert("creationTimestamp".to_owned(), json!(self.now.to_string()));
        metadata.remove("generation");
        if has_generation(&key.plural) {
            metadata.insert("generation".to_owned(), json!(1));
        }
        // What is wrong is refused before what is there already.
        self.kinds.check(key, &object, None, Vec::new())?;
        if self.objects.contains_key(key) {
            let message = format!("{key} already exists");
            return Err(Refusal::new(409, "AlreadyExists", message));
        }
        *self.lives.entry(key.clone()).or_default() += 1;
        let held = Held {
            object: Arc::new(Value::Null),
            owners,
        };
        self.objects.insert(key.clone(), held);
        self.put(key, object);
        self.get(key)
    }

    /// HTTP status and the object as it is then.
    pub(super) fn apply(&mut self, path: &Path, said: Value) -> Result<(u16, Value), Refusal> {
        let (key, me) = (&path.key, path.manager(true));
        let (said, expected) = writing::expectations(said);
        let Some(held) = self.objects.get(key) else {
            return self.apply_new(path, &said, &expected).map(|made| (201, made));
        };
        let before = Arc::clone(&held.object);
        let part = of_subresource(&said, path.is_status);
        let shape = self.kinds.shape(&key.plural);
        let (new, owners) = fields::apply(&before, &part, shape, &held.owners, &me, path.is_forced)
            .map_err(|conflicts| writing::taken(key, &conflicts))?;
        expected.check(key, &before)?;
        if self.kinds.has(&key.plural) && expected.is_blank() {
            return Err(writing::without_version(key));
        }
        self.write(key, new, owners).map(|new| (200, new))
    }

    fn apply_new(
        &mut self,
        path: &Path,
        said: &Value,
        expected: &writing::Expected,
    ) -> Result<Value, Refusal> {
        let (key, me) = (&path.key, path.manager(true));
        if path.is_status {
            return Err(absent(key));
        }
        if expected.is_something() {
            let message = format!("{key}: the object was named by UID or version, and there is none");
            return Err(Refusal::new(409, "Conflict", message));
        }
        let mut object = said.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        metadata(&mut object).insert("name".to_owned(), json!(key.name));
        let part = of_subresource(said, false);
        self.make(key, object, |_, shape, owners| {
            if let Ok((_, made)) = fields::apply(&Value::Null, &part, shape, owners, &me, true) {
                *owners = made;
            }
        })
    }

    /// A whole object instead of what is there; HTTP status and the object as it is then.
    pub(super) fn replace(&mut self, path: &Path, said: Value) -> Result<(u16, Value), Refusal> {
        let (key, me) = (&path.key, path.manager(false));
        let (said, expected) = writing::expectations(said);
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        if self.kinds.has(&key.plural) && !expected.has_version() {
            return Err(writing::without_version(key));
        }
        let (before, mut owners) = (Arc::clone(&held.object), held.owners.clone());
        expected.check(key, &before)?;
        let mut new = writing::replaced(&before, &said, path.is_status);
        self.kinds.complete(&key.plural, &mut new);
        fields::update(&before, &new, self.kinds.shape(&key.plural), &mut owners, &me);
        self.write(key, new, owners).map(|new| (200, new))
    }

    /// The object as a merge patch makes it.
    pub(super) fn merge(&mut self, path: &Path, change: &Value) -> Result<Value, Refusal> {
        let (key, me) = (&path.key, path.manager(false));
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        let (before, mut owners) = (Arc::clone(&held.object), held.owners.clone());
        let mut said = before.as_ref().clone();
        writing::merge(&mut said, change);
        let (said, expected) = writing::expectations(said);
        expected.check(key, &before)?;
        let mut new = writing::replaced(&before, &said, path.is_status);
        self.kinds.complete(&key.plural, &mut new);
        fields::update(&before, &new, self.kinds.shape(&key.plural), &mut owners, &me);
        self.write(key, new, owners)
    }

    pub(super) fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        let (before, mut owners) = (Arc::clone(&held.object), held.owners.clone());
        let mut new = before.as_ref().clone();
        change(&mut new);
        let shape = self.kinds.shape(&key.plural);
        fields::update(&before, &new, shape, &mut owners, &somebody());
        let as_status = Manager {
            is_status: true,
            ..somebody()
        };
        fields::update(&before, &new, shape, &mut owners, &as_status);
        self.write(key, new, owners).map(drop)
    }

    /// Writes the object as it should be, unless nothing is different.
    fn write(&mut self, key: &Key, mut new: Value, owners: Owners) -> Result<Value, Refusal> {
        let held = self.objects.get(key).ok_or_else(|| absent(key))?;
        let before = Arc::clone(&held.object);
        self.kinds.complete(&key.plural, &mut new);
        if new == *before && held.owners == owners {
            return Ok(new);
        }
        writing::count_generation(key, &before, &mut new);
        let wrong = writing::new_finalizers(&before, &new);
        self.kinds
            .check(key, &new, Some(&before), wrong.into_iter().collect())?;
        if Self::may_go(key, &new) {
            // The version stays the one that was last written.
            self.remove(key);
            return Ok(new);
        }
        if let Some(held) = self.objects.get_mut(key) {
            held.owners = owners;
        }
        self.put(key, new);
        self.get(key)
    }

    /// The next version of the object.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) {
        let Some(held) = self.objects.get_mut(key) else {
            return;
        };
        self.version += 1;
        let version = json!(self.version.to_string());
        metadata(&mut object).insert("resourceVersion".to_owned(), version);
        let before = std::mem::replace(&mut held.object, Arc::new(object));
        if let Some(history) = &mut self.history {
            let before = Some(before).filter(|before| !before.is_null());
            history.add(self.version, key, before, Some(Arc::clone(&held.object)));
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(held) = self.objects.remove(key) {
            self.version += 1;
            if let Some(history) = &mut self.history {
                history.add(self.version, key, Some(held.object), None);
            }
        }
    }
}

/// A UID that follows from the place and from how many were there before, and not from what else was made first.
fn uid(key: &Key, before: u64) -> String {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, key, before).hash(&mut hasher);
        hasher.finish()
    };
    let (one, other) = (half(1), half(2));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        one >> 32,
        (one >> 16) & 0xffff,
        one & 0xfff,
        (other >> 48) & 0xfff,
        other & 0xffff_ffff_ffff
    )
}

pub(super) fn absent(key: &Key) -> Refusal {
    Refusal::new(404, "NotFound", format!("{key} not found"))
}

/// The metadata, made where it is missing.
pub(super) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = json!({});
    }
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    match object.get_mut("metadata") {
        Some(Value::Object(map)) => map,
        _ => unreachable!("it was made a line above"),
    }
}
