//! Why a command ended, and the exit code that says so.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use trustbridge_tbenc::Class;

use crate::report::note;

/// The exit codes that others script against, those of `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Wrong arguments, configuration or order of commands.
    Usage,
    /// The data is refused: a key, manifest, ciphertext or model that breaks a rule or is not the right one.
    Data,
    /// A service is not there, or in trouble; trying again may help.
    Unavailable,
    /// A local file could not be read or written.
    Io,
    /// Not allowed: credentials that are missing, refused or not enough.
    NotAllowed,
    /// Interrupted by a signal.
    Interrupted,
}

impl Exit {
    /// The word of `--json` and the process's exit code.
    pub(crate) fn word_and_code(self) -> (&'static str, u8) {
        match self {
            Self::Usage => ("usage", 64),
            Self::Data => ("data", 65),
            Self::Unavailable => ("unavailable", 69),
            Self::Io => ("io", 74),
            Self::NotAllowed => ("not-allowed", 77),
            Self::Interrupted => ("interrupted", 130),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.word_and_code().1)
    }
}

/// One error: what failed, on what value, by which rule, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// Wrong arguments, configuration or order of commands.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Data that breaks a rule.
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::new(Exit::Data, message)
    }

    /// The user ended it.
    pub(crate) fn interrupted() -> Self {
        Self::new(
            Exit::Interrupted,
            "interrupted; nothing unfinished was left behind",
        )
    }

    /// A file that could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::NotAllowed,
            _ => Exit::Io,
        };
        Self::new(exit, format!("{doing} {}: {error}", path.display()))
    }

    /// An error of the format, on a file or URL. `name` holds no query string.
    pub(crate) fn format(name: impl std::fmt::Display, error: &trustbridge_tbenc::Error) -> Self {
        let exit = match error.class() {
            Class::Interrupted => return Self::interrupted(),
            Class::Io => Exit::Io,
            Class::Usage => Exit::Usage,
            _ => Exit::Data,
        };
        Self::new(exit, format!("{name}: [{}] {error}", error.class()))
    }

    /// Writes the error to standard error.
    pub(crate) fn print(&self, as_json: bool) {
        let (word, code) = self.exit.word_and_code();
        if as_json {
            let document = json!({"error": {"kind": word, "exit_code": code, "message": self.message}});
            // Where standard error is closed, the exit code alone says it.
            let _ = writeln!(io::stderr().lock(), "{document}");
        } else {
            note("error", &self.message);
        }
    }
}
