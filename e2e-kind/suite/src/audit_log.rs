//! The API server's audit log: who wrote what, in order.
//!
//! The server writes it blocking: when a request was answered its line is in the file.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One event of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `create`, `update`, `patch`, `delete`, `get`, ...
    pub verb: String,
    /// Who asked.
    pub user: User,
    /// About what; absent for requests that are not about an object.
    #[serde(default)]
    pub object_ref: Option<ObjectRef>,
    /// The answer.
    #[serde(default)]
    pub response_status: Option<ResponseStatus>,
    /// The body, for our own kinds.
    #[serde(default)]
    pub request_object: Option<Value>,
    /// The path and query that were asked.
    #[serde(default, rename = "requestURI")]
    pub request_uri: String,
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// Example: `system:serviceaccount:trustbridge-system:trustbridge-operator`.
    pub username: String,
}

/// What a request is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// Plural. Example: `tunepods`.
    pub resource: String,
    /// Namespace; empty for cluster scope.
    pub namespace: String,
    /// Name; empty where the server makes one.
    pub name: String,
    /// API group; empty for the core.
    pub api_group: String,
    /// Example: `status`.
    pub subresource: String,
}

/// The answer's code.
#[derive(Clone, Debug, Deserialize)]
pub struct ResponseStatus {
    /// HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Event {
    /// Whether it changed something, or tried to.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    /// Whether the server did as asked.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.response_status
            .as_ref()
            .is_some_and(|status| (200..300).contains(&status.code))
    }

    /// What it is about; empty fields where it is about no object.
    #[must_use]
    pub fn object(&self) -> ObjectRef {
        self.object_ref.clone().unwrap_or_default()
    }
}

/// Follows the log from its present end.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Tail {
    /// Starts behind what is there now.
    pub fn from_end(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path)
            .with_context(|| format!("no audit log at {}", path.display()))?
            .len();
        Ok(Self {
            path: path.to_path_buf(),
            offset: length,
            rest: Vec::new(),
        })
    }

    /// The events that were written since the last call.
    pub fn poll(&mut self) -> Result<Vec<Event>> {
        let length = std::fs::metadata(&self.path)?.len();
        if length < self.offset {
            // The server began a new file.
            self.offset = 0;
            self.rest.clear();
        }
        if length == self.offset {
            return Ok(Vec::new());
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.take(length - self.offset).read_to_end(&mut self.rest)?;
        self.offset += u64::try_from(read)?;
        let whole = self
            .rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let tail = self.rest.split_off(whole);
        let lines = std::mem::replace(&mut self.rest, tail);
        Ok(lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = r#"{"verb":"patch","user":{"username":"op"},"objectRef":{"resource":"tunepods","subresource":"status"},"responseStatus":{"code":200}}"#;

    #[test]
    fn only_new_and_whole_lines_are_events() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{LINE}").unwrap();
        let mut tail = Tail::from_end(file.path()).unwrap();
        assert!(tail.poll().unwrap().is_empty());
        write!(file, "{LINE}\n{}", LINE.split_at(20).0).unwrap();
        assert_eq!(tail.poll().unwrap().len(), 1);
        writeln!(file, "{}", LINE.split_at(20).1).unwrap();
        let events = tail.poll().unwrap();
        assert_eq!(events.len(), 1);
        assert!(events[0].is_write() && events[0].succeeded());
        assert_eq!(events[0].object().subresource, "status");
    }
}
