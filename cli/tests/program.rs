//! The program itself: encrypt, verify, decrypt, and what it says to bad input.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "every function here is part of a test"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use trustbridge_api::ModelAsset;
use trustbridge_tbenc::hex_digest;

fn trustbridge(dir: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustbridge"));
    for name in [
        "TB_BLOB_SAS",
        "TB_BLOB_SAS_FILE",
        "TB_PROVIDER_TOKEN_FILE",
        "TB_CA_PATH",
    ] {
        command.env_remove(name);
    }
    command
        .current_dir(dir)
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

fn ok(dir: &Path, line: &str) -> String {
    let output = trustbridge(dir, line);
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn json(dir: &Path, line: &str) -> Value {
    serde_json::from_str(&ok(dir, &format!("{line} --json"))).unwrap()
}

/// Runs a command that must fail with this exit code; gives what it says.
fn fails(dir: &Path, code: i32, line: &str) -> String {
    let output = trustbridge(dir, line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    assert!(
        output.stdout.is_empty(),
        "{line}: a failing command prints nothing on standard output"
    );
    said
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn flip_last_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A folder with an encrypted 1 MiB model in `enc`.
fn encrypted_model() -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    ok(
        dir.path(),
        "sample-model --out model --size-mib 1 --canary TB_CANARY",
    );
    let line =
        "encrypt --in model --out enc --asset-id tb-asset-1 --chunk-bytes 65536 --allow-finetune false";
    let summary = json(dir.path(), line);
    (dir, summary)
}

#[test]
fn a_directory_round_trips() {
    let (dir, summary) = encrypted_model();
    let dir = dir.path();
    assert_eq!(
        names(&dir.join("enc")),
        ["asset.key", "files", "model.manifest.json"]
    );
    assert_eq!(summary["asset_id"], "tb-asset-1");
    let manifest = fs::read(dir.join("enc/model.manifest.json")).unwrap();
    assert_eq!(summary["manifest_sha256"], hex_digest(&manifest));
    let key = dir.join("enc/asset.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let verified = json(dir, "verify --asset-dir enc --key enc/asset.key");
    assert_eq!(
        (&verified["files"], &verified["records_opened"]),
        (&Value::from(7), &Value::from(true))
    );
    ok(dir, "decrypt --in enc --key enc/asset.key --out back");
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
    ok(
        dir,
        "verify --manifest a/model.manifest.json --key a/model.tbenc.key",
    );
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
fn an_empty_file_round_trips() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), b"").unwrap();
    ok(dir.path(), "encrypt --in empty --out model.tbenc");
    assert_eq!(fs::metadata(dir.path().join("model.tbenc")).unwrap().len(), 32);
    ok(dir.path(), "decrypt --in . --key model.tbenc.key --out back");
    assert!(fs::read(dir.path().join("back")).unwrap().is_empty());
}

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
            .all(|key| key.trim().len() == 64 && !said.contains(key.trim()))
    );
}

#[test]
fn outputs_are_never_overwritten_and_nothing_half_done_stays() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    assert!(fails(dir, 2, "encrypt --in model --out enc").contains("never overwritten"));
    assert!(fails(dir, 2, "encrypt --in model --out enc2 --key-out enc/asset.key").contains("--key-out"));
    assert!(fails(dir, 2, "decrypt --in enc --key enc/asset.key --out model").contains("never overwritten"));
    let shard = dir.join("model/model-00002-of-00002.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 5]).unwrap();
    assert!(fails(dir, 2, "encrypt --in model --out enc3").contains("cut short"));
    assert_eq!(names(dir), ["enc", "model"]);
}

#[test]
fn damage_is_found_with_and_without_the_key() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let blob = dir.join("enc/files/model-00002-of-00002.safetensors.tbenc");
    flip_last_byte(&blob);
    assert!(fails(dir, 3, "verify --asset-dir enc").contains("[DIGEST]"));
    assert!(fails(dir, 3, "verify --asset-dir enc --key enc/asset.key").contains("[AUTH]"));
    assert!(fails(dir, 3, "decrypt --asset-dir enc --key enc/asset.key --out back").contains("[AUTH]"));
    assert_eq!(
        names(dir),
        ["enc", "model"],
        "a failed decryption leaves no plaintext"
    );
    flip_last_byte(&blob);
    ok(dir, "verify --asset-dir enc");
    let whole = fs::read(&blob).unwrap();
    fs::write(&blob, &whole[..whole.len() - 1]).unwrap();
    assert!(fails(dir, 3, "verify --asset-dir enc").contains("[SIZE]"));
    fs::remove_file(&blob).unwrap();
    assert!(fails(dir, 3, "verify --asset-dir enc").contains("no such file"));
}

#[test]
fn a_wrong_or_malformed_key_is_refused_without_repeating_it() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let (wrong, malformed) = ("5e".repeat(32), format!("{}zz", "5e".repeat(31)));
    fs::write(dir.join("wrong.key"), &wrong).unwrap();
    fs::write(dir.join("malformed.key"), &malformed).unwrap();
    let said = fails(dir, 3, "verify --asset-dir enc --key wrong.key");
    assert!(
        said.contains("key_commitment") && !said.contains(&wrong),
        "{said}"
    );
    let said = fails(dir, 2, "verify --asset-dir enc --key malformed.key");
    assert!(
        said.contains("64 hexadecimal") && !said.contains("5e5e"),
        "{said}"
    );
}

