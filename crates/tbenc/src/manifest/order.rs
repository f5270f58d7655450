//! The order in which a loader reads a model's files.

use std::cmp::Ordering;

use super::Role;

/// Orders files as a loader reads them: configuration, tokenizer, the rest, then weights; within a role
/// in [`natural_order`].
#[must_use]
pub fn loader_order(a: (Role, &str), b: (Role, &str)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| natural_order(a.1, b.1))
}

/// Orders text so that numbers inside it count as numbers: `model-2` before `model-10`.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (next_run(&mut left), next_run(&mut right)) {
            // The same but for leading zeros.
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if is_number(x) && is_number(y) => compare_numbers(x, y),
            (Some(x), Some(y)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the longest run of only digits or only other characters off the front.
fn next_run<'t>(text: &mut &'t str) -> Option<&'t str> {
    let first_is_digit = text.chars().next()?.is_ascii_digit();
    let end = text
        .find(|c: char| c.is_ascii_digit() != first_is_digit)
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    Some(run)
}

fn is_number(run: &str) -> bool {
    run.starts_with(|c: char| c.is_ascii_digit())
}

/// Compares digit runs of any length without converting them.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
