//! Any bytes as a manifest: never a panic, and what is accepted can be written and is read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustbridge_tbenc::Class;
use trustbridge_tbenc::manifest::{Manifest, check_path};

fuzz_target!(|bytes: &[u8]| {
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert_eq!(error.class(), Class::Manifest);
            return;
        }
    };
    let written = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::parse(&written).unwrap(), manifest);
    // A second parser sees the same document: an object, each key once.
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(value["asset_id"].as_str(), Some(manifest.asset_id.as_str()));
    for file in manifest.files.iter().flatten() {
        check_path(&file.path).unwrap();
        check_path(&file.blob).unwrap();
        assert!(file.blob.starts_with("files/"));
    }
});
