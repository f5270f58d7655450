//! Whether two messages say the same: a SHA-256 over the canonical JSON (RFC 8785) of what they say.
//!
//! Who sends it when, and under which `message_id`, is no part of it. Numbers compare by value, an absent field is not
//! `null`, lists are ordered. Numbers were read exactly ([`crate::json`]): at most 15 digits, so that their shortest text
//! is their canonical one.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What two messages must share to say the same.
const SAID: [&str; 5] = ["type", "name", "buyer_org_id", "seller_org_id", "payload"];

/// The fingerprint of a document that was read as a message, lower-case hex.
#[must_use]
pub fn fingerprint(document: &Value) -> String {
    let field = |key: &str| Some((key.to_owned(), document.get(key)?.clone()));
    let said: Map<String, Value> = SAID.into_iter().filter_map(field).collect();
    let mut text = String::new();
    write(&Value::Object(said), &mut text);
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            // RFC 8785, section 3.2.3: by the units of UTF-16.
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            let write = |(key, value): (&String, &Value), out: &mut String| {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                self::write(value, out);
            };
            list('{', entries, '}', out, write);
        }
        Value::Array(items) => list('[', items, ']', out, write),
        Value::Number(number) => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").unwrap_or(&text);
            out.push_str(if whole == "-0" { "0" } else { whole });
        }
        plain => out.push_str(&plain.to_string()),
    }
}

fn list<T>(
    open: char,
    items: impl IntoIterator<Item = T>,
    close: char,
    out: &mut String,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        fingerprint(&crate::json::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_says_the_same_has_the_same() {
        let one =
            r#"{"type":"command","name":"n","payload":{"a":31.50,"b":[1,2]},"ts":"x","message_id":"1"}"#;
        let same = r#"{"payload":{"b":[1.0,2],"a":31.5},"message_id":"2","name":"n","type":"command"}"#;
        assert_eq!(of(one), of(same));
        for other in [
            r#"{"type":"command","name":"n","payload":{"a":31.51,"b":[1,2]}}"#,
            r#"{"type":"command","name":"n","payload":{"a":31.5,"b":[2,1]}}"#,
            r#"{"type":"command","name":"n","payload":{"a":31.5,"b":[1,2],"c":null}}"#,
            r#"{"type":"command","name":"n","payload":{"a":"31.5","b":[1,2]}}"#,
        ] {
            assert_ne!(of(one), of(other), "{other}");
        }
    }

    #[test]
    fn the_text_is_that_of_rfc_8785() {
        // Section 3.2.3's order of keys, its numbers as far as they are read here, its escapes.
        let text = r#"{"\u20ac":"a","\r":"b","\ufb33":"c","1":"d","\ud83d\ude00":"e","\u0080":"f","\u00f6":[-0.0,0.002,1e0]}"#;
        let document: Value = serde_json::from_str(text).unwrap();
        let mut written = String::new();
        write(&document, &mut written);
        assert_eq!(
            written,
            "{\"\\r\":\"b\",\"1\":\"d\",\"\u{80}\":\"f\",\"ö\":[0,0.002,1],\"€\":\"a\",\"😀\":\"e\",\"\u{fb33}\":\"c\"}"
        );
    }
}
