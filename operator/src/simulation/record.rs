//! What the operator asked of the API server, as data: the life of each object is one log, and `t1_api_server` plays the
//! logs on a real server. `TB_RECORD_LOGS` names the folder that they are written to.
//!
//! Of a story everything is taken that was asked of an object of ours in a namespace, of a Secret or a `ConfigMap`; what a
//! user changed between two requests is a replacement. Names carry the log's id, versions and UIDs refer to earlier
//! answers, what is secret becomes a number.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trustbridge_simkit::apiserver::{Answer, ApiServer, Key};

/// Requests of a log at the most: a life is longer, and says the same again.
const LONGEST: usize = 40;

/// An order is recorded to its end: a live one may not be deleted, and would stay where it was played.
fn is_long_enough(key: &Key, life: &Life) -> bool {
    life.steps.len() >= LONGEST && !key.plural.starts_with("orders.")
}

/// The recorder of a story; clones share it.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Option<Lives>>>);

/// What happened to each object.
#[derive(Default)]
pub(super) struct Lives {
    lives: BTreeMap<Key, Life>,
    /// Values of Secrets that were met, in order.
    secrets: Vec<String>,
}

#[derive(Default)]
struct Life {
    steps: Vec<Value>,
    /// The object after the last step.
    last: Value,
    /// Which step answered which version.
    versions: BTreeMap<String, usize>,
}

impl Recorder {
    /// Begins to record.
    pub(super) fn begin(&self) {
        *self.lock() = Some(Lives::default());
    }

    /// A request that is about to be answered: what others did to the object since comes before it.
    pub(super) fn asked(&self, server: &ApiServer, head: &http::request::Parts, body: &[u8]) {
        if let Some(lives) = self.lock().as_mut()
            && let Some((key, path)) = object(head, body)
            && let Some(there) = server.everything().get(&key)
        {
            lives.catch_up(&key, &path, there);
        }
    }

    /// The request and its answer.
    pub(super) fn answered(&self, head: &http::request::Parts, body: &[u8], answer: &Answer) {
        if let Some(lives) = self.lock().as_mut()
            && let Some((key, _)) = object(head, body)
        {
            lives.add(&key, head, body, answer);
        }
    }

