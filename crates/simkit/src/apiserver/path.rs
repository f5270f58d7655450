//! What is asked of which objects, read from the request.

use super::fields::Manager;
use super::store::Key;
use super::{Refusal, selector::Selector};
use serde_json::Value;
use url::form_urlencoded;

/// Object or collection, and the query.
pub(super) struct Path {
    /// Without a name for a collection.
    pub(super) key: Key,
    pub(super) api_version: String,
    pub(super) is_status: bool,
    pub(super) is_forced: bool,
    /// What a watch begins after.
    pub(super) version: Option<u64>,
    /// Seconds that a watch lasts.
    pub(super) lasts: Option<u64>,
    fields: Selector,
    labels: Selector,
    manager: Option<String>,
    is_watch: bool,
}

/// What is asked.
pub(super) enum Verb {
    Get,
    List,
    Create(Value),
    Replace(Value),
    Apply(Value),
    Merge(Value),
    /// With the preconditions.
    Delete(Value),
}

impl Path {
    pub(super) fn read(uri: &http::Uri) -> Result<Self, Refusal> {
        let unknown = || {
            Refusal::new(
                404,
                "NotFound",
                format!("the server could not find {}", uri.path()),
            )
        };
        let words: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let (group, version, rest) = match words.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(unknown()),
        };
        let (namespace, plural, name, sub) = match rest {
            ["namespaces", name] => (None, "namespaces", *name, None),
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, "", None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, *name, None),
            ["namespaces", namespace, plural, name, sub] => (Some(*namespace), *plural, *name, Some(*sub)),
            [plural] => (None, *plural, "", None),
            [plural, name] => (None, *plural, *name, None),
            [plural, name, sub] => (None, *plural, *name, Some(*sub)),
            _ => return Err(unknown()),
        };
        if sub.is_some_and(|sub| sub != "status") {
            return Err(unknown());
        }
        let dotted = |base: &str, mark: char| {
            if group.is_empty() {
                base.to_owned()
            } else if mark == '.' {
                format!("{base}.{group}")
            } else {
                format!("{group}/{base}")
            }
        };
        let mut path = Self {
            key: Key {
                plural: dotted(plural, '.'),
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            },
            api_version: dotted(version, '/'),
            is_status: sub.is_some(),
            is_forced: false,
            version: None,
            lasts: None,
            fields: Selector::default(),
            labels: Selector::default(),
            manager: None,
            is_watch: false,
        };
        path.query(uri.query().unwrap_or_default())?;
        Ok(path)
    }

    fn query(&mut self, query: &str) -> Result<(), Refusal> {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "fieldSelector" => self.fields = Selector::read(&value)?,
                "labelSelector" => self.labels = Selector::read(&value)?,
                "fieldManager" => self.manager = Some(value.into_owned()),
                "force" => self.is_forced = value == "true",
                // One page holds all; the others change nothing of what is answered.
                "limit" | "pretty" | "fieldValidation" | "allowWatchBookmarks" => {}
                "timeoutSeconds" => self.lasts = value.parse().ok(),
                "resourceVersion" => self.version = value.parse().ok(),
                "watch" => self.is_watch = value == "true" || value == "1",
                other => {
                    let message = format!("the parameter '{other}' is not known here");
                    return Err(Refusal::new(400, "BadRequest", message));
                }
            }
        }
        Ok(())
    }

    /// Whether the object is one of those that are asked for, selectors aside.
    pub(super) fn covers(&self, key: &Key) -> bool {
        key.plural == self.key.plural && (self.key.namespace.is_none() || key.namespace == self.key.namespace)
    }

    /// Whether the selectors choose it.
    pub(super) fn chooses(&self, object: &Value) -> bool {
        self.fields.fits_fields(object) && self.labels.fits_labels(object)
    }

    /// Whether the end of what is asked for is open.
    pub(super) fn is_watch(&self) -> bool {
        self.is_watch && self.key.name.is_empty()
    }

    /// Who writes.
    pub(super) fn manager(&self, is_apply: bool) -> Manager {
        Manager {
            name: self.manager.clone().unwrap_or_else(|| "unknown".to_owned()),
            is_apply,
            is_status: self.is_status,
        }
    }

    pub(super) fn verb(
        &self,
        method: &http::Method,
        content_type: &str,
        body: &[u8],
    ) -> Result<Verb, Refusal> {
        let parsed = || {
            serde_json::from_slice::<Value>(body)
                .map_err(|error| Refusal::new(400, "BadRequest", format!("the body is no JSON: {error}")))
        };
        let has_name = !self.key.name.is_empty();
        match method.as_str() {
            "GET" if self.is_watch => {
                let message = "a watch has no end: ask for what happened after a version instead";
                Err(Refusal::new(400, "BadRequest", message))
            }
            "GET" if has_name => Ok(Verb::Get),
            "GET" => Ok(Verb::List),
            "POST" if !has_name => Ok(Verb::Create(parsed()?)),
            "PUT" if has_name => Ok(Verb::Replace(parsed()?)),
            "DELETE" if has_name => {
                let options = if body.is_empty() { Value::Null } else { parsed()? };
                Ok(Verb::Delete(
                    options.get("preconditions").cloned().unwrap_or_default(),
                ))
            }
            "PATCH" if has_name && content_type == "application/apply-patch+yaml" => {
                if self.manager.is_none() {
                    return Err(Refusal::new(400, "BadRequest", "an apply needs a fieldManager"));
                }
                Ok(Verb::Apply(parsed()?))
            }
            "PATCH" if has_name && content_type == "application/merge-patch+json" => {
                Ok(Verb::Merge(parsed()?))
            }
            "PATCH" => Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                format!("'{content_type}' is not known here"),
            )),
            other => Err(Refusal::new(
                405,
                "MethodNotAllowed",
                format!("{other} is not known here"),
            )),
        }
    }
}
