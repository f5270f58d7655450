//! Keys: new every time, where they go, and how they are read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{command, encrypted_model, fails, names, ok, trustbridge};

#[test]
fn keys_are_new_every_time_and_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), b"abc").unwrap();
    let mut said = ok(dir, "encrypt --in plain --out a/model.tbenc --json");
    said += &ok(dir, "encrypt --in plain --out b/model.tbenc --key-out other.key");
    said += &ok(dir, "inspect --in b");
    let keys =
        [dir.join("a/model.tbenc.key"), dir.join("other.key")].map(|path| fs::read_to_string(path).unwrap());
    assert_ne!(keys[0], keys[1]);
    assert!(
        keys.iter()
            .all(|key| key.len() == 65 && key.ends_with('\n') && !said.contains(key.trim()))
    );
}

#[test]
fn a_key_on_standard_output_stands_there_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), b"abc").unwrap();
    let output = trustbridge(dir, "encrypt --in plain --out model.tbenc --key-out - --json");
    assert!(output.status.success());
    let key = String::from_utf8(output.stdout).unwrap();
    let hex = key.strip_suffix('\n').unwrap();
    assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let report: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(report["key_file"], Value::Null);
    assert!(!String::from_utf8(output.stderr).unwrap().contains(hex));
    assert_eq!(names(dir), ["model.manifest.json", "model.tbenc", "plain"]);
    fs::write(dir.join("k"), &key).unwrap();
    ok(dir, "verify --in model.tbenc --key-file k");
}

#[test]
fn a_key_that_cannot_be_printed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plain"), b"abc").unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = command(dir.path())
        .args([
            "encrypt",
            "--in",
            "plain",
            "--out",
            "model.tbenc",
            "--key-out",
            "-",
        ])
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(74));
    assert_eq!(names(dir.path()), ["plain"]);
}

#[test]
fn a_wrong_or_malformed_key_is_refused_without_repeating_it() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let wrong = "5e".repeat(32);
    let said = {
        fs::write(dir.join("k"), &wrong).unwrap();
        fails(dir, 65, "verify --asset-dir enc --key k")
    };
    assert!(
        said.contains("key_commitment") && !said.contains(&wrong),
        "{said}"
    );
    let table = [
        (format!("{}zz", "5e".repeat(31)), "64 hexadecimal"),
        (format!("{wrong}\r\n"), "CRLF"),
        (format!("{wrong}\n\n"), "64 hexadecimal"),
        (format!(" {wrong}"), "64 hexadecimal"),
        (String::new(), "64 hexadecimal"),
        ("5e".repeat(10_000), "16 KiB"),
    ];
    for (content, rule) in table {
        fs::write(dir.join("k"), &content).unwrap();
        let said = fails(dir, 65, "verify --asset-dir enc --key-file k");
        assert!(said.contains(rule) && !said.contains("5e5e"), "{said}");
    }
    fs::write(dir.join("k"), b"\xff\xfe").unwrap();
    assert!(fails(dir, 65, "verify --asset-dir enc --key-file k").contains("no text"));
    // A key where its file's name belongs.
    let said = fails(dir, 64, &format!("verify --asset-dir enc --key-file {wrong}"));
    assert!(
        said.contains("path of the file") && !said.contains("5e5e"),
        "{said}"
    );
}

#[test]
fn a_key_file_that_others_can_read_is_warned_about() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let warned = || {
        let output = trustbridge(dir, "verify --in enc --key-file enc.key");
        assert!(output.status.success());
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("chmod 600 enc.key")
    };
    assert!(!warned());
    fs::set_permissions(dir.join("enc.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(warned());
}

#[test]
fn a_key_can_come_from_standard_input() {
    let (dir, _) = encrypted_model();
    let mut child = command(dir.path())
        .args(["verify", "--in", "enc", "--key-file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let key = fs::read(dir.path().join("enc.key")).unwrap();
    child.stdin.take().unwrap().write_all(&key).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_given_key_is_for_test_vectors_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), b"abc").unwrap();
    fs::write(dir.join("test.key"), format!("{}\n", "a7".repeat(32))).unwrap();
    fs::set_permissions(dir.join("test.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let line = "encrypt --in plain --out a.tbenc --insecure-test-key-file test.key";
    let output = trustbridge(dir, line);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("not new"));
    ok(dir, "verify --in a.tbenc --key-file test.key");
    for existing in ["a.tbenc", "a.manifest.json", "a.tbenc.key"] {
        let (kept, bytes) = (dir.join(existing), fs::read(dir.join(existing)).unwrap());
        for name in ["a.tbenc", "a.manifest.json", "a.tbenc.key"] {
            let _ = fs::remove_file(dir.join(name));
        }
        fs::write(kept, bytes).unwrap();
        assert!(fails(dir, 64, line).contains("never overwritten"));
        fs::remove_file(dir.join(existing)).unwrap();
        ok(dir, line);
    }
    assert!(!ok(dir, "encrypt -h").contains("insecure"));
}
