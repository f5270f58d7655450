//! Where in a document something stands. Example: `payload.offers[0].resources.gpu`.

use crate::card;
use std::fmt;

/// Characters of a key that are printed: a key that a stranger chose may be long.
const KEY_CHARS: usize = 64;

/// A place in a document, built on the way down and printed only where something is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The whole document.
    Root,
    /// A field of an object.
    Key(&'a Self, &'a str),
    /// An item of a list, from 0.
    Item(&'a Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Item(list, index) => write!(f, "{list}[{index}]"),
            Self::Key(object, key) => {
                if !matches!(object, Self::Root) {
                    write!(f, "{object}.")?;
                }
                f.write_str(&printable(key))
            }
        }
    }
}

/// A key as it may be printed: short, in one line, and no card number.
fn printable(key: &str) -> String {
    if card::looks_like_one(key) {
        return "(withheld)".to_owned();
    }
    let plain = |c: char| if c.is_control() { '?' } else { c };
    key.chars().take(KEY_CHARS).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_a_document() {
        let payload = Path::Key(&Path::Root, "payload");
        let offers = Path::Key(&payload, "offers");
        let first = Path::Item(&offers, 0);
        assert_eq!(Path::Key(&first, "sku").to_string(), "payload.offers[0].sku");
    }

    #[test]
    fn a_key_of_a_stranger_is_printed_with_care() {
        assert_eq!(
            Path::Key(&Path::Root, "4111 1111 1111 1111").to_string(),
            "(withheld)"
        );
        assert_eq!(Path::Key(&Path::Root, "a\nb").to_string(), "a?b");
        assert_eq!(
            Path::Key(&Path::Root, &"x".repeat(999)).to_string().len(),
            KEY_CHARS
        );
    }
}
