//! What looks like a payment card's number. Cards are paid elsewhere: such a text is refused wherever it stands and
//! never repeated, so that no message, object or log can hold one.

/// Digits of a card number, at least and at most (ISO/IEC 7812-1).
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether a text holds a card number: 13 to 19 digits, alone or in groups parted by single blanks or hyphens, that
/// begin with 2 to 6 (the card brands) and whose check digit is right.
#[must_use]
pub fn looks_like_one(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.iter().take_while(|byte| belongs(**byte)).count();
        let run = rest.get(..length).unwrap_or_default().trim_ascii();
        if rest.first().is_some_and(u8::is_ascii_digit) {
            let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            if !letter(before) && !letter(rest.get(run.len())) && is_number(run) {
                return true;
            }
            at += length;
        } else {
            at += 1;
        }
    }
    false
}

const fn belongs(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b' ' | b'-')
}

/// Whether a run of groups holds a card number in some of its neighbouring groups: a house number may stand before it.
fn is_number(run: &[u8]) -> bool {
    let groups: Vec<&[u8]> = run.split(|byte| !byte.is_ascii_digit()).collect();
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups.iter().skip(first).any(|group| {
            // Two separators in a row part two numbers.
            if group.is_empty() {
                digits.clear();
                return false;
            }
            digits.extend_from_slice(group);
            DIGITS.contains(&digits.len()) && begins(&digits) && luhn(&digits)
        })
    })
}

fn begins(digits: &[u8]) -> bool {
    matches!(digits.first(), Some(b'2'..=b'6'))
}

/// The check digit of ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u8]) -> bool {
    let weigh = |(index, digit): (usize, &u8)| {
        let digit = u32::from(digit.saturating_sub(b'0'));
        match (index % 2, digit * 2) {
            (0, _) => digit,
            (_, twice) => twice / 10 + twice % 10,
        }
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_test_numbers_are_found() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "pay with 5555-5555-5555-4444, please",
            "378282246310005",
            "6011000990139424",
            "4222222222222",
            "12 4111 1111 1111 1111",
            "ref_x 2223003122003222",
            "4111 1111 1111 1111 is mine",
        ] {
            assert!(looks_like_one(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "4111111111111112",
            "2026-01-15T10:00:00Z",
            "ord_tune_001",
            "203.0.113.0/24",
            "411111111111",
            "41111111111111110000",
            "a4111111111111111",
            "4111  1111 1111 1111",
            "1234567890123452",
        ] {
            assert!(!looks_like_one(text), "{text}");
        }
    }
}
