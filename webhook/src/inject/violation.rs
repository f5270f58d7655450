//! A refusal that somebody can act on.

use std::fmt;

/// One thing that is wrong with an object: which field, which value, which rule, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Path of the field, as in `kubectl explain`.
    pub(crate) field: String,
    /// Its value.
    pub(crate) value: String,
    /// The rule that it breaks, with the reason.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) next: String,
}

impl Violation {
    /// A violation of `rule` by `value` in `field`.
    pub(crate) fn new(
        field: impl Into<String>,
        value: impl Into<String>,
        rule: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
            rule: rule.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is '{}', but {}; {}",
            self.field, self.value, self.rule, self.next
        )
    }
}

/// All violations in one text, so that nobody has to find them one try at a time.
pub(crate) fn describe(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(". ")
}
