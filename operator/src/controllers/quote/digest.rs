//! The digest of a quote: what the buyer saw is what is bought.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trustbridge_domain::pricing::QuoteLine;

/// SHA-256 over the canonical JSON (RFC 8785) of currency, lines and `validUntil`, lower-case hex.
#[must_use]
pub fn digest(currency: &str, lines: &[QuoteLine], valid_until: Timestamp) -> String {
    let terms = json!({"currency": currency, "lines": lines, "validUntil": valid_until.to_string()});
    let mut text = String::new();
    canonical(&terms, &mut text);
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// RFC 8785 for what occurs here: ASCII keys, texts, whole numbers.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            list(out, ('{', '}'), entries.into_iter(), |(key, value), out| {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(value, out);
            });
        }
        Value::Array(items) => list(out, ('[', ']'), items.iter(), canonical),
        plain => out.push_str(&plain.to_string()),
    }
}

fn list<T>(
    out: &mut String,
    ends: (char, char),
    items: impl Iterator<Item = T>,
    one: impl Fn(T, &mut String),
) {
    out.push(ends.0);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        one(item, out);
    }
    out.push(ends.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_between() {
        let mut text = String::new();
        canonical(&json!({"b": [1, {"d": "x\"", "c": null}], "a": true}), &mut text);
        assert_eq!(text, r#"{"a":true,"b":[1,{"c":null,"d":"x\""}]}"#);
    }
}
