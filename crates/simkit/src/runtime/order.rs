//! Natural order: `shard-2` before `shard-10`.

use std::cmp::Ordering;

/// Compares names with runs of digits as numbers.
#[must_use]
pub fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (parts(left).into_iter(), parts(right).into_iter());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return left.cmp(right),
            (left, right) if left == right => {}
            (left, right) => return left.cmp(&right),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Length without leading zeros, then digits: compares as numbers of any size.
    Number(usize, String),
    Text(String),
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (head, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = tail;
        if digits {
            let number = head.trim_start_matches('0');
            parts.push(Part::Number(number.len(), number.to_owned()));
        } else {
            parts.push(Part::Text(head.to_owned()));
        }
    }
    parts
}

/// How many files the shard name says there are: 3 for `model-00001-of-00003.safetensors`.
#[must_use]
pub fn shard_count(name: &str) -> Option<usize> {
    let (_, rest) = name.rsplit_once("-of-")?;
    rest.strip_suffix(".safetensors")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers() {
        let mut names = vec!["m-10.s", "m-2.s", "m-010.s", "a.s", "m-1.s"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a.s", "m-1.s", "m-2.s", "m-010.s", "m-10.s"]);
    }

    #[test]
    fn a_shard_says_how_many_there_are() {
        assert_eq!(shard_count("model-00001-of-00003.safetensors"), Some(3));
        assert_eq!(shard_count("model.safetensors"), None);
    }
}
