//! Where a document differs from its shape, and which of its fields nobody reads.

use crate::card;
use crate::code::Code;
use crate::fault::Fault;
use crate::form::Form;
use crate::path::Path;
use crate::shape::{Field, Shape};
use serde_json::{Map, Value};
use trustbridge_domain::decimal::Decimal;
use trustbridge_domain::money::decimal_to_minor;

/// Faults that are told; who sends more sees the rest once these are gone.
const MOST_FAULTS: usize = 64;

/// What was found in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong, in the order of the document.
    pub faults: Vec<Fault>,
    /// Paths of fields that nobody reads.
    pub unknown_fields: Vec<String>,
}

impl Findings {
    fn add(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// Compares `value` at `path` with `shape`.
    pub fn compare(&mut self, shape: &Shape, value: &Value, path: Path<'_>) {
        match (shape, value) {
            (Shape::Object(fields), Value::Object(map)) => self.object(fields, map, path),
            (Shape::List { of, most }, Value::Array(items)) => {
                self.length(items.len(), *most, path);
                for (index, item) in items.iter().enumerate() {
                    self.compare(of, item, Path::Item(&path, index));
                }
            }
            (Shape::Text(form), Value::String(text)) => self.text(*form, text, path),
            (Shape::Flag, Value::Bool(_)) => {}
            (Shape::Whole { .. } | Shape::Number { .. } | Shape::Usd { .. }, Value::Number(number)) => {
                self.number(shape, number, path);
            }
            _ => self.add(type_fault(shape, value, path)),
        }
    }

    fn object(&mut self, fields: &'static [Field], map: &Map<String, Value>, path: Path<'_>) {
        for field in fields {
            match map.get(field.name) {
                Some(value) => self.compare(&field.shape, value, Path::Key(&path, field.name)),
                None if field.required => {
                    let here = Path::Key(&path, field.name);
                    let next = format!("send it: {}", field.doc.trim());
                    self.add(Fault::new(here, Code::SchemaInvalid, "is missing", next));
                }
                None => {}
            }
        }
        for (key, value) in map {
            if !fields.iter().any(|field| field.name == key) {
                let here = Path::Key(&path, key);
                self.unknown_fields.push(here.to_string());
                self.cards(value, here);
            }
        }
    }

    fn length(&mut self, items: usize, most: usize, path: Path<'_>) {
        if items > most {
            let rule = format!("has {items} items and must have at most {most}");
            let next = "send fewer; ask in several messages for more";
            self.add(Fault::new(path, Code::FieldInvalid, rule, next));
        }
    }

    fn text(&mut self, form: Form, text: &str, path: Path<'_>) {
        // Groups of a UUID may look like anything.
        if form != Form::Uuid && card::looks_like_one(text) {
            self.add(card_fault(path));
        } else if !form.admits(text) {
            let fault = Fault::new(path, form.code(), form.rule(), "send a value of this form");
            self.add(if form.may_be_repeated() {
                fault.of(text)
            } else {
                fault
            });
        }
    }

    fn number(&mut self, shape: &Shape, number: &serde_json::Number, path: Path<'_>) {
        if card::looks_like_one(&number.to_string())
            && !matches!(
                shape,
                Shape::Whole {
                    most: 0..10_000_000_000,
                    ..
                }
            )
        {
            self.add(card_fault(path));
        } else if !is_in_range(shape, number) {
            let fault = Fault::new(
                path,
                Code::FieldInvalid,
                rule(shape),
                "send a number in this range",
            );
            self.add(fault.of(&number.to_string()));
        }
    }

    /// Card numbers in what nobody reads: it may be kept with the rest.
    fn cards(&mut self, value: &Value, path: Path<'_>) {
        match value {
            Value::String(text) if card::looks_like_one(text) => self.add(card_fault(path)),
            Value::Number(number) if card::looks_like_one(&number.to_string()) => self.add(card_fault(path)),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.cards(item, Path::Item(&path, index));
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    self.cards(value, Path::Key(&path, key));
                }
            }
            _ => {}
        }
    }
}

/// A card number stands at `path`.
#[must_use]
pub fn card_fault(path: Path<'_>) -> Fault {
    let rule = "looks like the number of a payment card, which is not accepted anywhere";
    let next = "refer to the payment by a label and your bank's reference instead";
    Fault::new(path, Code::FieldInvalid, rule, next)
}

fn is_in_range(shape: &Shape, number: &serde_json::Number) -> bool {
    // `Decimal` reads numbers of any reader, exactly.
    let Ok(decimal) = serde_json::from_value::<Decimal>(Value::Number(number.clone())) else {
        return false;
    };
    let within = |least: i64, most: i64| {
        Decimal::whole(least).is_none_or(|least| least <= decimal)
            && Decimal::whole(most).is_none_or(|most| decimal <= most)
    };
    match shape {
        Shape::Whole { least, most } => number
            .as_i64()
            .is_some_and(|whole| (*least..=*most).contains(&whole)),
        Shape::Number { most } => within(0, *most),
        Shape::Usd { signed } => decimal_to_minor(decimal).is_some_and(|minor| *signed || minor >= 0),
        _ => true,
    }
}

/// The rule of a number in words.
fn rule(shape: &Shape) -> String {
    match shape {
        Shape::Whole { least, most } => format!("must be a whole number from {least} to {most}"),
        Shape::Number { most } => format!("must be a number from 0 to {most} with at most 6 places"),
        Shape::Usd { signed: true } => "must be an amount in USD with at most 2 places".to_owned(),
        _ => "must be an amount in USD, not below 0, with at most 2 places".to_owned(),
    }
}

fn type_fault(shape: &Shape, value: &Value, path: Path<'_>) -> Fault {
    let wanted = match shape {
        Shape::Object(_) => "an object",
        Shape::List { .. } => "a list",
        Shape::Text(_) => "a text",
        Shape::Flag => "true or false",
        Shape::Whole { .. } | Shape::Number { .. } | Shape::Usd { .. } => "a number",
    };
    let given = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let next = match value {
        Value::Null => "leave the field out where nothing is known",
        Value::String(_) if matches!(wanted, "a number" | "true or false") => {
            "send it without quotation marks"
        }
        _ => "send a value of this type",
    };
    let rule = format!("is {given} and must be {wanted}");
    Fault::new(path, Code::SchemaInvalid, rule, next)
}
