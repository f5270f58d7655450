//! What a command prints when it is done: lines for people, one JSON document for machines.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use serde_json::Value;
use trustbridge_tbenc::manifest::FileEntry;

use crate::failure::{Exit, Failure};

/// A command's result in both forms.
pub(crate) struct Report {
    text: String,
    json: Value,
    on_stderr: bool,
}

impl Report {
    pub(crate) fn new(text: String, json: &impl Serialize) -> Result<Self, Failure> {
        let json = serde_json::to_value(json).map_err(|e| Failure::new(Exit::Io, format!("report: {e}")))?;
        Ok(Self {
            text,
            json,
            on_stderr: false,
        })
    }

    /// A document that is the same for people and machines: a script, a manual page.
    pub(crate) fn document(text: String) -> Self {
        Self {
            text,
            json: Value::Null,
            on_stderr: false,
        }
    }

    /// Leaves standard output to what the command itself wrote there.
    pub(crate) fn on_stderr(mut self) -> Self {
        self.on_stderr = true;
        self
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Failure> {
        let text = if as_json && !self.json.is_null() {
            format!("{:#}", self.json)
        } else {
            self.text.trim_end().to_owned()
        };
        let (name, written) = if self.on_stderr {
            ("standard error", writeln!(io::stderr().lock(), "{text}"))
        } else {
            ("standard output", print_line(&text))
        };
        written.map_err(|e| Failure::new(Exit::Io, format!("writing to {name}: {e}")))
    }
}

/// A reader that went away has what it wanted: `trustbridge … | head -1` is no error.
fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says something beside the result, on standard error.
pub(crate) fn note(kind: &str, text: &str) {
    // Where even standard error is closed, nobody is there to be told.
    let _ = writeln!(io::stderr().lock(), "{kind}: {text}");
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
