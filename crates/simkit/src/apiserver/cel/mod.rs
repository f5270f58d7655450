//! The part of the Common Expression Language that rules of a schema are written in here.
//!
//! Literals, fields, `has`, comparisons, `in`, `&&`, `||`, `!`, `?:`, the macros over lists, and a few functions on
//! text and lists. A rule with anything else is not taken in, and who installs it is told: it is never answered as if.

mod eval;
mod parse;

use serde_json::Value;
use std::borrow::Cow;

/// A rule, read.
#[derive(Debug)]
pub(super) struct Rule(Expr);

/// A part of a rule.
#[derive(Debug)]
enum Expr {
    Literal(Value),
    Name(String),
    List(Vec<Expr>),
    Field(Box<Expr>, String),
    /// `has(a.b)`.
    Has(Box<Expr>, String),
    Not(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a ? b : c`.
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a.name(arguments)`; `name(a)` is read as `a.name()`.
    Call(Box<Expr>, String, Vec<Expr>),
    /// `a.name(variable, body)`.
    Macro(Box<Expr>, String, String, Box<Expr>),
}

impl Rule {
    /// The rule, or what of it is not known here.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        parse::rule(text).map(Self)
    }

    /// Whether the rule asks what was before.
    pub(super) fn is_transition(&self) -> bool {
        asks_before(&self.0)
    }

    /// Whether the rule holds. An error of the evaluation is a rule that does not.
    pub(super) fn holds(&self, now: &Value, before: Option<&Value>) -> bool {
        let mut names: eval::Names<'_> = vec![("self", Cow::Borrowed(now))];
        names.extend(before.map(|before| ("oldSelf", Cow::Borrowed(before))));
        eval::value(&self.0, &mut names) == Ok(Value::Bool(true))
    }
}

fn asks_before(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) => false,
        Expr::Name(name) => name == "oldSelf",
        Expr::List(all) => all.iter().any(asks_before),
        Expr::Field(of, _) | Expr::Has(of, _) | Expr::Not(of) => asks_before(of),
        Expr::Binary(_, one, other) | Expr::Macro(one, _, _, other) => asks_before(one) || asks_before(other),
        Expr::Choice(is, then, other) => [is, then, other].into_iter().any(|one| asks_before(one)),
        Expr::Call(of, _, all) => asks_before(of) || all.iter().any(asks_before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(rule: &str, now: &Value, before: &Value) -> bool {
        Rule::read(rule).unwrap().holds(now, Some(before))
    }

    #[test]
    fn rules_of_every_shape_are_judged() {
        let object = json!({"a": 2, "s": "tb-x", "l": [{"n": 1, "m": 3}, {"n": 2, "m": 4}], "e": []});
        for (rule, is) in [
            ("self.a == 2 && has(self.l) && !has(self.z)", true),
            ("self.s in ['tb-x', 'tb-y'] ? self.a > 2 : self.a >= 2", false),
            ("size(self.l) == 2 && self.e.size() == 0", true),
            ("self.l.all(i, self.l.exists_one(j, j.n == i.n))", true),
            ("self.l.exists(i, i.n == 3)", false),
            ("self.l.filter(i, i.m > 3).size() >= 1", true),
            ("self.l.map(i, i.m).sum() <= 7", true),
            (
                "self.s.startsWith('tb-') && !self.s.endsWith('-y') && self.s.contains('-')",
                true,
            ),
            ("self.z == 1", false),
            ("self.z == 1 || self.a == 2", true),
            ("self.a == 1 && self.z == 2", false),
            ("self == oldSelf", false),
            ("(self.a == oldSelf.a) != (self.a < oldSelf.a)", true),
        ] {
            assert_eq!(holds(rule, &object, &json!({"a": 3})), is, "{rule}");
        }
    }

    #[test]
    fn moments_are_compared_as_moments() {
        let of = |from: &str, to: &str| json!({"from": from, "to": to});
        let rule = "self.to >= self.from";
        let whole = of("2026-11-19T04:00:00Z", "2026-11-19T04:00:00.5Z");
        assert!(holds(rule, &whole, &Value::Null));
        let back = of("2026-11-19T04:00:00.5Z", "2026-11-19T04:00:00Z");
        assert!(!holds(rule, &back, &Value::Null));
    }

    #[test]
    fn what_is_not_known_is_not_taken_in() {
        for rule in [
            "isURL(self)",
            "self.matches('a')",
            "self.a[0] == 1",
            "self.a ==",
            "optional.of(self.a)",
            "'open",
        ] {
            assert!(Rule::read(rule).is_err(), "{rule}");
        }
    }
}