#[test]
fn a_changed_manifest_is_refused() {
    let (dir, _) = encrypted_model();
    let path = dir.path().join("enc/model.manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replacen("files/config.json.tbenc", "files/../config.json", 1),
    )
    .unwrap();
    assert!(fails(dir.path(), 2, "inspect --in enc").contains("files[0].blob"));
    fs::write(&path, text.replacen('{', r#"{"asset_id":"x","#, 1)).unwrap();
    assert!(fails(dir.path(), 2, "inspect --in enc").contains("repeated"));
    fs::remove_file(&path).unwrap();
    assert!(fails(dir.path(), 1, "inspect --in enc").contains("model.manifest.json"));
}

#[test]
fn arguments_that_break_a_rule_say_which() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    fs::write(dir.join("token"), "t").unwrap();
    let cases = [
        ("encrypt --in model --out e --asset-id ../x", "--asset-id"),
        ("encrypt --in model --out e --chunk-bytes 0", "--chunk-bytes 0"),
        ("encrypt --in model/config.json --out e.bin", "model.tbenc"),
        (
            "encrypt --in model/config.json --out model.tbenc --manifest elsewhere/m.json",
            "beside --out",
        ),
        ("encrypt --in enc --out e", "safetensors"),
        (
            "upload --in enc --container-url https://a.example/c?sig=SECRET",
            "must not hold a query",
        ),
        (
            "upload --in enc --container-url https://a.example/c",
            "no credential",
        ),
        (
            "upload --in enc --container-url https://a.example/c --asset-id tb-2",
            "tb-asset-1",
        ),
        (
            "modelasset --in enc --endpoint http://e.example --blob-base-url https://a.example/c",
            "--endpoint",
        ),
        (
            "modelasset --in enc --endpoint https://e.example --blob-base-url https://a.example/c",
            "/models/tb-asset-1",
        ),
        ("inspect", "--asset-dir"),
        ("sample-model --out s --size-mib 0", "--size-mib"),
    ];
    for (line, names) in cases {
        let said = fails(dir, 2, line);
        assert!(said.contains(names) && !said.contains("SECRET"), "{line}: {said}");
    }
    assert_eq!(
        fails(dir, 2, "inspect --in model/config.json --json")
            .matches("exit_code")
            .count(),
        1
    );
    fails(dir, 1, "encrypt --in nowhere --out e");
}

#[test]
fn an_unreachable_control_plane_has_its_own_exit_code() {
    let (dir, _) = encrypted_model();
    fs::write(dir.path().join("token"), "t").unwrap();
    let line = "register --in enc --key enc/asset.key --endpoint https://127.0.0.1:1 --token-file token --timeout 2 \
                --blob-base-url https://a.example/c/models/tb-asset-1";
    let said = fails(dir.path(), 5, line);
    let key = fs::read_to_string(dir.path().join("enc/asset.key")).unwrap();
    assert!(
        said.contains("127.0.0.1:1") && !said.contains(key.trim()),
        "{said}"
    );
}

#[test]
fn the_model_asset_is_one_that_the_cluster_accepts() {
    let (dir, summary) = encrypted_model();
    let line = "modelasset --manifest enc/model.manifest.json --endpoint https://edc.example \
                --blob-base-url https://a.example/acct/c/models/tb-asset-1 --min-gpu 2";
    let yaml = ok(dir.path(), line);
    let asset: ModelAsset = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(asset.metadata.name.as_deref(), Some("tb-asset-1"));
    assert_eq!(asset.spec.endpoint, "https://edc.example");
    assert_eq!(
        asset.spec.blob_base_url,
        "https://a.example/acct/c/models/tb-asset-1"
    );
    assert_eq!(asset.spec.manifest_sha256, summary["manifest_sha256"]);
    assert_eq!(
        (
            asset.spec.files.len(),
            asset.spec.min_gpu,
            asset.spec.allow_finetune
        ),
        (7, 2, false)
    );
    let from_json: ModelAsset = serde_json::from_value(json(dir.path(), line)).unwrap();
    assert_eq!(from_json.spec, asset.spec);
}

#[test]
fn a_key_can_come_from_standard_input() {
    let (dir, _) = encrypted_model();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trustbridge"))
        .current_dir(dir.path())
        .args(["verify", "--in", "enc", "--key", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let key = fs::read(dir.path().join("enc/asset.key")).unwrap();
    child.stdin.take().unwrap().write_all(&key).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Kills the program as soon as it has begun to write. What is there then under the final names must be whole.
#[test]
fn a_killed_encryption_leaves_nothing_that_looks_complete() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, "sample-model --out model --size-mib 24");
    let shard = "model/model-00001-of-00002.safetensors";
    let mut interrupted = 0;
    for round in 0..6 {
        let (line, manifest) = if round % 2 == 0 {
            (
                format!("encrypt --in model --out e{round}"),
                format!("e{round}/model.manifest.json"),
            )
        } else {
            (
                format!("encrypt --in {shard} --out e{round}/model.tbenc"),
                format!("e{round}/model.manifest.json"),
            )
        };
        let place = if round % 2 == 0 {
            dir.to_owned()
        } else {
            dir.join(format!("e{round}"))
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_trustbridge"))
            .current_dir(dir)
            .args(line.split_whitespace())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = || place.exists() && names(&place).iter().any(|name| name.contains(".partial-"));
        while child.try_wait().unwrap().is_none() && !begun() {}
        child.kill().unwrap();
        child.wait().unwrap();
        if dir.join(&manifest).exists() {
            ok(dir, &format!("verify --manifest {manifest}"));
        } else {
            interrupted += 1;
            assert!(!dir.join(format!("e{round}/files")).exists());
        }
        for name in names(dir).iter().filter(|name| name.contains(".partial-")) {
            fs::remove_dir_all(dir.join(name)).unwrap();
        }
    }
    assert!(interrupted > 0, "no run was interrupted, so nothing was shown");
}
