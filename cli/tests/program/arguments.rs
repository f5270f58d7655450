//! Wrong use, and what it is told.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{command, encrypted_model, fails, limited, names, ok, trustbridge};

#[test]
fn arguments_that_break_a_rule_say_which() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let cases = [
        (64, "encrypt --in model --out e --asset-id ../x", "--asset-id"),
        (
            64,
            "encrypt --in model --out e --chunk-bytes 0",
            "--chunk-bytes 0",
        ),
        (
            64,
            "encrypt --in model --out e --plaintext-sha256=false",
            "--plaintext-sha256",
        ),
        (64, "encrypt --in model --out - --key-out -", "--key-out -"),
        (65, "encrypt --in enc --out e", "safetensors"),
        (74, "encrypt --in nowhere --out e", "nowhere"),
        (
            64,
            "modelasset --in enc --edc-endpoint http://e.example --blob-base-url https://a.example/c",
            "--edc-endpoint",
        ),
        (
            64,
            "modelasset --in enc --edc-endpoint https://e.example --blob-base-url https://a.example/c",
            "/models/tb-asset-1",
        ),
        (64, "inspect", "--in"),
        (
            64,
            "decrypt --in https://a.example/c --key-file enc.key --out x",
            "local files",
        ),
        (64, "verify --in http://a.example/c", "https"),
        (64, "sample-model --out s --size-mib 0", "--size-mib"),
        (64, "", "Usage"),
        (64, "nonsense", "nonsense"),
        (64, "encrypt --in model", "--out"),
        (64, "completions tcsh", "tcsh"),
        (64, "man nothing", "nothing"),
    ];
    for (code, line, names) in cases {
        let said = fails(dir, code, line);
        assert!(said.contains(names), "{line}: {said}");
    }
    assert_eq!(names(dir), ["enc", "enc.key", "model"]);
}

#[test]
fn secrets_in_arguments_are_refused_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "c0ffee5ec2e7".repeat(6).split_off(8);
    for (line, instead) in [
        (format!("register --key-hex {secret}"), "--key-file"),
        (format!("register --key-hex={secret}"), "--key-file"),
        (format!("upload --sas sv=1&sig={secret}"), "--sas-file"),
        (
            format!("upload --account-key {secret} --json"),
            "--account-key-file",
        ),
        (format!("register --token {secret}"), "--token-file"),
        (format!("verify --in x --key-file {secret}"), "path of the file"),
    ] {
        let said = fails(dir.path(), 64, &line);
        assert!(
            said.contains(instead) && !said.contains(&secret),
            "{line}: {said}"
        );
    }
}

#[test]
fn errors_are_one_json_document_where_json_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for (code, line, kind) in [
        (64, "--json encrypt --in x", "usage"),
        (64, "--json", "usage"),
        (74, "inspect --in nowhere --json", "io"),
    ] {
        let said: Value = serde_json::from_str(&fails(dir.path(), code, line)).unwrap();
        assert_eq!(said["error"]["kind"], kind, "{line}");
        assert_eq!(said["error"]["exit_code"], code, "{line}");
        assert!(said["error"]["message"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ok(dir.path(), "--version").starts_with("trustbridge "));
    let help = ok(dir.path(), "--help");
    for verb in ["encrypt", "verify", "upload", "register", "--json", "--config"] {
        assert!(help.contains(verb), "{verb}");
    }
    for verb in [
        "encrypt",
        "decrypt",
        "verify",
        "inspect",
        "upload",
        "register",
        "modelasset",
    ] {
        assert!(ok(dir.path(), &format!("{verb} --help")).contains("--"), "{verb}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let (dir, _) = encrypted_model();
    for line in ["inspect --in enc", "man --markdown", "--help", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(dir.path())
            .args(line.split_whitespace())
            .stdout(Stdio::from(writer))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert!(
            output.stderr.is_empty(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command(dir.path())
        .args(["inspect", "--in", "nowhere"])
        .stderr(Stdio::from(writer))
        .status()
        .unwrap();
    assert_eq!(
        status.code(),
        Some(74),
        "a closed standard error changes no exit code"
    );
}

#[test]
fn an_unreachable_control_plane_has_its_own_exit_code() {
    let (dir, _) = encrypted_model();
    fs::write(dir.path().join("token"), "t").unwrap();
    let line = "register --in enc --key enc.key --endpoint https://127.0.0.1:1 --token-file token --timeout 2 \
                --blob-base-url https://a.example/c/models/tb-asset-1";
    let output = trustbridge(dir.path(), line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    let key = fs::read_to_string(dir.path().join("enc.key")).unwrap();
    assert!(
        said.contains("127.0.0.1:1") && !said.contains(key.trim()),
        "{said}"
    );
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    for (line, code, rule) in [
        ("inspect --manifest /dev/zero", 65, "4 MiB"),
        ("verify --in . --manifest /dev/zero", 65, "4 MiB"),
        ("--config /dev/zero sample-model --out m", 64, "1 MiB"),
        ("package --lint /dev/zero", 65, "120 MB"),
    ] {
        // A GiB of addresses: what reads on runs out of them.
        let output = limited(dir.path(), "-v 1048576", line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(rule), "{line}: {said}");
    }
}
