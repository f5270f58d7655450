//! What `encrypt` makes and `decrypt` gives back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use trustbridge_tbenc::hex_digest;

use crate::support::{encrypted_model, fails, flip_last_byte, json, limited, names, ok};

#[test]
fn a_directory_round_trips() {
    let (dir, summary) = encrypted_model();
    let dir = dir.path();
    assert_eq!(names(dir), ["enc", "enc.key", "model"]);
    assert_eq!(names(&dir.join("enc")), ["files", "model.manifest.json"]);
    assert_eq!(summary["asset_id"], "tb-asset-1");
    assert_eq!(summary["key_file"], "enc.key");
    let manifest = fs::read(dir.join("enc/model.manifest.json")).unwrap();
    assert_eq!(summary["manifest_sha256"], hex_digest(&manifest));
    let mode = fs::metadata(dir.join("enc.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let verified = json(dir, "verify --asset-dir enc --key enc.key");
    assert_eq!(
        (&verified["files"], &verified["records_opened"]),
        (&Value::from(7), &Value::from(true))
    );
    ok(dir, "decrypt --in enc --key-file enc.key --out back");
    assert_eq!(names(&dir.join("back")), names(&dir.join("model")));
    for file in summary["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let plain = fs::read(dir.join("model").join(path)).unwrap();
        assert_eq!(fs::read(dir.join("back").join(path)).unwrap(), plain, "{path}");
        assert_eq!(file["plaintext_sha256"], hex_digest(&plain));
        let cipher = fs::read(dir.join("enc").join(file["blob"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256_ciphertext"], hex_digest(&cipher));
        assert!(
            !cipher.windows(9).any(|window| window == b"TB_CANARY"),
            "{path} holds plaintext"
        );
    }
}

#[test]
fn a_single_file_has_the_specs_layout() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain.weights"), b"TRUSTBRIDGE_E2E_".repeat(5000)).unwrap();
    let line = "encrypt --asset-id tb-asset-e2e-001 --in plain.weights --out a/model.tbenc \
                --manifest a/model.manifest.json --chunk-bytes 4096";
    let summary = json(dir, line);
    assert_eq!(
        names(&dir.join("a")),
        ["model.manifest.json", "model.tbenc", "model.tbenc.key"]
    );
    let manifest: Value =
        serde_json::from_slice(&fs::read(dir.join("a/model.manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["weights_filename"], "model.tbenc");
    assert_eq!(manifest["plaintext_bytes"], 80_000);
    assert_eq!(
        manifest["sha256_ciphertext"],
        hex_digest(&fs::read(dir.join("a/model.tbenc")).unwrap())
    );
    assert_eq!(
        summary["plaintext_sha256"],
        hex_digest(&fs::read(dir.join("plain.weights")).unwrap())
    );
    assert!(ok(dir, "verify --manifest a/model.manifest.json").contains("no key given"));
    ok(dir, "verify --in a --key-file a/model.tbenc.key");
    ok(
        dir,
        "decrypt --manifest a/model.manifest.json --key a/model.tbenc.key --out back",
    );
    assert_eq!(
        fs::read(dir.join("back")).unwrap(),
        fs::read(dir.join("plain.weights")).unwrap()
    );
}

#[test]
fn every_name_and_folder_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), b"abc".repeat(1000)).unwrap();
    ok(
        dir,
        "encrypt --in plain --out x/cipher.bin --manifest y/manifest --key-out z/secret",
    );
    assert_eq!(names(&dir.join("x")), ["cipher.bin"]);
    let manifest: Value = serde_json::from_slice(&fs::read(dir.join("y/manifest")).unwrap()).unwrap();
    assert_eq!(manifest["weights_filename"], "model.tbenc");
    ok(
        dir,
        "verify --in x/cipher.bin --manifest y/manifest --key-file z/secret",
    );
    ok(
        dir,
        "decrypt --in x/cipher.bin --manifest y/manifest --key-file z/secret --out back",
    );
    assert_eq!(fs::read(dir.join("back")).unwrap(), b"abc".repeat(1000));
    // The stem joins what was not named.
    ok(dir, "encrypt --in plain --out s/shard.tbenc");
    assert_eq!(
        names(&dir.join("s")),
        ["shard.manifest.json", "shard.tbenc", "shard.tbenc.key"]
    );
    ok(dir, "verify --in s/shard.tbenc --key-file s/shard.tbenc.key");
    ok(
        dir,
        "verify --manifest s/shard.manifest.json --key-file s/shard.tbenc.key",
    );
    // A directory's manifest and key, elsewhere and inside.
    ok(dir, "sample-model --out model --size-mib 1");
    ok(
        dir,
        "encrypt --in model --out d --manifest d.json --key-out d/own.key",
    );
    assert_eq!(names(&dir.join("d")), ["files", "own.key"]);
    ok(dir, "verify --in d --manifest d.json --key-file d/own.key");
}

#[test]
fn flags_shape_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("plain"), b"abc").unwrap();
    let table = [
        ("", true, true),
        ("--allow-finetune", true, true),
        ("--allow-finetune=false", false, true),
        ("--allow-finetune false", false, true),
        ("--plaintext-sha256=false", true, false),
    ];
    for (index, (flags, finetune, digest)) in table.into_iter().enumerate() {
        let summary = json(dir, &format!("encrypt {flags} --in plain --out {index}.tbenc"));
        let path = dir.join(format!("{index}.manifest.json"));
        let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(manifest["allow_finetune"], finetune, "{flags}");
        assert_eq!(manifest.get("plaintext_sha256").is_some(), digest, "{flags}");
        assert_eq!(summary.get("plaintext_sha256").is_some(), digest, "{flags}");
        ok(
            dir,
            &format!("verify --in {index}.tbenc --key-file {index}.tbenc.key"),
        );
    }
}

#[test]
fn an_empty_file_round_trips() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), b"").unwrap();
    ok(dir.path(), "encrypt --in empty --out model.tbenc");
    assert_eq!(fs::metadata(dir.path().join("model.tbenc")).unwrap().len(), 32);
    ok(dir.path(), "decrypt --in . --key model.tbenc.key --out back");
    assert!(fs::read(dir.path().join("back")).unwrap().is_empty());
}

