//! Field and label selectors: `key=value`, `key!=value`, separated by commas.

use super::Refusal;
use serde_json::Value;

/// Terms that must all hold.
#[derive(Default)]
pub(super) struct Selector(Vec<Term>);

struct Term {
    key: String,
    value: String,
    is_equal: bool,
}

impl Selector {
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let terms = text.split(',').filter(|term| !term.is_empty());
        terms.map(Term::read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the fields at these dotted paths say so.
    pub(super) fn fits_fields(&self, object: &Value) -> bool {
        self.fits(|key| object.pointer(&format!("/{}", key.replace('.', "/"))))
    }

    /// Whether the labels say so.
    pub(super) fn fits_labels(&self, object: &Value) -> bool {
        self.fits(|key| {
            object
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(key))
        })
    }

    fn fits<'o>(&self, find: impl Fn(&str) -> Option<&'o Value>) -> bool {
        self.0.iter().all(|term| {
            let found =
                find(&term.key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            (found.unwrap_or_default() == term.value) == term.is_equal
        })
    }
}

impl Term {
    fn read(text: &str) -> Result<Self, Refusal> {
        let (key, value, is_equal) = text
            .split_once("!=")
            .map(|(key, value)| (key, value, false))
            .or_else(|| text.split_once('=').map(|(key, value)| (key, value, true)))
            .ok_or_else(|| {
                let message = format!("the selector '{text}' is not known here");
                Refusal::new(400, "BadRequest", message)
            })?;
        Ok(Self {
            key: key.to_owned(),
            value: value.trim_start_matches('=').to_owned(),
            is_equal,
        })
    }
}
