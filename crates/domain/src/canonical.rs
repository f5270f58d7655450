//! Canonical JSON (RFC 8785) for what our documents hold: ASCII keys, texts, whole numbers; and its digest.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A document has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It cannot be written as JSON.
    #[error("the document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It holds a number with a fraction; amounts are whole numbers or texts.
    #[error("the number {0} has a fraction; write amounts as whole numbers or as text")]
    Fraction(String),
    /// RFC 8785 sorts keys by UTF-16; with ASCII keys that is the order of bytes.
    #[error("the key {0:?} is not ASCII; use ASCII keys")]
    Key(String),
}

/// The canonical text of a document.
pub fn canonical_json(document: &impl Serialize) -> Result<String, CanonicalError> {
    let mut text = String::new();
    write(&serde_json::to_value(document)?, &mut text)?;
    Ok(text)
}

/// SHA-256 of the canonical text, lower-case hex.
pub fn digest(document: &impl Serialize) -> Result<String, CanonicalError> {
    let text = canonical_json(document)?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes())))
}

/// The text that a seller signs: which kind of document it is, in which form, and its digest, so that a signature of one
/// document says nothing about another. Example: `trustbridge/quote/v1 9f86...`.
#[must_use]
pub fn signed_text(kind: &str, digest: &str) -> String {
    format!("trustbridge/{kind}/v1 {digest}")
}

fn write(value: &Value, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if !key.is_ascii() {
                    return Err(CanonicalError::Key(key.clone()));
                }
                separate(index, out);
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Number(number) if !(number.is_i64() || number.is_u64()) => {
            return Err(CanonicalError::Fraction(number.to_string()));
        }
        plain => out.push_str(&plain.to_string()),
    }
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_nothing_is_between() {
        let text = canonical_json(&json!({"b": [1, {"d": "x\"", "c": null}], "a": true})).unwrap();
        assert_eq!(text, r#"{"a":true,"b":[1,{"c":null,"d":"x\""}]}"#);
    }

    #[test]
    fn fractions_have_no_canonical_form() {
        assert!(matches!(
            canonical_json(&json!([1.5])),
            Err(CanonicalError::Fraction(_))
        ));
    }

    #[test]
    fn the_order_of_keys_does_not_change_the_digest() {
        let a: Value = serde_json::from_str(r#"{"x":1,"y":2}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"y":2,"x":1}"#).unwrap();
        assert_eq!(digest(&a).unwrap(), digest(&b).unwrap());
    }
}
