//! Why a command ended, and the exit code that says so.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use trustbridge_tbenc::Class;

/// The exit codes of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A local file could not be read or written.
    Local,
    /// Wrong arguments, or an input that breaks a rule.
    Input,
    /// The asset is not the right one.
    Verification,
    /// The other side refused.
    Refused,
    /// The other side could not be reached.
    Unreachable,
}

impl Exit {
    fn word_and_code(self) -> (&'static str, u8) {
        match self {
            Self::Local => ("local", 1),
            Self::Input => ("input", 2),
            Self::Verification => ("verification", 3),
            Self::Refused => ("refused", 4),
            Self::Unreachable => ("unreachable", 5),
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

    /// An argument or an input that breaks a rule.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// A file that could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::Local, format!("{doing} {}: {error}", path.display()))
    }

    /// An error of the format, on a file.
    pub(crate) fn format(path: &Path, error: &trustbridge_tbenc::Error) -> Self {
        let exit = match error.class() {
            Class::Io => Exit::Local,
            Class::Manifest | Class::Key | Class::Usage => Exit::Input,
            _ => Exit::Verification,
        };
        Self::new(exit, format!("{}: [{}] {error}", path.display(), error.class()))
    }

    /// Writes the error to standard error.
    pub(crate) fn print(&self, as_json: bool) {
        let (word, code) = self.exit.word_and_code();
        if as_json {
            eprintln!(
                "{}",
                json!({"error": {"kind": word, "exit_code": code, "message": self.message}})
            );
        } else {
            eprintln!("error: {}", self.message);
        }
    }
}
