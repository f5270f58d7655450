//! Each conjunct of each policy matters: without it, at least one of the requests of [`requests`] is judged in another
//! way. Conjuncts are those of conditions, of variables and of validations, also deep inside of an expression.

pub(super) mod requests;

use super::policies::{Judged, Policies, Policy};

/// An expression without one of its conjuncts.
struct Mutant {
    dropped: String,
    text: String,
}

/// The bytes of `text` that are no part of a string literal, with their places.
fn bare(text: &str) -> Vec<(usize, u8)> {
    let mut quote = None;
    let outside = |(at, byte): (usize, u8)| {
        let was_inside = quote.is_some();
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
        (!was_inside && quote.is_none()).then_some((at, byte))
    };
    text.bytes().enumerate().filter_map(outside).collect()
}

/// Where the operand ends that begins at `bytes[from]`, going on towards the end (or, with `bytes` turned round, the
/// beginning) of the expression.
fn operand(bytes: impl Iterator<Item = (usize, u8)>, open: &[u8], close: &[u8]) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in bytes {
        if open.contains(&byte) {
            depth += 1;
        } else if close.contains(&byte) {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        } else if depth == 0 && b"&|?:,".contains(&byte) {
            return Some(at);
        }
    }
    None
}

fn mutants(text: &str) -> Vec<Mutant> {
    let bytes = bare(text);
    let mut found: Vec<Mutant> = Vec::new();
    let mut add = |from: usize, to: usize, dropped: &str| {
        let text = format!("{} {}", &text[..from], &text[to..]);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (text, dropped) = (words(&text), words(dropped));
        // In `a && b && c`, `b` is the right side of one and the left side of the other.
        if found.iter().all(|other| other.text != text) {
            found.push(Mutant { dropped, text });
        }
    };
    for (index, pair) in bytes.windows(2).enumerate() {
        let &[(at, b'&'), (next, b'&')] = pair else {
            continue;
        };
        assert_eq!(next, at + 1);
        let right = bytes[index + 2..].iter().copied();
        let end = operand(right, b"([{", b")]}").unwrap_or(text.len());
        add(at, end, &text[at + 2..end]);
        let left = bytes[..index].iter().rev().copied();
        let start = operand(left, b")]}", b"([{").map_or(0, |place| place + 1);
        add(start, at + 2, &text[start..at]);
    }
    found
}

#[test]
fn conjuncts_are_found_wherever_they_stand() {
    let dropped = |text: &str| -> Vec<String> { mutants(text).into_iter().map(|m| m.dropped).collect() };
    assert_eq!(dropped("a && b"), ["b", "a"]);
    assert_eq!(dropped("a && b && c").len(), 3);
    assert_eq!(dropped("a || f(x, y && 'p && q' == z)"), ["'p && q' == z", "y"]);
    assert_eq!(
        dropped("l.all(c, !c.a || (c.b && c.d)) ? e && f : g"),
        ["c.d", "c.b", "f", "e"]
    );
    assert_eq!(mutants("x && (a || b)")[1].text, "(a || b)");
}

#[test]
fn a_policy_without_one_of_its_conjuncts_is_found_out() {
    let policies = Policies::of_chart();
    let (mut conjuncts, mut asked, mut expressions) = (0, 0, 0);
    let mut survivors = Vec::new();
    for (name, policy) in policies.all() {
        let judged: Vec<Judged> = requests::of(name)
            .iter()
            .map(|request| policy.judge(request))
            .collect();
        let passing = judged.iter().filter(|judged| judged.passes()).count();
        assert!(
            passing > 0 || name == "trustbridge-protected-access",
            "{name}: nothing passes"
        );
        assert!(passing < judged.len(), "{name}: nothing is refused");
        asked += judged.len();
        for (list, at, text) in policy.expressions() {
            expressions += 1;
            for mutant in mutants(text) {
                conjuncts += 1;
                let swap = Policy::swap(list, at, &mutant.text);
                if !judged.iter().any(|judged| policy.is_told_apart(judged, &swap)) {
                    survivors.push(format!("{name} {list:?} {at}: {}", mutant.dropped));
                }
            }
        }
    }
    let caught = conjuncts - survivors.len();
    println!(
        "{conjuncts} conjuncts in {expressions} expressions of the policies, {caught} of them missed by {asked} requests when they are dropped"
    );
    assert!(survivors.is_empty(), "nobody misses:\n{}", survivors.join("\n"));
    assert!(conjuncts > 150, "{conjuncts} conjuncts alone were found");
}
