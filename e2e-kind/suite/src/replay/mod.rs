//! The same requests to the API server in memory and to a real one: what the first one shows must be true of the second.
//!
//! | Module | Holds |
//! |---|---|
//! | [`log`] | requests as data, and what they refer to in earlier answers |
//! | [`normal`] | answers without what must differ between two servers |
//! | [`seeded`] | logs by seed, over a kind that exists for them alone |
//! | [`memory`] | the server in memory |
//! | [`live`] | a real one |
//!
//! `e2e-kind/suite/replay` holds what the operator asks in the stories of its simulation. It is written again with
//! `TB_RECORD_LOGS=$PWD/e2e-kind/suite/replay cargo test -p trustbridge-operator --lib what_was_asked`.

pub mod live;
pub mod log;
pub mod memory;
pub mod normal;
pub mod seeded;

use serde_json::Value;

/// What a server said to one request, comparable.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// HTTP status; 0 for a watch, which has none of its own.
    pub code: u16,
    /// The object, list, refusal or events.
    pub body: Value,
    /// Who owns fields of the object afterwards, where one was answered.
    pub owners: Vec<String>,
}

/// Where logs by seed begin: `TB_SEED`, 1 unless it is set.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("TB_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The first place where two servers differ, in words; `None` when there is none.
#[must_use]
pub fn difference(memory: &Said, real: &Said) -> Option<String> {
    if memory.code != real.code {
        return Some(format!(
            "status {} in memory and {} on the real one ({} and {})",
            memory.code, real.code, memory.body, real.body
        ));
    }
    if memory.owners != real.owners {
        return Some(format!(
            "owners {:?} in memory and {:?} on the real one",
            memory.owners, real.owners
        ));
    }
    let mut found = None;
    compare("", &memory.body, &real.body, &mut found);
    found
}

fn compare(place: &str, one: &Value, other: &Value, found: &mut Option<String>) {
    if found.is_some() || one == other {
        return;
    }
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()) {
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                compare(&format!("{place}.{name}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{number}]"), a, b, found);
            }
        }
        _ => *found = Some(format!("{place}: {one} in memory and {other} on the real one")),
    }
}