#[test]
fn outputs_are_never_overwritten_and_nothing_half_done_stays() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    assert!(fails(dir, 64, "encrypt --in model --out enc").contains("never overwritten"));
    assert!(fails(dir, 64, "encrypt --in model --out enc2 --key-out enc.key").contains("--key-out"));
    assert!(fails(dir, 64, "encrypt --in model --out e --manifest e").contains("three different"));
    for inside in [
        "--out model/e",
        "--out e --key-out model/../model/k",
        "--out e --manifest model/sub/m.json",
    ] {
        assert!(fails(dir, 64, &format!("encrypt --in model {inside}")).contains("the model's folder"));
    }
    for existing in ["model", "/dev/null", "/dev/stdout"] {
        let line = format!("decrypt --in enc --key-file enc.key --out {existing}");
        assert!(fails(dir, 64, &line).contains("never overwritten"));
    }
    assert!(fails(dir, 64, "decrypt --in enc --key-file enc.key --out -").contains("standard output"));
    let shard = dir.join("model/model-00002-of-00002.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 5]).unwrap();
    assert!(fails(dir, 65, "encrypt --in model --out enc3").contains("cut short"));
    assert_eq!(names(dir), ["enc", "enc.key", "model"]);
}

#[test]
fn a_place_is_the_same_however_it_is_spelled() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let here = dir.display();
    std::os::unix::fs::symlink(dir, dir.join("link")).unwrap();
    let spellings = [
        "./NAME".to_owned(),
        "model/../NAME".to_owned(),
        "missing/../NAME".to_owned(),
        "link/NAME".to_owned(),
        format!("{here}/NAME"),
    ];
    for (index, spelling) in spellings.iter().enumerate() {
        let out = format!("spelled{index}");
        let inside = spelling.replace("NAME", &out);
        ok(
            dir,
            &format!("encrypt --in model --out {out} --manifest {inside}/m.json --key-out {inside}/sub/k"),
        );
        assert_eq!(names(&dir.join(&out)), ["files", "m.json", "sub"], "{spelling}");
        ok(
            dir,
            &format!("verify --in {out} --manifest {out}/m.json --key-file {out}/sub/k"),
        );
        fs::remove_dir_all(dir.join(&out)).unwrap();
        let same = spelling.replace("NAME", "q.tbenc");
        for flag in ["--key-out", "--manifest"] {
            let line = format!("encrypt --in enc.key --out q.tbenc {flag} {same}");
            assert!(fails(dir, 64, &line).contains("three different"), "{line}");
        }
    }
    assert_eq!(names(dir), ["enc", "enc.key", "link", "model"]);
}

#[test]
fn an_output_below_a_file_or_among_the_ciphertexts_is_refused() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    for line in [
        "--in model --out m/e --manifest m",
        "--in model --out e --manifest m --key-out m/k",
        "--in enc.key --out e --manifest e/m",
    ] {
        assert!(
            fails(dir, 64, &format!("encrypt {line}")).contains("lies below"),
            "{line}"
        );
    }
    for among in ["--manifest e/files", "--key-out ./e/files/k"] {
        let said = fails(dir, 64, &format!("encrypt --in model --out e {among}"));
        assert!(said.contains("for the ciphertexts alone"), "{said}");
    }
    assert_eq!(names(dir), ["enc", "enc.key", "model"]);
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_the_long_pass() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("plain"), vec![0; 4 << 20]).unwrap();
    for flag in ["--key-out", "--manifest"] {
        // No room for the ciphertext: whoever writes it first ends in another way.
        let line = format!("encrypt --in plain --out new/sub/e {flag} /proc/no-such/x");
        let output = limited(dir.path(), "-f 1024", &line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{said}");
        assert!(said.contains("/proc/no-such"), "{said}");
        assert_eq!(names(dir.path()), ["plain"]);
    }
}

#[test]
fn what_has_no_length_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = std::process::Command::new("mkfifo")
        .arg(dir.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    for input in ["/dev/null", "pipe"] {
        let said = fails(dir, 64, &format!("encrypt --in {input} --out e"));
        assert!(said.contains("write it to a file"), "{said}");
    }
    assert_eq!(names(dir), ["pipe"]);
}

#[test]
fn a_refused_decryption_leaves_no_folder_that_it_made() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    fs::write(dir.join("plain"), "abc").unwrap();
    ok(dir, "encrypt --in plain --out one.tbenc");
    flip_last_byte(&dir.join("one.tbenc"));
    flip_last_byte(&dir.join("enc/files/config.json.tbenc"));
    let before = names(dir);
    fails(
        dir,
        65,
        "decrypt --in one.tbenc --key-file one.tbenc.key --out new/sub/back",
    );
    fails(dir, 65, "decrypt --in enc --key-file enc.key --out new/sub/back");
    assert_eq!(names(dir), before);
}
