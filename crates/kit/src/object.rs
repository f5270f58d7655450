//! Objects of any kind: where they are, and what was built for there.

use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::Resource;
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

/// An object of any kind by where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub resource: ApiResource,
    /// Its namespace; `None` when cluster scoped.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Target {
    /// The object of kind `K` of that name.
    #[must_use]
    pub fn new<K: Resource<DynamicType = ()>>(namespace: Option<&str>, name: &str) -> Self {
        Self {
            resource: ApiResource::erase::<K>(&()),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// Where `object` is.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self::new::<K>(object.meta().namespace.as_deref(), &object.name_any())
    }

    pub(crate) fn api(&self, client: &Client) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }

    pub(crate) fn header(&self, uid: Option<&str>, resource_version: Option<&str>) -> Value {
        let mut metadata = json!({ "name": self.name });
        if let Some(map) = metadata.as_object_mut() {
            let pairs = [
                ("namespace", self.namespace.as_deref()),
                ("uid", uid),
                ("resourceVersion", resource_version),
            ];
            for (key, value) in pairs.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))) {
                map.insert(key.to_owned(), value.into());
            }
        }
        json!({ "apiVersion": self.resource.api_version, "kind": self.resource.kind, "metadata": metadata })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource.kind, self.name),
            None => write!(f, "{} {}", self.resource.kind, self.name),
        }
    }
}

/// An object as it was built: where it goes and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// Where it goes.
    pub target: Target,
    /// What it says.
    pub body: Value,
}

impl Built {
    /// `object`, ready to be written.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Self {
        // Kubernetes types always serialise; the API server would refuse an empty body in any case.
        Self {
            target: Target::of(object),
            body: serde_json::to_value(object).unwrap_or_default(),
        }
    }
}

/// What a create came to.
#[derive(Clone, Debug)]
pub enum Created {
    /// It was made now.
    New(Box<DynamicObject>),
    /// One of that name was there.
    Exists,
}

/// The status of an object as it should be, for the very object that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite {
    /// Of which object.
    pub target: Target,
    /// Its UID: a namesake that came later is not touched.
    pub uid: String,
    /// The version that the decision was made from: a later one is not overwritten.
    pub resource_version: String,
    /// The status.
    pub status: Value,
}
