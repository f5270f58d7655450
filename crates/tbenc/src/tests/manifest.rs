//! The manifest's rules, one test for each.

use std::cmp::Ordering;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::Digest;

use super::key;
use crate::manifest::{
    FileEntry, Manifest, Role, check_path, commitment_hex, directory_digest, loader_order, natural_order,
};
use crate::{Class, Error, hex_digest};

fn spec_only() -> Value {
    json!({
        "format": "tbenc/v1", "algo": "aes-256-gcm-chunked", "chunk_bytes": 4_194_304,
        "plaintext_bytes": 53_821_440_000_u64, "sha256_ciphertext": "a".repeat(64),
        "asset_id": "tb-asset-123", "weights_filename": "model.tbenc", "allow_finetune": true
    })
}

fn entry(path: &str, role: Role) -> FileEntry {
    FileEntry {
        path: path.into(),
        blob: format!("files/{path}.tbenc"),
        role,
        plaintext_bytes: 7,
        plaintext_sha256: hex_digest(path.as_bytes()),
        sha256_ciphertext: hex_digest(path.as_bytes()),
    }
}

fn directory() -> Manifest {
    let mut manifest: Manifest = serde_json::from_value(spec_only()).unwrap();
    let files = vec![
        entry("config.json", Role::Config),
        entry("tokenizer.json", Role::Tokenizer),
        entry("model-2.safetensors", Role::Weights),
        entry("model-10.safetensors", Role::Weights),
    ];
    manifest.weights_filename = "files/".into();
    manifest.plaintext_bytes = 28;
    manifest.sha256_ciphertext = directory_digest(&files);
    manifest.files = Some(files);
    manifest
}

/// Changes the files and repairs the sums, so that only the rule in question is broken.
fn directory_with(change: impl FnOnce(&mut Vec<FileEntry>)) -> Result<(), Error> {
    let mut manifest = directory();
    let files = manifest.files.as_mut().unwrap();
    change(files);
    manifest.plaintext_bytes = files
        .iter()
        .map(|file| file.plaintext_bytes)
        .fold(0, u64::wrapping_add);
    manifest.sha256_ciphertext = directory_digest(files);
    manifest.validate()
}

fn refused(result: Result<impl std::fmt::Debug, Error>, names: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.class(), Class::Manifest);
    assert!(error.to_string().contains(names), "{error} does not name {names}");
}

#[test]
fn the_specs_fields_alone_are_a_manifest() {
    let manifest = Manifest::parse(spec_only().to_string().as_bytes()).unwrap();
    assert!(manifest.allow_finetune && !manifest.is_directory());
    let mut without = spec_only();
    without.as_object_mut().unwrap().remove("allow_finetune");
    assert!(
        Manifest::parse(without.to_string().as_bytes())
            .unwrap()
            .allow_finetune
    );
    assert!(
        !manifest.check_key(&key()).unwrap(),
        "nothing to check without a commitment"
    );
}

#[test]
fn a_directory_reads_back_as_it_was_written() {
    let bytes = directory().to_bytes().unwrap();
    assert_eq!(Manifest::parse(&bytes).unwrap(), directory());
    assert_eq!(Manifest::sha256_of_bytes(b"abc"), hex_digest(b"abc"));
}

#[test]
fn each_scalar_rule_is_kept() {
    let broken = [
        ("format", json!("tbenc/v2")),
        ("algo", json!("aes-128")),
        ("chunk_bytes", json!(0)),
        ("chunk_bytes", json!((64 << 20) + 1)),
        ("plaintext_bytes", json!((1_u64 << 44) + 1)),
        ("sha256_ciphertext", json!("A".repeat(64))),
        ("sha256_ciphertext", json!("a".repeat(63))),
        ("asset_id", json!("../other")),
        ("asset_id", json!("")),
        ("weights_filename", json!("/etc/passwd")),
        ("weights_filename", json!("a/../b")),
        ("key_commitment", json!("short")),
        ("plaintext_sha256", json!("short")),
        ("tool", json!("x".repeat(129))),
        ("created_at", json!("a\nb")),
        ("files", json!([])),
    ];
    for (field, value) in broken {
        let mut document = spec_only();
        document[field] = value;
        let named = if field == "files" {
            "weights_filename"
        } else {
            field
        };
        refused(Manifest::parse(document.to_string().as_bytes()), named);
    }
}

