//! What a command prints when it is done: lines for people, one JSON document for machines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use trustbridge_tbenc::manifest::FileEntry;

use crate::failure::{Exit, Failure};

/// A command's result in both forms.
pub(crate) struct Report {
    text: String,
    json: Value,
}

impl Report {
    pub(crate) fn new(text: String, json: &impl Serialize) -> Result<Self, Failure> {
        let json = serde_json::to_value(json).map_err(|e| Failure::input(format!("report: {e}")))?;
        Ok(Self { text, json })
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = if as_json {
            writeln!(out, "{:#}", self.json)
        } else {
            writeln!(out, "{}", self.text.trim_end())
        };
        written.map_err(|e| Failure::new(Exit::Local, format!("writing to standard output: {e}")))
    }
}

/// Aligned `name  value` lines.
pub(crate) fn lines(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect::<Vec<_>>()
        .concat()
}

/// One line for each file of a directory: a digest, the length, the role and the path.
pub(crate) fn table(files: &[FileEntry], digest: impl Fn(&FileEntry) -> String) -> String {
    let line = |file: &FileEntry| {
        let (bytes, role) = (file.plaintext_bytes, file.role.as_str());
        format!("{}  {bytes:>14}  {role:<9}  {}\n", digest(file), file.path)
    };
    files.iter().map(line).collect::<Vec<_>>().concat()
}
