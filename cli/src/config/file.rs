//! The configuration file: YAML, long flags as keys, at the top level or below a command's name.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use serde_json::{Map, Value};

use super::flag;
use crate::bounded;
use crate::failure::Failure;
use crate::refused_flags::instead_of;
use crate::secret::is_secret;

/// No configuration is longer; a larger file is the wrong file.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Names that are at least this much alike are worth asking about.
const ALIKE: f64 = 0.75;

/// A configuration file, or none.
#[derive(Default)]
pub(crate) struct Config {
    path: PathBuf,
    keys: Map<String, Value>,
}

impl Config {
    /// Reads the file that is asked for, or the user's own where it exists.
    pub(crate) fn load(asked: Option<PathBuf>) -> Result<Self, Failure> {
        let must_exist = asked.is_some();
        let Some(path) = asked.or_else(users_own) else {
            return Ok(Self::default());
        };
        match bounded::read(&path, MAX_CONFIG_BYTES) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::parse(path, &text),
                Err(_) => Err(refused(&path, "is no text; this is no configuration")),
            },
            Err(e) if e.kind() == ErrorKind::FileTooLarge => {
                Err(refused(&path, "is longer than 1 MiB; this is no configuration"))
            }
            Err(e) if e.kind() == ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(e) => Err(Failure::file("--config: reading", &path, &e)),
        }
    }

    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, Failure> {
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(Self {
                path,
                keys: Map::new(),
            });
        }
        // The parser's own text could repeat a line, and with it a secret that should not be there.
        match serde_saphyr::from_str::<Value>(text) {
            Ok(Value::Object(keys)) => Ok(Self { path, keys }),
            Ok(_) => Err(refused(&path, "must be YAML of the form `flag: value`")),
            Err(_) => Err(refused(
                &path,
                "is no YAML of the form `flag: value`, or says a key twice",
            )),
        }
    }

    /// Refuses what no command takes, and what must not be in a file at all.
    pub(super) fn check(&self, command: &Command) -> Result<(), Failure> {
        for (key, value) in &self.keys {
            if let (Some(sub), Value::Object(section)) = (command.find_subcommand(key), value) {
                for (inner, value) in section {
                    let here = format!("{key}.{inner}");
                    self.check_key(&here, inner, value, &[sub])?;
                }
            } else {
                let all: Vec<&Command> = command.get_subcommands().collect();
                self.check_key(key, key, value, &all)?;
            }
        }
        Ok(())
    }

    fn check_key(&self, here: &str, key: &str, value: &Value, commands: &[&Command]) -> Result<(), Failure> {
        let refused = |rule: String| Err(refused(&self.path, &format!("{here}: {rule}")));
        if let Some(instead) = instead_of(&format!("--{key}")) {
            return refused(format!("a secret does not belong in this file; use {instead}"));
        }
        let offered = || {
            commands
                .iter()
                .flat_map(|command| command.get_arguments())
                .filter(|arg| flag::is_offered(arg))
        };
        if !offered().any(|arg| flag::is_called(arg, key)) {
            let near = offered()
                .filter_map(Arg::get_long)
                .map(|long| (strsim::jaro_winkler(key, long), long))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(alike, _)| *alike >= ALIKE);
            let hint = near
                .map(|(_, long)| format!("; did you mean {long}?"))
                .unwrap_or_default();
            return refused(format!("is no flag that can stand here{hint}"));
        }
        match texts(value) {
            None => refused("must be a text, a number, true or false, or a list of texts".to_owned()),
            Some(texts) if texts.iter().any(|text| is_secret(text)) => refused(
                "holds a secret, which does not belong in this file; put it into a file of mode 0600 and name that one"
                    .to_owned(),
            ),
            Some(_) => Ok(()),
        }
    }

    /// What the command's own section says.
    pub(super) fn section<'c>(&self, command: &'c Command) -> Result<Vec<(&'c Arg, Vec<OsString>)>, Failure> {
        match self.keys.get(command.get_name()) {
            Some(Value::Object(section)) => self.values(section, command),
            _ => Ok(Vec::new()),
        }
    }

    /// What the top level says, as far as the command has such a flag.
    pub(super) fn top_level<'c>(
        &self,
        command: &'c Command,
    ) -> Result<Vec<(&'c Arg, Vec<OsString>)>, Failure> {
        self.values(&self.keys, command)
    }

    fn values<'c>(
        &self,
        keys: &Map<String, Value>,
        command: &'c Command,
    ) -> Result<Vec<(&'c Arg, Vec<OsString>)>, Failure> {
        let mut found = Vec::new();
        for (key, value) in keys {
            let mut offered = command.get_arguments().filter(|arg| flag::is_offered(arg));
            let Some(arg) = offered.find(|arg| flag::is_called(arg, key)) else {
                continue;
            };
            let values = texts(value).unwrap_or_default();
            let arguments = flag::arguments(arg, &values)
                .map_err(|rule| refused(&self.path, &format!("{key}: {rule}")))?;
            found.push((arg, arguments));
        }
        Ok(found)
    }
}

/// Scalars as they would stand on a command line.
fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        single => one(single).map(|text| vec![text]),
    }
}

fn users_own() -> Option<PathBuf> {
    let folder = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(base.join("trustbridge").join("config.yaml"))
}

fn refused(path: &Path, rule: &str) -> Failure {
    Failure::usage(format!("--config {}: {rule}", path.display()))
}
