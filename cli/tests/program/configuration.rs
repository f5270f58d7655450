//! Where values come from: argument, environment, configuration file.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{command, fails, trustbridge};

fn chunk_bytes(dir: &Path, name: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> u64 {
    let mut command = command(dir);
    command.args(["--json", "encrypt", "--in", "plain", "--out", name]);
    change(&mut command);
    let output: Output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["chunk_bytes"].as_u64().unwrap()
}

#[test]
fn the_file_is_found_in_three_places_and_arguments_are_stronger() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), "abc").unwrap();
    fs::write(dir.join("a.yaml"), "chunk-bytes: 10\n").unwrap();
    fs::write(
        dir.join("b.yaml"),
        "chunk-bytes: 10\nencrypt:\n  chunk-bytes: 20\n",
    )
    .unwrap();
    fs::create_dir_all(dir.join("xdg/trustbridge")).unwrap();
    fs::write(dir.join("xdg/trustbridge/config.yaml"), "chunk-bytes: 30\n").unwrap();
    assert_eq!(chunk_bytes(dir, "1", |c| c), 4 << 20);
    assert_eq!(chunk_bytes(dir, "2", |c| c.args(["--config", "a.yaml"])), 10);
    assert_eq!(chunk_bytes(dir, "3", |c| c.env("TB_CONFIG", "b.yaml")), 20);
    assert_eq!(
        chunk_bytes(dir, "4", |c| c.env("XDG_CONFIG_HOME", dir.join("xdg"))),
        30
    );
    assert_eq!(
        chunk_bytes(dir, "5", |c| c
            .env("TB_CONFIG", "b.yaml")
            .args(["--chunk-bytes", "40"])),
        40
    );
    assert!(fails(dir, 74, "--config nowhere.yaml encrypt --in plain --out 6").contains("nowhere.yaml"));
}

#[test]
fn required_arguments_may_come_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), "abc").unwrap();
    fs::write(
        dir.join("c.yaml"),
        "encrypt:\n  in: plain\n  out: model.tbenc\n  allow-finetune: false\n",
    )
    .unwrap();
    assert!(trustbridge(dir, "encrypt --config c.yaml").status.success());
    let manifest = fs::read_to_string(dir.join("model.manifest.json")).unwrap();
    assert!(manifest.contains("\"allow_finetune\": false"));
    // The asset may be named by the file for one command, and otherwise on the command line.
    fs::write(dir.join("v.yaml"), "verify:\n  manifest: model.manifest.json\n").unwrap();
    assert!(trustbridge(dir, "verify --config v.yaml").status.success());
}

#[test]
fn mistakes_in_the_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), "abc").unwrap();
    for (yaml, expected) in [
        ("chunk-byte: 1", "did you mean chunk-bytes?"),
        ("encrypt:\n  storage-account: x", "encrypt.storage-account"),
        ("chunk-bytes: many", "--chunk-bytes"),
        ("insecure-test-key-file: k", "is no flag"),
        ("key-hex: x", "--key-file"),
        ("sas-file: sv=1&sig=SECRET", "holds a secret"),
    ] {
        fs::write(dir.join("c.yaml"), yaml).unwrap();
        let said = fails(dir, 64, "encrypt --config c.yaml --in plain --out e");
        assert!(
            said.contains(expected) && !said.contains("SECRET"),
            "{yaml:?}: {said}"
        );
    }
}

#[test]
fn remote_commands_listen_to_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let output = command(dir.path())
            .args(args)
            .env("TB_ASSET_DIR", "from-the-environment")
            .env("TB_CONTAINER_URL", "https://a.example/c?sig=SECRET")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let environment = said(&["upload"]);
    assert!(
        !environment.contains("SECRET") && !environment.contains("required"),
        "{environment}"
    );
    let argument = said(&[
        "upload",
        "--asset-dir",
        "from-the-argument",
        "--container-url",
        "https://a.example/c",
    ]);
    assert!(argument.contains("from-the-argument"), "{argument}");
}