    /// The logs, each with its name after `prefix`.
    pub(super) fn logs(&self, prefix: &str) -> Vec<Value> {
        let lives = self.lock().take().unwrap_or_default();
        let long_enough = lives.lives.into_iter().filter(|(_, life)| life.steps.len() > 2);
        let named = long_enough.enumerate().map(|(number, (key, life))| {
            let kind = key.plural.split('.').next().unwrap_or_default().to_owned();
            let text = Value::Array(life.steps).to_string();
            let text = text.replace(&format!("\"{}\"", key.name), "\"$id\"");
            let steps: Value = serde_json::from_str(&text).expect("steps");
            json!({"id": format!("{prefix}-{kind}-{number}"), "steps": steps})
        });
        named.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lives>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object that a request is about, if it is one that is recorded, and its path.
fn object(head: &http::request::Parts, body: &[u8]) -> Option<(Key, String)> {
    let path = head.uri.path().trim_end_matches("/status");
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (plural, namespace, name) = match words.as_slice() {
        [
            "api",
            "v1",
            "namespaces",
            namespace,
            kind @ ("secrets" | "configmaps"),
            rest @ ..,
        ] => ((*kind).to_owned(), *namespace, rest.first()),
        [
            "apis",
            "trustbridge.io",
            _,
            "namespaces",
            namespace,
            kind,
            rest @ ..,
        ] => (format!("{kind}.trustbridge.io"), *namespace, rest.first()),
        _ => return None,
    };
    let collection = name.map_or(path, |name| path.trim_end_matches(&format!("/{name}")));
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = name
        .copied()
        .or_else(|| body.pointer("/metadata/name")?.as_str())?;
    let key = Key {
        plural,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    let path = format!("{}/$id", collection.replace(namespace, "$ns"));
    Some((key, path))
}

impl Lives {
    /// What somebody else made of the object since it was answered last.
    fn catch_up(&mut self, key: &Key, path: &str, there: &Value) {
        let life = self.lives.entry(key.clone()).or_default();
        if life.last == *there || is_long_enough(key, life) {
            return;
        }
        let by = "?fieldManager=somebody";
        let mut object = self.masked(key, there);
        if self.life(key).last.is_null() {
            let collection = path.trim_end_matches("/$id");
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.retain(|field, _| field != "uid" && field != "resourceVersion");
            }
            self.push(
                key,
                json!({"method": "POST", "path": format!("{collection}{by}"), "body": object}),
                &Value::Null,
            );
        } else {
            let last = self.life(key).steps.len() - 1;
            object["metadata"]["resourceVersion"] = json!(format!("$version:{last};"));
            self.push(
                key,
                json!({"method": "PUT", "path": format!("{path}{by}"), "body": object}),
                &Value::Null,
            );
        }
        let before = self.life(key).last.get("status").cloned();
        if there.get("status").is_some() && there.get("status") != before.as_ref() {
            let last = self.life(key).steps.len() - 1;
            object["metadata"]["resourceVersion"] = json!(format!("$version:{last};"));
            self.push(
                key,
                json!({"method": "PUT", "path": format!("{path}/status{by}"), "body": object}),
                &Value::Null,
            );
        }
        let life = self.lives.entry(key.clone()).or_default();
        life.last = there.clone();
        let step = life.steps.len() - 1;
        if let Some(version) = there.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            life.versions.insert(version.to_owned(), step);
        }
    }

    fn add(&mut self, key: &Key, head: &http::request::Parts, body: &[u8], answer: &Answer) {
        if is_long_enough(key, self.life(key)) {
            return;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let body = self.masked(key, &body);
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let path = head.uri.to_string().replace(namespace, "$ns");
        let path = path.replace(&format!("/{}", key.name), "/$id");
        let step = json!({"method": head.method.as_str(), "path": path, "body": body});
        self.push(key, step, &answer.body);
    }

    fn push(&mut self, key: &Key, step: Value, answer: &Value) {
        let life = self.lives.entry(key.clone()).or_default();
        if life.steps.is_empty() {
            // Owners of the object are one ConfigMap: the garbage collector must find it.
            let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner-$id"}});
            let path = "/api/v1/namespaces/$ns/configmaps?fieldManager=somebody";
            life.steps
                .push(json!({"method": "POST", "path": path, "body": owner}));
        }
        life.steps.push(step);
        if answer.pointer("/metadata/uid").is_some() {
            life.last = answer.clone();
            if let Some(version) = answer
                .pointer("/metadata/resourceVersion")
                .and_then(Value::as_str)
            {
                life.versions.insert(version.to_owned(), life.steps.len() - 1);
            }
        }
    }

    fn life(&mut self, key: &Key) -> &mut Life {
        self.lives.entry(key.clone()).or_default()
    }

    /// A body as it may be kept and played again.
    fn masked(&mut self, key: &Key, body: &Value) -> Value {
        let mut body = body.clone();
        if key.plural == "secrets"
            && let Some(data) = body.get_mut("data").and_then(Value::as_object_mut)
        {
            for value in data.values_mut() {
                *value = self.number(value);
            }
        }
        let life = self.lives.entry(key.clone()).or_default();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            life.mask(metadata);
        }
        if let Some(conditions) = body.pointer_mut("/preconditions").and_then(Value::as_object_mut) {
            life.mask(conditions);
        }
        body
    }

    fn number(&mut self, value: &Value) -> Value {
        let text = value.as_str().unwrap_or_default().to_owned();
        let known = self.secrets.iter().position(|known| *known == text);
        let number = known.unwrap_or_else(|| {
            self.secrets.push(text);
            self.secrets.len() - 1
        });
        BASE64.encode(format!("secret {number}").as_bytes()).into()
    }
}

impl Life {
    fn mask(&self, metadata: &mut Map<String, Value>) {
        for field in ["creationTimestamp", "generation", "managedFields"] {
            metadata.remove(field);
        }
        if let Some(namespace) = metadata.get_mut("namespace") {
            *namespace = "$ns".into();
        }
        let last = self.steps.len().saturating_sub(1);
        if let Some(version) = metadata.get_mut("resourceVersion") {
            let known = version.as_str().and_then(|version| self.versions.get(version));
            *version = format!("$version:{};", known.copied().unwrap_or(last)).into();
        }
        if let Some(uid) = metadata.get_mut("uid") {
            let first = self.versions.values().min().copied().unwrap_or(last);
            *uid = format!("$uid:{first};").into();
        }
        if let Some(owners) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) {
            owners.truncate(1);
            for owner in owners {
                owner["apiVersion"] = "v1".into();
                owner["kind"] = "ConfigMap".into();
                owner["name"] = "owner-$id".into();
                owner["uid"] = "$uid:0;".into();
            }
        }
    }
}