#[test]
fn repeated_keys_are_refused_at_every_depth() {
    let good = spec_only().to_string();
    let twice = good.replacen('{', r#"{"asset_id":"tb-other","#, 1);
    refused(Manifest::parse(twice.as_bytes()), "asset_id");
    let unknown = good.replacen('{', r#"{"note":{"a":[{"b":1,"b":2}]},"#, 1);
    refused(Manifest::parse(unknown.as_bytes()), "repeated");
    let escaped = good.replacen('{', r#"{"n":{"a":1,"\u0061":2},"#, 1);
    refused(Manifest::parse(escaped.as_bytes()), "repeated");
    let tolerated = good.replacen('{', r#"{"note":{"a":1},"#, 1);
    Manifest::parse(tolerated.as_bytes()).unwrap();
}

#[test]
fn documents_that_are_no_manifest_are_refused() {
    let long = format!("{}{}", spec_only(), " ".repeat(4 << 20));
    let deep = "[".repeat(100_000);
    for bytes in [
        b"".as_slice(),
        b"[]",
        b"{}",
        b"\xff",
        b"{} {}",
        long.as_bytes(),
        deep.as_bytes(),
    ] {
        refused(Manifest::parse(bytes), "document");
    }
}

#[test]
fn each_rule_of_files_is_kept() {
    refused(
        directory_with(|f| f[0].path = "../config.json".into()),
        "files[0].path",
    );
    refused(
        directory_with(|f| f[0].blob = "config.json.tbenc".into()),
        "files[0].blob",
    );
    refused(
        directory_with(|f| f[0].blob = "files/../../x".into()),
        "files[0].blob",
    );
    refused(
        directory_with(|f| f[1].path = "config.json".into()),
        "files[1].path",
    );
    refused(directory_with(|f| f[1].blob = f[0].blob.clone()), "files[1].blob");
    refused(
        directory_with(|f| f[1].path = "config.json/a".into()),
        "files[1].path",
    );
    refused(
        directory_with(|f| f[1].plaintext_sha256 = String::new()),
        "files[1].plaintext_sha256",
    );
    refused(
        directory_with(|f| f[1].sha256_ciphertext = String::new()),
        "files[1].sha256_ciphertext",
    );
    refused(
        directory_with(|f| f[1].plaintext_bytes = u64::MAX),
        "files[1].plaintext_bytes",
    );
    refused(directory_with(|f| f.swap(2, 3)), "natural order");
    refused(directory_with(|f| f.swap(0, 3)), "before the weights");
    refused(directory_with(Vec::clear), "files");
    directory_with(|_| ()).unwrap();
}

#[test]
fn a_directorys_sums_must_agree() {
    let mut manifest = directory();
    manifest.plaintext_bytes += 1;
    refused(manifest.validate(), "plaintext_bytes");
    let mut manifest = directory();
    manifest.files.as_mut().unwrap().swap(0, 1);
    refused(manifest.validate(), "sha256_ciphertext");
    let mut manifest = directory();
    manifest.plaintext_sha256 = Some("a".repeat(64));
    refused(manifest.validate(), "plaintext_sha256");
    let mut manifest = directory();
    manifest.weights_filename = "model.tbenc".into();
    refused(manifest.validate(), "weights_filename");
}

#[test]
fn the_directory_digest_is_what_sha256sum_would_give() {
    let files = directory().files.unwrap();
    let lines: Vec<String> = files
        .iter()
        .map(|file| format!("{}  {}\n", file.sha256_ciphertext, file.blob))
        .collect();
    let lines = lines.concat();
    let digest = sha2::Sha256::digest(lines.as_bytes());
    assert_eq!(directory_digest(&files), HEXLOWER.encode(&digest));
}

#[test]
fn a_commitment_tells_a_wrong_key() {
    let mut manifest = directory();
    manifest.key_commitment = Some(commitment_hex(&key(), &manifest.asset_id));
    assert!(manifest.check_key(&key()).unwrap());
    manifest.asset_id = "another".into();
    let error = manifest.check_key(&key()).unwrap_err();
    assert_eq!(error.class(), Class::Auth);
}

#[test]
fn natural_order_counts_numbers() {
    let sorted = [
        "a",
        "a01",
        "a1",
        "a01b",
        "a1b",
        "a2",
        "a10",
        "a10b",
        "a99999999999999999999999",
        "b",
    ];
    for (i, left) in sorted.iter().enumerate() {
        for (j, right) in sorted.iter().enumerate() {
            assert_eq!(natural_order(left, right), i.cmp(&j), "{left} {right}");
        }
    }
    assert_eq!(
        loader_order((Role::Weights, "a"), (Role::Config, "b")),
        Ordering::Greater
    );
}

#[test]
fn paths_stay_inside_the_directory() {
    for good in ["a", "a/b", "a.b", "..a", "naïve/ä"] {
        check_path(good).unwrap();
    }
    let long = "x".repeat(513);
    let name = "x".repeat(241);
    for bad in [
        "", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a\\b", "a\0b", &long, &name,
    ] {
        check_path(bad).unwrap_err();
    }
}

#[test]
fn a_directory_has_at_most_1024_files() {
    let files = |count: usize| {
        directory_with(|files| {
            *files = (0..count).map(|n| entry(&n.to_string(), Role::Other)).collect();
        })
    };
    files(1024).unwrap();
    refused(files(1025), "has 1025 entries");
}

#[test]
fn a_manifest_has_at_most_4_mib() {
    let mut document = spec_only().to_string().into_bytes();
    document.resize(4 << 20, b' ');
    Manifest::parse(&document).unwrap();
    document.push(b' ');
    refused(Manifest::parse(&document), "4194305 bytes");
}
