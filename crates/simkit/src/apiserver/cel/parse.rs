//! From text to expression, by descent: `?:`, `||`, `&&`, relations, `!`, then members.

use super::Expr;
use serde_json::Value;
use std::iter::Peekable;
use std::vec::IntoIter;

/// Functions that are known, and how many arguments each takes beside what it is called on.
const FUNCTIONS: [(&str, usize); 5] = [
    ("size", 0),
    ("sum", 0),
    ("startsWith", 1),
    ("endsWith", 1),
    ("contains", 1),
];
/// Macros over lists.
const MACROS: [&str; 5] = ["all", "exists", "exists_one", "filter", "map"];
/// Signs, the longer ones first.
const SIGNS: [&str; 16] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "?", ":", "(", ")", "[", "]", ",",
];
/// Relations.
const RELATIONS: [&str; 7] = ["==", "!=", "<=", ">=", "<", ">", "in"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(&'static str),
    Dot,
    Word(String),
    Literal(Value),
}

type Read<T> = Result<T, String>;

/// The whole text as one expression.
pub(super) fn rule(text: &str) -> Read<Expr> {
    let mut tokens = Tokens(tokens(text)?.into_iter().peekable());
    let expr = tokens.choice()?;
    match tokens.0.next() {
        None => Ok(expr),
        Some(token) => Err(format!("{token:?} is not expected")),
    }
}

fn tokens(text: &str) -> Read<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut all = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, after) = token(first, rest)?;
        all.push(token);
        rest = after.trim_start();
    }
    Ok(all)
}

fn token(first: char, rest: &str) -> Read<(Token, &str)> {
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default()));
    }
    if first == '.' {
        return Ok((Token::Dot, rest.get(1..).unwrap_or_default()));
    }
    if first == '\'' || first == '"' {
        let inner = rest.get(1..).unwrap_or_default();
        let (text, after) = inner.split_once(first).ok_or("a text without an end")?;
        if text.contains('\\') {
            return Err("an escape in a text is not known here".to_owned());
        }
        return Ok((Token::Literal(text.into()), after));
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    if first.is_ascii_digit() {
        let number: i64 = word.parse().map_err(|_| format!("'{word}' is no number"))?;
        return Ok((Token::Literal(number.into()), after));
    }
    match word {
        "" => Err(format!("'{first}' is not known here")),
        "true" | "false" => Ok((Token::Literal((word == "true").into()), after)),
        "in" => Ok((Token::Sign("in"), after)),
        _ => Ok((Token::Word(word.to_owned()), after)),
    }
}

struct Tokens(Peekable<IntoIter<Token>>);

impl Tokens {
    fn takes(&mut self, sign: &'static str) -> bool {
        self.0.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn expects(&mut self, sign: &'static str) -> Read<()> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(format!("'{sign}' is missing before {:?}", self.0.peek()))
        }
    }

    fn choice(&mut self) -> Read<Expr> {
        let is = self.chain("||")?;
        if !self.takes("?") {
            return Ok(is);
        }
        let then = self.choice()?;
        self.expects(":")?;
        Ok(Expr::Choice(is.into(), then.into(), self.choice()?.into()))
    }

    /// `a || b || c`, and of `&&` below it.
    fn chain(&mut self, sign: &'static str) -> Read<Expr> {
        let next = |tokens: &mut Self| match sign {
            "||" => tokens.chain("&&"),
            _ => tokens.relation(),
        };
        let mut left = next(self)?;
        while self.takes(sign) {
            left = Expr::Binary(sign, left.into(), next(self)?.into());
        }
        Ok(left)
    }

    fn relation(&mut self) -> Read<Expr> {
        let left = self.unary()?;
        match RELATIONS.into_iter().find(|sign| self.takes(sign)) {
            Some(sign) => Ok(Expr::Binary(sign, left.into(), self.unary()?.into())),
            None => Ok(left),
        }
    }

    fn unary(&mut self) -> Read<Expr> {
        if self.takes("!") {
            return Ok(Expr::Not(self.unary()?.into()));
        }
        let mut of = self.primary()?;
        while self.0.next_if_eq(&Token::Dot).is_some() {
            let name = self.word()?;
            of = if self.takes("(") {
                self.called(of, name)?
            } else {
                Expr::Field(of.into(), name)
            };
        }
        Ok(of)
    }

    fn word(&mut self) -> Read<String> {
        match self.0.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("a name is missing before {other:?}")),
        }
    }

    fn primary(&mut self) -> Read<Expr> {
        match self.0.next() {
            Some(Token::Literal(value)) => Ok(Expr::Literal(value)),
            Some(Token::Sign("(")) => {
                let inner = self.choice()?;
                self.expects(")").map(|()| inner)
            }
            Some(Token::Sign("[")) => self.list("]").map(Expr::List),
            Some(Token::Word(name)) if self.takes("(") => {
                let mut arguments = self.list(")")?;
                let only = arguments.pop().filter(|_| arguments.is_empty());
                match (name.as_str(), only) {
                    ("has", Some(Expr::Field(of, field))) => Ok(Expr::Has(of, field)),
                    ("size", Some(of)) => Ok(Expr::Call(of.into(), name, Vec::new())),
                    _ => Err(format!("the function '{name}' is not known here")),
                }
            }
            Some(Token::Word(name)) => Ok(Expr::Name(name)),
            other => Err(format!("{other:?} is not expected")),
        }
    }

    fn list(&mut self, end: &'static str) -> Read<Vec<Expr>> {
        let mut all = Vec::new();
        while !self.takes(end) {
            if !all.is_empty() {
                self.expects(",")?;
            }
            all.push(self.choice()?);
        }
        Ok(all)
    }

    fn called(&mut self, of: Expr, name: String) -> Read<Expr> {
        let mut arguments = self.list(")")?;
        if MACROS.contains(&name.as_str()) && arguments.len() == 2 {
            let body = arguments.pop();
            if let (Some(Expr::Name(variable)), Some(body)) = (arguments.pop(), body) {
                return Ok(Expr::Macro(of.into(), name, variable, body.into()));
            }
        } else if FUNCTIONS.contains(&(name.as_str(), arguments.len())) {
            return Ok(Expr::Call(of.into(), name, arguments));
        }
        Err(format!("the function '{name}' is not known here"))
    }
}
