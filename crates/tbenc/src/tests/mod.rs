//! Tests of rules one by one. The format as a whole is tested in `tests/conformance`.

mod manifest;
mod rules;

use crate::Key;

/// A key that the tests know.
fn key() -> Key {
    Key::from_hex(&"0f".repeat(32)).unwrap()
}
