//! `verify` and `inspect` on assets that are damaged, mixed up or not complete.

use std::fs;
use std::path::Path;

use serde_json::Value;
use trustbridge_api::ModelAsset;

use crate::support::{encrypted_model, fails, flip_last_byte, json, names, ok};

#[test]
fn damage_is_found_with_and_without_the_key() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let blob = dir.join("enc/files/model-00002-of-00002.safetensors.tbenc");
    flip_last_byte(&blob);
    assert!(fails(dir, 65, "verify --asset-dir enc").contains("[DIGEST]"));
    let said = fails(dir, 65, "verify --asset-dir enc --key-file enc.key");
    assert!(said.contains("[AUTH] record") && said.contains("00002"), "{said}");
    assert!(fails(dir, 65, "decrypt --asset-dir enc --key enc.key --out back").contains("[AUTH]"));
    assert_eq!(
        names(dir),
        ["enc", "enc.key", "model"],
        "a failed decryption leaves no plaintext"
    );
    flip_last_byte(&blob);
    ok(dir, "verify --asset-dir enc");
    let whole = fs::read(&blob).unwrap();
    fs::write(&blob, &whole[..whole.len() - 1]).unwrap();
    assert!(fails(dir, 65, "verify --asset-dir enc").contains("[SIZE]"));
    assert_eq!(
        state(dir, "model-00002"),
        format!("is {} bytes, must be {}", whole.len() - 1, whole.len())
    );
    fs::write(&blob, [&b"X"[..], &whole[1..]].concat()).unwrap();
    assert!(fails(dir, 65, "verify --asset-dir enc").contains("[HEADER]"));
    assert!(state(dir, "model-00002").contains("magic"));
    fs::remove_file(&blob).unwrap();
    assert!(fails(dir, 65, "verify --asset-dir enc").contains("no such file"));
    assert_eq!(state(dir, "model-00002"), "missing");
    assert_eq!(state(dir, "model-00001"), "ok");
}

/// What `inspect` says about one blob.
fn state(dir: &Path, name: &str) -> String {
    let said = json(dir, "inspect --in enc");
    let blobs = said["blobs"].as_array().unwrap();
    let blob = blobs
        .iter()
        .find(|blob| blob["blob"].as_str().unwrap().contains(name));
    blob.unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn swapped_shards_are_named() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    let blob = |n: u8| dir.join(format!("enc/files/model-0000{n}-of-00002.safetensors.tbenc"));
    let swap = || {
        fs::rename(blob(1), dir.join("x")).unwrap();
        fs::rename(blob(2), blob(1)).unwrap();
        fs::rename(dir.join("x"), blob(2)).unwrap();
    };
    swap();
    for line in ["verify --in enc", "verify --in enc --key-file enc.key"] {
        let said = fails(dir, 65, line);
        assert!(
            said.contains("holds the ciphertext of model-0000") && said.contains("swapped"),
            "{line}: {said}"
        );
    }
    swap();
    ok(dir, "verify --in enc --key-file enc.key");
}

#[test]
fn shards_of_the_same_length_are_told_apart_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, "sample-model --out model --size-mib 1");
    let shard = dir.join("model/model-00001-of-00002.safetensors");
    fs::copy(&shard, dir.join("model/model-00002-of-00002.safetensors")).unwrap();
    fs::remove_file(dir.join("model/model.safetensors.index.json")).unwrap();
    let config = r#"{"dtype": "bfloat16", "tie_word_embeddings": true}"#;
    fs::write(dir.join("model/config.json"), config).unwrap();
    ok(dir, "encrypt --in model --out enc");
    let blob = |n: u8| dir.join(format!("enc/files/model-0000{n}-of-00002.safetensors.tbenc"));
    fs::copy(blob(2), blob(1)).unwrap();
    for line in ["verify --in enc", "verify --in enc --key-file enc.key"] {
        let said = fails(dir, 65, line);
        assert!(
            said.contains("ciphertext of model-00002") && said.contains("not of model-00001"),
            "{said}"
        );
    }
}

#[test]
fn the_manifest_and_blob_of_another_asset_are_refused() {
    let (dir, _) = encrypted_model();
    let dir = dir.path();
    ok(dir, "encrypt --in model --out other --asset-id tb-other");
    let said = fails(dir, 65, "verify --in other --key-file enc.key");
    assert!(
        said.contains("key_commitment") && said.contains("tb-other"),
        "{said}"
    );
    assert!(fails(dir, 65, "verify --in other --asset-id tb-asset-1").contains("asset_id is tb-other"));
    let said = json(dir, "verify --in other --asset-id tb-other");
    let anchor = said["manifest_sha256"].as_str().unwrap();
    ok(dir, &format!("verify --in other --manifest-sha256 {anchor}"));
    let line = format!("verify --in enc --manifest-sha256 {anchor}");
    assert!(fails(dir, 65, &line).contains("[ASSET]"));
    // The other asset's ciphertext under this one's manifest.
    let line = "verify --in other --manifest enc/model.manifest.json --key-file enc.key";
    let said = fails(dir, 65, line);
    assert!(said.contains("[LIMIT]") || said.contains("[SIZE]"), "{said}");
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
    assert!(fails(dir.path(), 65, "inspect --in enc").contains("files[0].blob"));
    fs::write(&path, text.replacen('{', r#"{"asset_id":"x","#, 1)).unwrap();
    assert!(fails(dir.path(), 65, "inspect --in enc").contains("repeated"));
    fs::remove_file(&path).unwrap();
    assert!(fails(dir.path(), 74, "inspect --in enc").contains("model.manifest.json"));
}

#[test]
fn inspect_shows_manifest_lengths_and_overhead() {
    let (dir, summary) = encrypted_model();
    let said = json(dir.path(), "inspect --in enc");
    assert_eq!(said["manifest"]["asset_id"], "tb-asset-1");
    assert_eq!(said["manifest_sha256"], summary["manifest_sha256"]);
    let total = said["ciphertext_bytes"].as_u64().unwrap();
    let plain = summary["plaintext_bytes"].as_u64().unwrap();
    assert_eq!(said["overhead_bytes"], Value::from(total - plain));
    let on_disk: u64 = summary["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            fs::metadata(dir.path().join("enc").join(file["blob"].as_str().unwrap()))
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(total, on_disk);
    assert!(ok(dir.path(), "inspect --in enc").contains("config.json.tbenc  ok"));
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
    ok(dir.path(), &format!("{line} --out asset.yaml"));
    assert_eq!(
        fs::read_to_string(dir.path().join("asset.yaml")).unwrap().trim(),
        yaml.trim()
    );
    fails(dir.path(), 64, &format!("{line} --out asset.yaml"));
}
