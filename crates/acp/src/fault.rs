//! What is wrong with a message: path, value, rule, next step.

use crate::code::Code;
use crate::path::Path;
use std::fmt;

/// Characters of a value that are repeated.
const VALUE_CHARS: usize = 48;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where. Example: `payload.period.to`; empty: the document as a whole.
    pub path: String,
    /// Which code it leads to.
    pub code: Code,
    /// What was given, shortened; `None` where it is missing or must not be repeated.
    pub value: Option<String>,
    /// What must hold. Example: `must be a day of the calendar, such as 2026-02-28`.
    pub rule: String,
    /// What to do.
    pub next: String,
}

impl Fault {
    /// A fault at `path`; `next` says what to do.
    #[must_use]
    pub fn new(path: Path<'_>, code: Code, rule: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            code,
            value: None,
            rule: rule.into(),
            next: next.into(),
        }
    }

    /// The same with the value that was given, as far as it is repeated.
    #[must_use]
    pub fn of(mut self, value: &str) -> Self {
        let plain = |c: char| if c.is_control() { '?' } else { c };
        let mut shown: String = value.chars().take(VALUE_CHARS).map(plain).collect();
        if value.chars().nth(VALUE_CHARS).is_some() {
            shown.push('…');
        }
        self.value = Some(shown);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str("the message")?;
        } else {
            write!(f, "`{}`", self.path)?;
        }
        if let Some(value) = &self.value {
            write!(f, " {value:?}")?;
        }
        write!(f, " {}; {}", self.rule, self.next)
    }
}

/// A message that is refused, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The code of the whole.
    pub code: Code,
    /// What is wrong, in the order of the document; at least one.
    pub faults: Vec<Fault>,
}

impl Refusal {
    /// A refusal for these faults; `None`: nothing is wrong. The gravest code speaks for the whole: a document that
    /// cannot be read before one with a field too many, before one with a value that breaks a rule.
    #[must_use]
    pub fn from_faults(faults: Vec<Fault>) -> Option<Self> {
        let gravity = |fault: &Fault| match fault.code {
            Code::UnsupportedVersion => 0,
            Code::NameNotAllowed => 1,
            Code::SchemaInvalid => 2,
            Code::FieldInvalid => 4,
            _ => 3,
        };
        let code = faults.iter().min_by_key(|fault| gravity(fault))?.code;
        Some(Self { code, faults })
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code,
            faults: vec![fault],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.as_str())?;
        for fault in &self.faults {
            write!(f, ": {fault}")?;
        }
        Ok(())
    }
}
