//! The documents' examples, with the corrections that are checked in beside them.

use serde_json::Value;
use std::path::PathBuf;
use trustbridge_acp::name::{Name, Side};

/// Both use cases by the names of their folders.
pub const USE_CASES: [&str; 2] = ["tune", "studio"];

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A file below `tests`.
pub fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A correction of an example.
#[derive(serde::Deserialize)]
struct Correction {
    use_case: String,
    message: String,
    path: String,
    /// What the document has there; `null`: whatever it is.
    written: Option<Value>,
    corrected: Value,
    /// Why, for readers of the file.
    #[serde(rename = "why")]
    _why: String,
}

/// An example of a document with its corrections. Each must find what it corrects.
pub fn example(use_case: &str, message: &str) -> Value {
    let mut example = json(&format!("documents/{use_case}/{message}.json"));
    let corrections: Vec<Correction> = serde_json::from_value(json("corrections.json")).unwrap();
    for correction in corrections {
        if ["*", use_case].contains(&correction.use_case.as_str()) && correction.message == message {
            let place = example.pointer_mut(&pointer(&correction.path)).unwrap();
            if let Some(written) = correction.written {
                assert_eq!(*place, written, "{message} {}", correction.path);
            }
            *place = correction.corrected;
        }
    }
    example
}

/// `payload.offers[0].sku` as a JSON pointer.
pub fn pointer(path: &str) -> String {
    format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"))
}

/// The example of a message inside the example of an envelope.
pub fn whole(use_case: &str, message: &str) -> Value {
    let mut whole = example(use_case, "envelope");
    if message == "envelope" {
        whole["payload"] = example(use_case, "offer.list")["payload"].clone();
    } else {
        let inside = example(use_case, message);
        for (key, value) in inside.as_object().unwrap() {
            whole[key] = value.clone();
        }
    }
    whole
}

/// Who sends a message that is written so.
pub fn sender(whole: &Value) -> Side {
    let name = whole["name"].as_str().and_then(Name::of);
    name.map_or(Side::Buyer, |name| name.senders()[0].0)
}

/// Writes `value` at `path`; what is on the way is made where it is missing.
pub fn set(whole: &mut Value, path: &str, value: Value) {
    let mut at = whole;
    for step in pointer(path)[1..].split('/') {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    *at = value;
}

/// Takes away what stands at `path`.
pub fn remove(whole: &mut Value, path: &str) {
    let pointer = pointer(path);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    whole
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(key)
        .unwrap();
}
