//! What a field may hold, as data: reading, JSON Schema and the list of paths follow from it.

use crate::form::Form;

/// Items of a list that a buyer sends, at most: as many as the resources hold that it becomes.
pub const MOST_ITEMS: usize = 32;
/// Items of any other list, at most.
pub const MOST_LINES: usize = 1_024;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An object with these fields.
    Object(&'static [Field]),
    /// A list.
    List {
        /// What each item is.
        of: &'static Shape,
        /// Items, at most.
        most: usize,
    },
    /// A text of a form.
    Text(Form),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole {
        /// The smallest.
        least: i64,
        /// The largest.
        most: i64,
    },
    /// A decimal number that is not negative, with at most six places.
    Number {
        /// The largest.
        most: i64,
    },
    /// An amount in USD with at most two places.
    Usd {
        /// Whether it may be below zero: differences and credits.
        signed: bool,
    },
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it may hold.
    pub shape: Shape,
}

impl Shape {
    /// A list of these, possibly empty.
    #[must_use]
    pub const fn list(of: &'static Self) -> Self {
        Self::List { of, most: MOST_ITEMS }
    }

    /// A list of these that a seller sends, possibly empty.
    #[must_use]
    pub const fn lines(of: &'static Self) -> Self {
        Self::List { of, most: MOST_LINES }
    }

    /// The paths of everything below that is neither object nor list, in the order of declaration.
    /// Example: `offers[].resources.gpu`.
    #[must_use]
    pub fn leaves(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect(&self, path: &str, found: &mut Vec<String>) {
        match self {
            Self::Object(fields) => {
                for field in *fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    field.shape.collect(&format!("{path}{dot}{}", field.name), found);
                }
            }
            Self::List { of, .. } => of.collect(&format!("{path}[]"), found),
            _ => found.push(path.to_owned()),
        }
    }
}

/// A count of things: 0 to a thousand million.
pub const COUNT: Shape = Shape::Whole {
    least: 0,
    most: 1_000_000_000,
};
/// A count of at least one.
pub const SOME: Shape = Shape::Whole {
    least: 1,
    most: 1_000_000_000,
};
/// A port of TCP or UDP.
pub const PORT: Shape = Shape::Whole {
    least: 1,
    most: 65_535,
};
/// Days: 0 to ten years.
pub const DAYS: Shape = Shape::Whole {
    least: 0,
    most: 3_660,
};
/// A decimal number that is not negative.
pub const NUMBER: Shape = Shape::Number { most: 1_000_000_000 };
/// An amount that is not negative.
pub const USD: Shape = Shape::Usd { signed: false };
/// A difference or a credit.
pub const SIGNED_USD: Shape = Shape::Usd { signed: true };
/// Cents, as a whole number that some readers prefer; at most 15 digits, as every number.
pub const CENTS: Shape = Shape::Whole {
    least: -999_999_999_999_999,
    most: 999_999_999_999_999,
};
/// An id that one side gave: of a request, a quote, an order, a change.
pub const ID: Shape = Shape::Text(Form::Id);
/// A word of a vocabulary that may grow. Example: `no_training_data_in_logs`.
pub const WORD: Shape = Shape::Text(Form::Word);
/// A list of such words.
pub const WORDS: Shape = Shape::list(&WORD);
/// A line of words for people.
pub const LINE: Shape = Shape::Text(Form::Line);
/// A list of such lines.
pub const LINES: Shape = Shape::lines(&LINE);
/// Words for people, in several lines.
pub const PROSE: Shape = Shape::Text(Form::Prose);
/// A day. Example: `2026-03-05`.
pub const DATE: Shape = Shape::Text(Form::Date);
/// An instant. Example: `2026-01-15T10:00:00Z`.
pub const INSTANT: Shape = Shape::Text(Form::Instant);
/// A day or an instant.
pub const DATE_OR_INSTANT: Shape = Shape::Text(Form::DateOrInstant);
/// An address of something. Example: `s3://bucket/path/`.
pub const URI: Shape = Shape::Text(Form::Uri);
/// A SHA-256. 64 hex digits.
pub const SHA256: Shape = Shape::Text(Form::Sha256);
/// Addresses from which somebody comes. Example: `203.0.113.0/24`.
pub const CIDRS: Shape = Shape::list(&Shape::Text(Form::Cidr));
/// Where somebody may go. Example: `huggingface.co:443`.
pub const DESTINATIONS: Shape = Shape::list(&Shape::Text(Form::Destination));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_told_with_their_lists() {
        const INNER: Shape = Shape::Object(&[Field {
            name: "sku",
            doc: "",
            required: true,
            shape: WORD,
        }]);
        const OUTER: Shape = Shape::Object(&[
            Field {
                name: "lines",
                doc: "",
                required: false,
                shape: Shape::list(&INNER),
            },
            Field {
                name: "notes",
                doc: "",
                required: false,
                shape: WORDS,
            },
        ]);
        assert_eq!(OUTER.leaves(), ["lines[].sku", "notes[]"]);
    }
}
