//! Models, small and real enough for the encrypter's checks.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::azurite::Azurite;
use crate::program::trustbridge;

/// Encrypts a directory of three shards of `mib` MiB each into the folder `asset`.
pub fn three_shards(azurite: &Azurite, asset: &str, id: &str, mib: usize) {
    let source = azurite.path(&format!("{asset}-source"));
    fs::create_dir(&source).unwrap();
    for n in 1..=3_u8 {
        shard(
            &source.join(format!("model-0000{n}-of-00003.safetensors")),
            n,
            mib << 20,
        );
    }
    let config = json!({"model_type": "llama", "dtype": "bfloat16", "tie_word_embeddings": true});
    fs::write(source.join("config.json"), config.to_string()).unwrap();
    let made = trustbridge(
        azurite,
        &format!("encrypt --in {asset}-source --out {asset} --key-out {asset}.key --asset-id {id}"),
    )
    .json();
    assert_eq!(made["files"].as_array().unwrap().len(), 4);
}

/// Encrypts one file of `mib` MiB to `<asset>/model.tbenc`.
pub fn one_file(azurite: &Azurite, asset: &str, id: &str, mib: usize) {
    let source = azurite.path(&format!("{asset}.safetensors"));
    shard(&source, 9, mib << 20);
    let line = format!(
        "encrypt --in {asset}.safetensors --out {asset}/model.tbenc --manifest {asset}/model.manifest.json \
         --key-out {asset}.key --asset-id {id}"
    );
    trustbridge(azurite, &line).json();
}

/// One BF16 tensor whose bytes differ from block to block.
fn shard(path: &Path, seed: u8, bytes: usize) {
    let name = format!("model.layers.{seed}.mlp.up_proj.weight");
    let header =
        json!({name: {"dtype": "BF16", "shape": [bytes / 2], "data_offsets": [0, bytes]}}).to_string();
    let mut content = (header.len() as u64).to_le_bytes().to_vec();
    content.extend_from_slice(header.as_bytes());
    let mut state = u64::from(seed) + 1;
    content.extend((0..bytes / 8).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()
    }));
    fs::write(path, content).unwrap();
}

/// The asset's folder of blobs, below the account.
pub fn folder(id: &str) -> String {
    format!("models/models/{id}")
}
