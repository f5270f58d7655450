//! Completions, manual pages and the reference page.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{encrypted_model, json, names, ok};

#[test]
fn every_shell_has_completions() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ok(dir.path(), &format!("completions {shell}"));
        assert!(
            script.contains("chunk-bytes") && script.contains("key-file"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_printed_or_written() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ok(dir.path(), "man encrypt").contains("chunk"));
    assert!(ok(dir.path(), "man").contains(".TH trustbridge"));
    ok(dir.path(), "man --out pages");
    let pages = names(&dir.path().join("pages"));
    for page in ["trustbridge.1", "trustbridge-encrypt.1", "trustbridge-upload.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
}

/// `TB_UPDATE=1 cargo test -p trustbridge-cli --test program reference` writes the page.
#[test]
fn the_reference_page_is_current() {
    let dir = tempfile::tempdir().unwrap();
    let page = ok(dir.path(), "man --markdown");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cli.md");
    if std::env::var_os("TB_UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/cli.md is out of date: run this test once with TB_UPDATE=1"
    );
}

#[test]
fn the_documented_json_fields_are_those_that_are_printed() {
    let (dir, summary) = encrypted_model();
    let dir = dir.path();
    let page = ok(dir, "man --markdown");
    let documented = |command: &str| -> Vec<String> {
        let start = format!("| {command} | ");
        let line = page.lines().find(|line| line.starts_with(&start)).unwrap();
        let cell = line.strip_prefix(&start).unwrap().trim_end_matches(" |");
        // `a`, `b[]` of `c`: what follows "of" are the fields of a list.
        let own = cell.split(" of ").next().unwrap();
        let mut names: Vec<String> = own
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|name| name.trim_end_matches("[]").to_owned())
            .filter(|name| name != "plaintext_sha256")
            .collect();
        names.sort();
        names
    };
    let printed = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(printed(&summary), documented("encrypt"));
    assert_eq!(printed(&json(dir, "verify --in enc")), documented("verify"));
    assert_eq!(printed(&json(dir, "inspect --in enc")), documented("inspect"));
    let decrypted = json(dir, "decrypt --in enc --key-file enc.key --out back");
    assert_eq!(printed(&decrypted), documented("decrypt"));
    let sample = json(dir, "sample-model --out small --size-mib 1");
    assert_eq!(printed(&sample), documented("sample-model"));
}
