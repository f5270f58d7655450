//! What the Secret with the seller's keys remembers of published keys: public halves, in an annotation. Pure.
//!
//! The profile's status goes when the profile goes. The Secret stays, and with it the list: what was signed stays
//! checkable, and which keys were retired stays known.

use super::{Key, Observed};
use crate::controllers::execute::Write;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::json;
use trustbridge_api::seller_profile::PublishedKey;
use trustbridge_kit::apply::{Built, FieldManager, Target};

/// The annotation, a JSON list of [`PublishedKey`].
pub(super) const ANNOTATION: &str = "trustbridge.io/published-keys";

/// What the Secret remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Where it lies; `None`: there is no Secret.
    secret: Option<Place>,
    /// The annotation's text.
    text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    namespace: String,
    name: String,
    uid: String,
}

impl History {
    /// Of that Secret.
    pub(super) fn read(secret: &Secret) -> Self {
        Self {
            secret: Some(Place {
                namespace: secret.namespace().unwrap_or_default(),
                name: secret.name_any(),
                uid: secret.uid().unwrap_or_default(),
            }),
            text: secret.annotations().get(ANNOTATION).cloned(),
        }
    }
}

/// Every key that status or Secret know, oldest first; one that either calls retired is retired.
pub(super) fn joined(status: &[PublishedKey], history: &History) -> Result<Vec<PublishedKey>, String> {
    let text = history.text.as_deref().unwrap_or("[]");
    let mut all: Vec<PublishedKey> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for key in status {
        match all.iter_mut().find(|known| known.key_id == key.key_id) {
            Some(known) => known.until = known.until.take().or_else(|| key.until.clone()),
            None => all.push(key.clone()),
        }
    }
    all.sort_by_key(|key| key.since.0);
    Ok(all)
}

/// The write of `keys` into the Secret, unless it says so already or the present key cannot be used.
pub(super) fn write(seen: &Observed, keys: &[PublishedKey]) -> Option<Write> {
    let place = seen
        .history
        .secret
        .as_ref()
        .filter(|_| matches!(seen.key, Key::Usable(_)))?;
    if joined(&[], &seen.history).ok()? == keys {
        return None;
    }
    let text = serde_json::to_string(keys).ok()?;
    let target = Target::new::<Secret>(Some(&place.namespace), &place.name);
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        // Nothing else of the Secret is named: no key passes through here.
        "metadata": {"name": place.name, "namespace": place.namespace, "uid": place.uid, "annotations": {ANNOTATION: text}},
    });
    Some(Write::Apply(
        FieldManager::SELLER_KEY_HISTORY,
        Built { target, body },
    ))
}
