//! Sample models against the scanner, the checks and the header reader.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trustbridge_tbenc::manifest::Role;

use super::checks::check;
use super::safetensors::read_header;
use super::sample::{Sample, write};
use super::scan::{role, scan};

const CANARY: &str = "TRUSTBRIDGE_CANARY_0123456789";

fn sample(bytes: u64) -> (tempfile::TempDir, PathBuf, u64) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("model");
    fs::create_dir(&root).unwrap();
    let total = write(
        &root,
        &Sample {
            bytes,
            canary: Some(CANARY),
            seed: 7,
        },
    )
    .unwrap();
    (dir, root, total)
}

fn verdict(root: &Path) -> Result<(), String> {
    let scan = scan(root, &[]).map_err(|e| e.to_string())?;
    check(root, &scan).map_err(|e| e.to_string())
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut document);
    fs::write(path, document.to_string()).unwrap();
}

#[test]
fn a_sample_has_its_size_its_tensors_and_its_canary() {
    for bytes in [1 << 20, 17 << 20] {
        let (_dir, root, total) = sample(bytes);
        assert!(total <= bytes && total > bytes / 100 * 98, "{total} of {bytes}");
        let shards = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ];
        let mut tensors = 0;
        for shard in shards {
            let header = read_header(&root.join(shard)).unwrap();
            tensors += header
                .values()
                .map(|tensor| tensor.data_offsets.1 - tensor.data_offsets.0)
                .sum::<u64>();
            let content = fs::read(root.join(shard)).unwrap();
            let found = content
                .windows(CANARY.len())
                .filter(|window| *window == CANARY.as_bytes())
                .count();
            assert!(found > 20, "{shard}: {found}");
        }
        assert_eq!(tensors, total);
        verdict(&root).unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let ((_a, one, _), (_b, two, _)) = (sample(1 << 20), sample(1 << 20));
    for entry in fs::read_dir(&one).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(
            fs::read(one.join(&name)).unwrap(),
            fs::read(two.join(&name)).unwrap(),
            "{name:?}"
        );
    }
}

#[test]
fn files_come_in_the_order_in_which_a_loader_reads() {
    let (_dir, root, _) = sample(1 << 20);
    fs::write(root.join(".gitattributes"), "x").unwrap();
    fs::create_dir(root.join(".cache")).unwrap();
    fs::write(root.join(".cache/x.bin"), "x").unwrap();
    let scan = scan(&root, &[]).unwrap();
    let files: Vec<(&str, Role)> = scan
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.role))
        .collect();
    assert_eq!(
        files,
        [
            ("config.json", Role::Config),
            ("generation_config.json", Role::Config),
            ("tokenizer.json", Role::Tokenizer),
            ("tokenizer_config.json", Role::Tokenizer),
            ("model.safetensors.index.json", Role::Other),
            ("model-00001-of-00002.safetensors", Role::Weights),
            ("model-00002-of-00002.safetensors", Role::Weights),
        ]
    );
    assert_eq!(scan.skipped, [".cache", ".gitattributes"]);
}

#[test]
fn roles_follow_names() {
    let cases = [
        ("a.safetensors", Role::Weights),
        ("lora/a.safetensors", Role::Other),
        ("tokenizer.model", Role::Tokenizer),
        ("chat_template.jinja", Role::Tokenizer),
        ("merges.txt", Role::Tokenizer),
        ("README.md", Role::Other),
    ];
    for (path, expected) in cases {
        assert_eq!(role(path), expected, "{path}");
    }
}

#[test]
fn a_config_that_lies_about_the_head_is_refused() {
    let (_dir, root, _) = sample(1 << 20);
    let config = root.join("config.json");
    edit(&config, |c| c["tie_word_embeddings"] = json!(true));
    assert!(verdict(&root).unwrap_err().contains("set it to false"));
    edit(&config, |c| c["tie_word_embeddings"] = Value::Null);
    assert!(
        verdict(&root)
            .unwrap_err()
            .contains("must say \"tie_word_embeddings\": false")
    );
    edit(&config, |c| {
        c["text_config"] = json!({"tie_word_embeddings": false});
    });
    verdict(&root).unwrap();
}

#[test]
fn a_config_without_a_dtype_is_refused() {
    let (_dir, root, _) = sample(1 << 20);
    let config = root.join("config.json");
    edit(&config, |c| drop(c.as_object_mut().unwrap().remove("dtype")));
    assert!(verdict(&root).unwrap_err().contains("dtype"));
    edit(&config, |c| c["torch_dtype"] = json!("bfloat16"));
    verdict(&root).unwrap();
    fs::remove_file(&config).unwrap();
    assert!(verdict(&root).unwrap_err().contains("config.json"));
}

#[test]
fn shards_and_index_must_agree() {
    let (_dir, root, _) = sample(1 << 20);
    fs::copy(
        root.join("model-00001-of-00002.safetensors"),
        root.join("consolidated.safetensors"),
    )
    .unwrap();
    assert!(
        verdict(&root)
            .unwrap_err()
            .contains("--exclude consolidated.safetensors")
    );
    let scan = scan(&root, &["consolidated.safetensors".to_owned()]).unwrap();
    check(&root, &scan).unwrap();
    fs::remove_file(root.join("consolidated.safetensors")).unwrap();
    fs::remove_file(root.join("model-00001-of-00002.safetensors")).unwrap();
    assert!(verdict(&root).unwrap_err().contains("missing shard"));
}

#[test]
fn damaged_and_foreign_weights_are_refused() {
    let (_dir, root, _) = sample(1 << 20);
    let shard = root.join("model-00002-of-00002.safetensors");
    let whole = fs::read(&shard).unwrap();
    for bytes in [
        &whole[..whole.len() - 1],
        &whole[..4],
        b"not a safetensors file at all",
        &[],
    ] {
        fs::write(&shard, bytes).unwrap();
        assert!(
            verdict(&root)
                .unwrap_err()
                .contains("no complete safetensors file")
        );
    }
    fs::write(&shard, whole).unwrap();
    fs::write(root.join("pytorch_model.bin"), "x").unwrap();
    assert!(
        verdict(&root)
            .unwrap_err()
            .contains("--exclude pytorch_model.bin")
    );
}

#[test]
fn an_empty_directory_is_no_model() {
    let dir = tempfile::tempdir().unwrap();
    assert!(verdict(dir.path()).unwrap_err().contains("*.safetensors"));
}
