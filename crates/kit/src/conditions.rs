//! Conditions that say what is, and since when.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use trustbridge_api::condition::{ConditionType, Reason};

/// Longest message that is written; longer ones are cut with an ellipsis.
pub const MAX_MESSAGE: usize = 1024;

/// A condition as a decision states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which condition.
    pub type_: ConditionType,
    /// `True`, `False` or `Unknown`.
    pub status: Truth,
    /// One word that machines read.
    pub reason: Reason,
    /// What it means here and what happens next.
    pub message: String,
}

/// The three values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

impl Truth {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Statement {
    /// `type_` holds.
    #[must_use]
    pub fn yes(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: Truth::True,
            reason,
            message: message.into(),
        }
    }

    /// `type_` does not hold.
    #[must_use]
    pub fn no(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: Truth::False,
            reason,
            message: message.into(),
        }
    }

    /// It is not known whether `type_` holds.
    #[must_use]
    pub fn unknown(type_: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: Truth::Unknown,
            reason,
            message: message.into(),
        }
    }
}

/// Writes `said` into `conditions`. The transition time changes only when the status does, so that the
/// same statement at a later time is the same condition and causes no write.
pub fn set(conditions: &mut Vec<Condition>, said: &Statement, generation: Option<i64>, now: Timestamp) {
    let fresh = Condition {
        type_: said.type_.as_str().to_owned(),
        status: said.status.as_str().to_owned(),
        reason: said.reason.as_str().to_owned(),
        message: cut(&said.message),
        observed_generation: generation,
        last_transition_time: Time(now),
    };
    match conditions.iter_mut().find(|c| c.type_ == fresh.type_) {
        Some(old) => {
            let since = if old.status == fresh.status {
                old.last_transition_time.clone()
            } else {
                Time(now)
            };
            *old = Condition {
                last_transition_time: since,
                ..fresh
            };
        }
        None => conditions.push(fresh),
    }
}

/// The condition of that type.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.as_str())
}

/// Whether the condition of that type is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|c| c.status == "True")
}

/// `text` on one line and at most [`MAX_MESSAGE`] characters.
#[must_use]
pub fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_MESSAGE {
        return line;
    }
    let mut short: String = line.chars().take(MAX_MESSAGE - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    #[test]
    fn times_change_only_on_flips() {
        let mut list = vec![];
        set(
            &mut list,
            &Statement::no(ConditionType::Ready, Reason::InProgress, "a"),
            Some(1),
            at(10),
        );
        let first = list.clone();
        set(
            &mut list,
            &Statement::no(ConditionType::Ready, Reason::InProgress, "a"),
            Some(1),
            at(20),
        );
        assert_eq!(list, first, "the same statement is the same condition");
        set(
            &mut list,
            &Statement::no(ConditionType::Ready, Reason::Busy, "b"),
            Some(2),
            at(30),
        );
        assert_eq!(list[0].last_transition_time.0, at(10));
        assert_eq!(list[0].reason, "Busy");
        set(
            &mut list,
            &Statement::yes(ConditionType::Ready, Reason::AsSpecified, "c"),
            Some(2),
            at(40),
        );
        assert_eq!(list[0].last_transition_time.0, at(40));
        assert!(is_true(&list, ConditionType::Ready));
    }

    #[test]
    fn messages_are_one_bounded_line() {
        assert_eq!(cut("a\n  b\tc"), "a b c");
        assert_eq!(cut(&"é".repeat(5000)).chars().count(), MAX_MESSAGE);
    }
}
