//! From bytes to a document: at most 256 KiB, at most 32 levels, no key twice, every number exact.
//!
//! A number is read from its text. What has more digits than every reader keeps is refused here, so that nobody
//! downstream can have rounded it.

use crate::code::Code;
use crate::fault::Fault;
use crate::path::Path;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// Bytes of a message, at most.
pub const MAX_BYTES: usize = 256 * 1024;
/// Levels of objects and lists, at most.
pub const MAX_DEPTH: usize = 32;
/// Digits of a number that every reader keeps, also one that keeps numbers in binary (IEEE 754).
pub const MAX_DIGITS: usize = 15;
/// Digits after the point, at most.
pub const MAX_PLACES: usize = 6;

const EXACT: &str = "must be a number of at most 15 digits, 6 of them after the point, without an exponent";

/// Reads a document.
pub fn read(bytes: &[u8]) -> Result<Value, Fault> {
    if bytes.len() > MAX_BYTES {
        let rule = format!("has {} bytes and must have at most {MAX_BYTES}", bytes.len());
        let next = "send less, or refer to what is large by its address";
        return Err(Fault::new(Path::Root, Code::TooLarge, rule, next));
    }
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|error| {
        let rule = format!(
            "is no JSON document (line {}, column {})",
            error.line(),
            error.column()
        );
        Fault::new(Path::Root, Code::Malformed, rule, "send one JSON object in UTF-8")
    })?;
    value(raw, Path::Root, 0)
}

fn value(raw: &RawValue, path: Path<'_>, depth: usize) -> Result<Value, Fault> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => object(text, path, deeper(path, depth)?),
        Some(b'[') => list(text, path, deeper(path, depth)?),
        Some(b'-' | b'0'..=b'9') => number(text, path),
        _ => serde_json::from_str(text).map_err(|_| unreadable(path)),
    }
}

fn deeper(path: Path<'_>, depth: usize) -> Result<usize, Fault> {
    let rule = format!("lies more than {MAX_DEPTH} levels deep");
    let fault = || {
        Fault::new(
            path,
            Code::Malformed,
            rule,
            "nest less; no message needs so many levels",
        )
    };
    (depth < MAX_DEPTH).then_some(depth + 1).ok_or_else(fault)
}

/// Only a text with a broken escape gets here: the rest of the grammar was checked over the whole document.
fn unreadable(path: Path<'_>) -> Fault {
    let rule = "holds a text that is no Unicode";
    Fault::new(
        path,
        Code::Malformed,
        rule,
        "write each escape as a whole character",
    )
}

fn object(text: &str, path: Path<'_>, depth: usize) -> Result<Value, Fault> {
    let entries: Entries<'_> = serde_json::from_str(text).map_err(|_| unreadable(path))?;
    let mut map = Map::new();
    for (key, raw) in entries.0 {
        let here = Path::Key(&path, &key);
        if map.contains_key(&key) {
            let next = "send each field once; readers differ in which of two they take";
            return Err(Fault::new(here, Code::DuplicateKey, "stands there twice", next));
        }
        let value = value(raw, here, depth)?;
        map.insert(key, value);
    }
    Ok(Value::Object(map))
}

fn list(text: &str, path: Path<'_>, depth: usize) -> Result<Value, Fault> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| unreadable(path))?;
    let read = |(index, raw): (usize, &&RawValue)| value(raw, Path::Item(&path, index), depth);
    items
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

fn number(text: &str, path: Path<'_>) -> Result<Value, Fault> {
    let fault = || {
        let next = "round it yourself, or write digits alone; nothing is rounded here";
        Fault::new(path, Code::FieldInvalid, EXACT, next).of(text)
    };
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if text.contains(['e', 'E']) || digits > MAX_DIGITS || places > MAX_PLACES {
        return Err(if crate::card::looks_like_one(text) {
            crate::check::card_fault(path)
        } else {
            fault()
        });
    }
    serde_json::from_str(text).map_err(|_| fault())
}

/// The entries of an object in their order, doubled ones too.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Fault {
        read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn documents_are_read_as_they_stand() {
        let text = r#"{"a": [1, -2.5, 0.000001, "x\u00e9", null, true], "b": {}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn a_key_twice_is_refused_where_it_stands() {
        let fault = refused(r#"{"payload": {"list": [{"sku": 1, "\u0073ku": 2}]}}"#);
        assert_eq!(
            (fault.code, fault.path.as_str()),
            (Code::DuplicateKey, "payload.list[0].sku")
        );
    }

    #[test]
    fn numbers_that_somebody_might_round_are_refused() {
        for text in [
            "1e3",
            "1E-2",
            "1234567890123456",
            "0.1234567",
            "9007199254740993",
            "123456789.1234567",
        ] {
            let fault = refused(&format!("{{\"n\": {text}}}"));
            assert_eq!(
                (fault.code, fault.path.as_str()),
                (Code::FieldInvalid, "n"),
                "{text}"
            );
        }
    }

    #[test]
    fn depth_and_size_have_an_end() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)).code, Code::Malformed);
        assert_eq!(refused(&nested(100_000)).code, Code::Malformed);
        assert_eq!(refused(&" ".repeat(MAX_BYTES + 1)).code, Code::TooLarge);
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place_and_not_repeated() {
        for text in ["", "{", "{\"secret\": x}", "{} {}", "\"\\ud800\"", "[1,]", "nul"] {
            let fault = refused(text);
            assert_eq!(fault.code, Code::Malformed, "{text}");
            assert!(!fault.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_card_number_that_is_a_number_is_not_repeated() {
        let fault = refused("{\"n\": 4111111111111111}");
        assert!(!fault.to_string().contains("4111"), "{fault}");
    }
}
