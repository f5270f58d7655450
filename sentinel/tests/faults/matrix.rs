//! The matrix agrees with its cases, is printed, and stands in the documentation as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cases::CASES;
use crate::table::{Cell, ROWS, STATES};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn named() -> BTreeSet<&'static str> {
    let cells = ROWS.iter().flat_map(|row| row.cells);
    cells
        .flat_map(|cell| match cell {
            Cell::Played(names) => names,
            Cell::No(_) => &[],
        })
        .copied()
        .collect()
}

/// Whether `FILE#NAME` is a test there.
fn is_test(name: &str) -> bool {
    let (file, function) = name.split_once('#').unwrap();
    let text = std::fs::read_to_string(workspace().join(file)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let attribute = matches!(pair[0], "#[test]" | "#[tokio::test]");
        let signature = format!("fn {function}(");
        attribute && pair[1].trim_start_matches("async ").starts_with(&signature)
    })
}

#[test]
fn cells_and_cases_agree() {
    let cases: BTreeSet<&str> = CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(cases.len(), CASES.len(), "a case is registered twice");
    let wanted = named();
    for name in &wanted {
        let known = if name.contains('#') {
            is_test(name)
        } else {
            cases.contains(name)
        };
        assert!(known, "{name}: named in the matrix, and no such case");
    }
    let idle: Vec<_> = cases.difference(&wanted).collect();
    assert!(idle.is_empty(), "cases that no cell names: {idle:?}");
    let ids: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), ROWS.len());
    for row in ROWS {
        for cell in row.cells {
            match cell {
                Cell::Played(names) => assert!(!names.is_empty(), "{}: an empty cell", row.id),
                Cell::No(why) => assert!(why.ends_with('.') && why.len() > 20, "{}: {why:?}", row.id),
            }
        }
    }
    // What was written and never registered would never be played.
    for module in [
        "transfer", "answers", "envelope", "licence", "renewal", "disk", "overlap", "reader", "clients",
    ] {
        let path = workspace().join(format!("sentinel/tests/faults/{module}.rs"));
        for line in std::fs::read_to_string(path).unwrap().lines() {
            if let Some(name) = line
                .strip_prefix("pub fn ")
                .and_then(|rest| rest.strip_suffix("() {"))
            {
                assert!(
                    cases.contains(format!("{module}::{name}").as_str()),
                    "{module}::{name}"
                );
            }
        }
    }
    println!("{}", grid());
}

/// `TB_UPDATE=1 cargo test -p trustbridge-sentinel --test faults page` writes the page.
#[test]
fn the_page_is_current() {
    let path = workspace().join("docs/reference/sentinel-faults.md");
    let page = page();
    if std::env::var_os("TB_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        page,
        "docs/reference/sentinel-faults.md is out of date: run this test once with TB_UPDATE=1"
    );
}

/// How many cells are played, and how many say why not.
fn counts() -> (usize, usize) {
    let played = |cell: &Cell| matches!(cell, Cell::Played(_));
    let all = ROWS.len() * STATES.len();
    let played = ROWS.iter().flat_map(|row| row.cells).filter(played).count();
    (played, all - played)
}

/// How many cells are played against a real Azurite as well, and by how many of its tests.
fn on_azurite() -> (usize, usize) {
    let is_real = |name: &&str| name.starts_with("sentinel/tests/azurite/");
    let real = |cell: &Cell| matches!(cell, Cell::Played(names) if names.iter().any(&is_real));
    let cells = ROWS.iter().flat_map(|row| row.cells).filter(real).count();
    (cells, named().iter().filter(|name| is_real(name)).count())
}

/// Reasons by letter, in the order in which they come.
fn reasons() -> BTreeMap<&'static str, String> {
    let mut letters = BTreeMap::new();
    for cell in ROWS.iter().flat_map(|row| row.cells) {
        if let Cell::No(why) = cell {
            let next = letters.len();
            letters.entry(why).or_insert_with(|| letter(next));
        }
    }
    letters
}

fn letter(number: usize) -> String {
    let one = char::from(b'a' + u8::try_from(number % 26).unwrap());
    if number < 26 {
        one.to_string()
    } else {
        format!("{}{one}", letter(number / 26 - 1))
    }
}

fn grid() -> String {
    let letters = reasons();
    let mut text = format!(
        "| Fault | {} |\n|---|{}\n",
        STATES.join(" | "),
        "---|".repeat(STATES.len())
    );
    for row in ROWS {
        let cells = row.cells.map(|cell| match cell {
            Cell::Played(names) => format!("**{}**", names.len()),
            Cell::No(why) => letters[why].clone(),
        });
        writeln!(text, "| {} {} | {} |", row.id, row.fault, cells.join(" | ")).unwrap();
    }
    let (played, not) = counts();
    let all = played + not;
    let (cells, tests) = on_azurite();
    writeln!(
        text,
        "\n{all} cells: {played} are played by {} cases, {not} say why not. {cells} of them run against a real Azurite\n\
         too, by {tests} of its tests, in the tier `provider`; the others' store is a programmable one.",
        named().len()
    )
    .unwrap();
    text
}

fn page() -> String {
    let mut text = String::from(
        "<!-- Generated by `TB_UPDATE=1 cargo test -p trustbridge-sentinel --test faults page`. Do not edit. -->\n\
         # The sentinel under fault\n\n\
         Every fault in every state of the sentinel. A number says how many cases play the cell against the real\n\
         program, a letter gives the reason why it cannot happen there. Every case also asserts that port 8000 is shut\n\
         before the weights were read, that nothing secret was told, that no plaintext is left where it ends, and that\n\
         SIGTERM ends it within 5 s where nothing is in flight.\n\n",
    );
    text.push_str(&grid());
    text.push_str("\n## Why not\n\n");
    let mut letters: Vec<_> = reasons().into_iter().collect();
    letters.sort_by_key(|(_, letter)| (letter.len(), letter.clone()));
    for (why, letter) in letters {
        writeln!(text, "- **{letter}** {why}").unwrap();
    }
    text.push_str("\n## Outcomes and cases\n");
    for row in ROWS {
        writeln!(text, "\n### {} {}\n\n{}.\n", row.id, row.fault, row.outcome).unwrap();
        for (state, cell) in STATES.iter().zip(row.cells) {
            if let Cell::Played(names) = cell {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                writeln!(text, "- {state}: {}", names.join(", ")).unwrap();
            }
        }
    }
    text
}
