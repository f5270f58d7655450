//! What an expression comes to.

use super::Expr;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Names that are known, the innermost last.
pub(super) type Names<'v> = Vec<(&'v str, Cow<'v, Value>)>;
type Found = Result<Value, String>;

/// The value of an expression.
pub(super) fn value<'v>(expr: &'v Expr, names: &mut Names<'v>) -> Found {
    if let Some(found) = place(expr, names) {
        return found.cloned();
    }
    match expr {
        Expr::Literal(literal) => Ok(literal.clone()),
        Expr::Name(name) => Err(format!("'{name}' is not known")),
        Expr::List(all) => {
            let values: Result<Vec<Value>, String> = all.iter().map(|one| value(one, names)).collect();
            values.map(Value::Array)
        }
        Expr::Field(of, field) => {
            let of = value(of, names)?;
            of.get(field)
                .cloned()
                .ok_or_else(|| format!("no such key: {field}"))
        }
        Expr::Has(of, field) => match place(of, names) {
            Some(of) => Ok(of?.get(field).is_some().into()),
            None => Ok(value(of, names)?.get(field).is_some().into()),
        },
        Expr::Not(of) => truth(of, names).map(|is| (!is).into()),
        Expr::Binary(sign @ ("&&" | "||"), one, other) => logic(*sign == "||", one, other, names),
        Expr::Binary(sign, one, other) => {
            let (one, other) = (value(one, names)?, value(other, names)?);
            relation(sign, &one, &other).map(Value::Bool)
        }
        Expr::Choice(is, then, other) => {
            let chosen = if truth(is, names)? { then } else { other };
            value(chosen, names)
        }
        Expr::Call(of, name, arguments) => {
            let of = value(of, names)?;
            let argument = arguments.first().map(|one| value(one, names)).transpose()?;
            call(name, &of, argument.as_ref())
        }
        Expr::Macro(of, name, variable, body) => {
            let Value::Array(list) = value(of, names)? else {
                return Err(format!("'{name}' is asked of what is no list"));
            };
            over(name, list, variable, body, names)
        }
    }
}

/// What a name and its fields stand for, without a copy of it; `None` for every other expression.
fn place<'n>(expr: &Expr, names: &'n Names<'_>) -> Option<Result<&'n Value, String>> {
    match expr {
        Expr::Name(name) => {
            let known = names.iter().rev().find(|(known, _)| known == name);
            let known = known.map(|(_, value)| value.as_ref());
            Some(known.ok_or_else(|| format!("'{name}' is not known")))
        }
        Expr::Field(of, field) => {
            let of = place(of, names)?;
            Some(of.and_then(|of| of.get(field).ok_or_else(|| format!("no such key: {field}"))))
        }
        _ => None,
    }
}

fn truth<'v>(expr: &'v Expr, names: &mut Names<'v>) -> Result<bool, String> {
    value(expr, names)?
        .as_bool()
        .ok_or_else(|| "neither true nor false".to_owned())
}

/// An error on one side does not matter when the other side decides.
fn logic<'v>(decides: bool, one: &'v Expr, other: &'v Expr, names: &mut Names<'v>) -> Found {
    let first = truth(one, names);
    if first == Ok(decides) {
        return Ok(decides.into());
    }
    match (first, truth(other, names)) {
        (_, Ok(second)) if second == decides => Ok(decides.into()),
        (Err(error), _) | (_, Err(error)) => Err(error),
        _ => Ok((!decides).into()),
    }
}

fn relation(sign: &str, one: &Value, other: &Value) -> Result<bool, String> {
    match sign {
        "==" => return Ok(same(one, other)),
        "!=" => return Ok(!same(one, other)),
        "in" => {
            let list = other.as_array().ok_or("'in' is asked of what is no list")?;
            return Ok(list.iter().any(|member| same(one, member)));
        }
        _ => {}
    }
    let order = order(one, other).ok_or("what is compared has no order")?;
    Ok(match sign {
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        return Some(one.cmp(&other));
    }
    let (one, other) = (one.as_str()?, other.as_str()?);
    match (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => Some(one.cmp(other)),
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || order(one, other) == Some(Ordering::Equal)
}

fn call(name: &str, of: &Value, argument: Option<&Value>) -> Found {
    let unfit = || format!("'{name}' is asked of what has it not");
    match (name, of, argument.and_then(Value::as_str)) {
        ("size", Value::Array(list), None) => Ok(list.len().into()),
        ("size", Value::Object(map), None) => Ok(map.len().into()),
        ("size", Value::String(text), None) => Ok(text.chars().count().into()),
        ("sum", Value::Array(list), None) => {
            let numbers: Option<Vec<i64>> = list.iter().map(Value::as_i64).collect();
            Ok(numbers.ok_or_else(unfit)?.into_iter().sum::<i64>().into())
        }
        ("startsWith", Value::String(text), Some(part)) => Ok(text.starts_with(part).into()),
        ("endsWith", Value::String(text), Some(part)) => Ok(text.ends_with(part).into()),
        ("contains", Value::String(text), Some(part)) => Ok(text.contains(part).into()),
        _ => Err(unfit()),
    }
}

fn over<'v>(name: &str, list: Vec<Value>, variable: &'v str, body: &'v Expr, names: &mut Names<'v>) -> Found {
    let mut told = Vec::with_capacity(list.len());
    for member in list {
        names.push((variable, Cow::Owned(member.clone())));
        let found = value(body, names);
        names.pop();
        told.push((member, found));
    }
    let is = |found: &Found| *found == Ok(Value::Bool(true));
    let error = told.iter().find_map(|(_, found)| found.clone().err());
    let decided = match name {
        "exists" => told.iter().any(|(_, found)| is(found)).then_some(true),
        "all" => told
            .iter()
            .any(|(_, found)| *found == Ok(Value::Bool(false)))
            .then_some(false),
        _ => None,
    };
    match (decided, error) {
        (Some(decided), _) => Ok(decided.into()),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(match name {
            "all" => true.into(),
            "exists" => false.into(),
            "exists_one" => (told.iter().filter(|(_, found)| is(found)).count() == 1).into(),
            "filter" => told
                .into_iter()
                .filter(|(_, found)| is(found))
                .map(|(member, _)| member)
                .collect(),
            _ => told.into_iter().filter_map(|(_, found)| found.ok()).collect(),
        }),
    }
}
