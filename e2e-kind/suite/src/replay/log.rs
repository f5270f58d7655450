//! Requests as data. What a request says of an earlier answer is a word in its text: `$uid:3;` is the UID that step 3
//! answered, `$version:3;` its `resourceVersion`, `$name:3;` its name. `$ns` is the namespace, `$id` the log's own id, so
//! that many logs play in one namespace.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Requests in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    /// A DNS label.
    pub id: String,
    /// The requests.
    pub steps: Vec<Step>,
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// `GET`, `POST`, `PUT`, `PATCH` (server-side apply), `DELETE`, or `WATCH`, which is read up to the object `end-$id`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The object or the options.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
}

impl Step {
    /// A request.
    #[must_use]
    pub fn new(method: &str, path: impl Into<String>, body: Value) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            body,
        }
    }
}

/// What the steps of a run referred to so far.
#[derive(Debug)]
pub struct Answers<'l> {
    log: &'l Log,
    namespace: String,
    told: Vec<[String; 3]>,
}

impl<'l> Answers<'l> {
    /// A run that begins.
    #[must_use]
    pub fn new(log: &'l Log, namespace: &str) -> Self {
        Self {
            log,
            namespace: namespace.to_owned(),
            told: Vec::new(),
        }
    }

    /// The next answer: object or list.
    pub fn add(&mut self, answer: &Value) {
        let of = |pointer: &str| {
            let text = answer.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        self.told.push([
            of("/metadata/uid"),
            of("/metadata/resourceVersion"),
            of("/metadata/name"),
        ]);
    }

    /// Path and body of a step, as this server must be asked.
    #[must_use]
    pub fn filled(&self, step: &Step) -> (String, Vec<u8>) {
        let body = if step.body.is_null() {
            String::new()
        } else {
            step.body.to_string()
        };
        (self.fill(&step.path), self.fill(&body).into_bytes())
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.replace("$ns", &self.namespace).replace("$id", &self.log.id);
        for (number, told) in self.told.iter().enumerate() {
            for (word, value) in ["uid", "version", "name"].iter().zip(told) {
                filled = filled.replace(&format!("${word}:{number};"), value);
            }
        }
        filled
    }
}

/// The logs that were recorded, from the files of `folder`.
///
/// # Errors
/// A file that cannot be read, or is no list of logs.
pub fn recorded(folder: &Path) -> Result<Vec<Log>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let logs: Vec<Log> =
            serde_json::from_str(&text).with_context(|| format!("{} is no list of logs", path.display()))?;
        all.extend(logs);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::memory;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_recorded_is_granted_or_lost_a_race_with_every_rule_in_force() {
        let logs = recorded(Path::new("replay")).unwrap();
        let crds: Vec<Value> = trustbridge_api::crds()
            .iter()
            .map(|crd| serde_json::to_value(crd).unwrap())
            .collect();
        let (mut ids, mut granted, mut late) = (BTreeSet::new(), 0, 0);
        for log in &logs {
            assert!(ids.insert(&log.id), "{} is there twice", log.id);
            for (step, said) in log.steps.iter().zip(memory::play(log, &crds).unwrap()) {
                match said.code {
                    200..300 => granted += 1,
                    409 => late += 1,
                    code => panic!(
                        "log {}, {} {}: {code} {}",
                        log.id, step.method, step.path, said.body
                    ),
                }
            }
        }
        assert!(
            logs.len() >= 30 && granted > 10 * late,
            "{} logs, {granted}, {late}",
            logs.len()
        );
    }

    #[test]
    fn a_step_refers_to_earlier_answers() {
        let log = Log {
            id: "one".to_owned(),
            steps: Vec::new(),
        };
        let mut answers = Answers::new(&log, "here");
        for uid in ["a", "b"] {
            answers.add(&serde_json::json!({"metadata": {"uid": uid, "resourceVersion": "7", "name": "n"}}));
        }
        let step = Step::new("GET", "/$ns/$id/$name:0;", "$uid:1; $version:0;".into());
        let (path, body) = answers.filled(&step);
        assert_eq!(path, "/here/one/n");
        assert_eq!(body, b"\"b 7\"");
    }
}
