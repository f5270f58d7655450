//! The journal: what is about to be made, written before it is made.
//!
//! A harness that is killed at any point leaves a journal that names everything it may have made,
//! so `down` never has to guess. Nothing is ever taken out of it; `down` removes it with the state folder.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Entry {
    /// A process is about to be started.
    Process {
        /// Its name in this harness.
        name: String,
    },
    /// A process was started.
    Started {
        /// Its name in this harness.
        name: String,
        /// Its process id; its command line is checked before it is trusted.
        pid: i32,
    },
    /// A named network namespace is about to be made.
    Namespace {
        /// Its name below `/run/netns`.
        name: String,
    },
    /// The names that `/run/netns` held before, and whether it was a mount point.
    NamespacesBefore {
        /// Names of others; never touched.
        names: Vec<String>,
        /// Whether somebody had mounted the folder already.
        mounted: bool,
    },
    /// A control group is about to be made.
    Cgroup {
        /// Its folder.
        path: PathBuf,
    },
    /// A machine-wide kernel setting is about to be changed.
    Sysctl {
        /// Its path below `/proc/sys`.
        name: String,
        /// The value to put back.
        before: String,
    },
    /// A file or folder outside the state folder that did not exist and will be made.
    Outside {
        /// Its path.
        path: PathBuf,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens the journal, making it when there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open the journal {}", path.display()))?;
        Ok(Self { file })
    }

    /// Writes one entry; it is on disk when this returns.
    pub fn write(&self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        (&self.file)
            .write_all(&line)
            .context("cannot write to the journal")?;
        self.file.sync_data().context("cannot sync the journal")
    }
}

/// Reads a journal; none at all is an empty one.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    match fs::read(path) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read the journal {}", path.display())),
    }
}

/// The entries of a journal's text. A torn line was never acted upon and is left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Entry> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The values that the kernel settings had before the first change, in the order of the changes.
#[must_use]
pub fn settings_before(entries: &[Entry]) -> Vec<(String, String)> {
    let mut before: Vec<(String, String)> = Vec::new();
    for entry in entries {
        if let Entry::Sysctl { name, before: value } = entry
            && !before.iter().any(|(known, _)| known == name)
        {
            before.push((name.clone(), value.clone()));
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctl(name: &str, before: &str) -> Entry {
        Entry::Sysctl {
            name: name.into(),
            before: before.into(),
        }
    }

    #[test]
    fn entries_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let entries = [
            Entry::Process { name: "etcd".into() },
            Entry::Started {
                name: "etcd".into(),
                pid: 7,
            },
            sysctl("kernel/panic", "0"),
        ];
        let journal = Journal::open(&path).unwrap();
        for entry in &entries {
            journal.write(entry).unwrap();
        }
        assert_eq!(read(&path).unwrap(), entries);
        assert!(read(&folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let text = "{\"kind\":\"process\",\"name\":\"etcd\"}\n{\"kind\":\"star";
        assert_eq!(parse(text), [Entry::Process { name: "etcd".into() }]);
    }

    #[test]
    fn the_first_recorded_value_is_the_one_to_put_back() {
        let entries = [sysctl("a", "1"), sysctl("b", "2"), sysctl("a", "1024")];
        assert_eq!(
            settings_before(&entries),
            [("a".into(), "1".into()), ("b".into(), "2".into())]
        );
    }
}
