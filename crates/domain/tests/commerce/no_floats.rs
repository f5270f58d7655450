//! No floating point decides about money: a scan of the sources, with a positive control.

use std::path::{Path, PathBuf};

/// The modules that decide about money and time; directories count whole.
const COMMERCE: &[&str] = &[
    "calendar.rs",
    "canonical.rs",
    "decimal.rs",
    "intervals",
    "invoice",
    "money.rs",
    "phase.rs",
    "pricing.rs",
    "quote",
    "rating",
    "rational.rs",
    "usage.rs",
    "vm_size",
];

/// The source without comments and the contents of texts.
fn code(source: &str) -> String {
    let mut out = String::new();
    let mut chars = source.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => {
                for c in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
                out.push('\n');
            }
            '"' if before != '\'' => {
                out.push('"');
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                out.push('"');
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Words and numbers of the code that are floating point.
fn floats(source: &str) -> Vec<String> {
    let code = code(source);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let bytes = code.as_bytes();
    for (at, word) in words(&code) {
        let lower = word.to_ascii_lowercase();
        let starts_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
        let typed = lower.ends_with("f32") || lower.ends_with("f64") || lower == "f16" || lower == "f128";
        let after = at + word.len();
        let point = bytes.get(after) == Some(&b'.') && bytes.get(after + 1).is_some_and(u8::is_ascii_digit);
        let is_field = at > 0 && bytes[at - 1] == b'.';
        let exponent =
            starts_with_digit && !lower.starts_with("0x") && lower.contains('e') && !lower.contains("size");
        if typed || (starts_with_digit && point && !is_field) || exponent {
            found.push(word.to_owned());
        }
    }
    debug_assert!(found.iter().all(|w| w.chars().all(is_word)));
    found
}

fn words(code: &str) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let mut start = None;
    for (at, c) in code.char_indices().chain(std::iter::once((code.len(), ' '))) {
        let inside = c.is_alphanumeric() || c == '_';
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                all.push((from, &code[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    all
}

fn sources(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), into);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        into.push(path.to_owned());
    }
}

#[test]
fn the_commerce_modules_have_no_floating_point() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for module in COMMERCE {
        let path = root.join(module);
        assert!(path.exists(), "{module} is gone; take it from the list");
        sources(&path, &mut files);
    }
    assert!(files.len() > 30, "{} files", files.len());
    for file in files {
        let found = floats(&std::fs::read_to_string(&file).unwrap());
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

#[test]
fn the_scan_finds_what_it_looks_for_and_nothing_else() {
    for bad in [
        "let x: f64 = y;",
        "a as f32",
        "2.5",
        "1_000.0",
        "1e6",
        "3f64",
        "x * 0.1",
        "f64::from(x)",
    ] {
        assert!(!floats(bad).is_empty(), "{bad}");
    }
    for good in [
        "// f64 2.5",
        "\"f64 2.5\"",
        "self.0.0",
        "x.1.checked_add(2)",
        "0..10",
        "0x1e6",
        "24_u8",
        "1..=2",
        "half",
    ] {
        assert_eq!(floats(good), Vec::<String>::new(), "{good}");
    }
}
